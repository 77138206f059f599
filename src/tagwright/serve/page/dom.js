// Small helpers to build elements; all text goes in as text.

export const byId = (id) => document.getElementById(id);

/** Make an element with attributes; a text is inserted as text. */
export function make(tag, attributes = {}, text) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

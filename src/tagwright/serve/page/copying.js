// What is copied: the entities shown, as JSON or as CoNLL.

/** Write the entities shown as JSON; offsets count code points, as in the service's answers. */
export function asJson(answer, shown) {
  return `${JSON.stringify({ model: answer.model, text: answer.text, entities: shown }, null, 2)}\n`;
}

/** Write words and tags, one word a line; words of entities that are not shown have the outside tag. */
export function asConll(answer, shown) {
  const { tokens, tags, entities } = answer;
  if (!Array.isArray(tokens) || tokens.length !== tags?.length) throw new Error("The service gave no words.");
  const visible = new Set(shown);
  const kept = [...tags];
  for (const entity of entities) {
    if (!visible.has(entity)) kept.fill("O", entity.word_start, entity.word_end);
  }
  const unfit = tokens.find(
    (word, position) =>
      word === "" || /^ | $|[\t\n\r]/.test(word) || (position === 0 && /^(?:-DOCSTART-$|# |\ufeff)/.test(word)),
  );
  if (unfit !== undefined) throw new Error(`CoNLL cannot hold the word ${JSON.stringify(unfit)}; copy JSON instead.`);
  return `${tokens.map((word, position) => `${word}\t${kept[position]}\n`).join("")}\n`;
}

/** Put a text on the clipboard; throws where the browser lets no page do that. */
export async function copy(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  // Pages that came by plain HTTP from elsewhere have no clipboard; the old command works on what is selected.
  const field = document.createElement("textarea");
  const focused = document.activeElement;
  field.className = "unseen";
  field.value = text;
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  focused?.focus();
  if (!done) throw new Error("The browser does not let this page copy.");
}

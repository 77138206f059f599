// The types: each with its colour and how many entities it has; a press hides or shows them.

import { make } from "./dom.js";
import { nameOf } from "./text.js";

const MANY = 12; // of more types than this, only those are listed that the text has

export class Legend {
  #box;
  #onChange;
  #buttons = new Map();
  #all = make("button", { type: "button", class: "quiet" }, "Show all");
  hidden = new Set();

  constructor(box, onChange) {
    this.#box = box;
    this.#onChange = onChange;
    this.#all.addEventListener("click", () => {
      this.hidden.clear();
      this.#buttons.values().next().value?.focus(); // the pressed button goes away
      this.#onChange();
    });
  }

  /** List the types of a model, and those of an answer. */
  draw(types, counts, colours) {
    const found = (type) => counts.has(type) || this.hidden.has(type);
    const known = types.length > MANY ? types.filter(found) : types;
    const listed = [...new Set([...known, ...counts.keys()])].sort((one, other) => one.localeCompare(other));
    if (listed.join("\n") !== [...this.#buttons.keys()].join("\n")) this.#build(listed);
    for (const [type, button] of this.#buttons) {
      const number = counts.get(type) ?? 0;
      button.dataset.hue = colours.get(type);
      button.setAttribute("aria-pressed", String(!this.hidden.has(type)));
      button.classList.toggle("empty", number === 0);
      button.lastElementChild.textContent = String(number);
    }
    const some = listed.some((type) => this.hidden.has(type));
    if (!some) this.#all.parentElement?.remove();
    else if (!this.#all.isConnected) this.#box.append(this.#inItem(this.#all));
  }

  #build(types) {
    this.#buttons.clear();
    this.#box.replaceChildren();
    for (const type of types) {
      const button = make("button", { type: "button", class: "type" });
      button.append(make("span", { class: "swatch", "aria-hidden": "true" }), make("bdi", {}, nameOf(type)), " ");
      button.append(make("span", { class: "count" }));
      button.addEventListener("click", () => {
        if (!this.hidden.delete(type)) this.hidden.add(type);
        this.#onChange();
      });
      this.#buttons.set(type, button);
      this.#box.append(this.#inItem(button));
    }
  }

  #inItem(element) {
    const item = make("li");
    item.append(element);
    return item;
  }
}

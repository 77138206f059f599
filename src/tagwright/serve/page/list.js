// The entities as a table: what is marked in the text, for those who would rather read a list.

import { make } from "./dom.js";
import { nameOf } from "./text.js";

const PAGE = 200; // rows that are added at a time

export class List {
  #box;
  #body;
  #more;
  #none;
  #heads;
  #onGo;
  #entities = [];
  #sorted = [];
  #colours = new Map();
  #rows = new Map();
  #key = null; // null: in the order of the text
  #down = false;
  #chosen = null;

  constructor(box, { onGo }) {
    this.#box = box;
    this.#body = box.querySelector("tbody");
    this.#more = box.querySelector("#more");
    this.#none = box.querySelector("#none");
    this.#heads = [...box.querySelectorAll("thead button")];
    this.#onGo = onGo;
    this.#more.addEventListener("click", () => {
      const first = this.#rows.size;
      this.#add();
      this.#body.rows[first]?.querySelector("button").focus({ preventScroll: true });
    });
    for (const head of this.#heads) head.addEventListener("click", () => this.#sort(head.dataset.key));
  }

  /** Show these entities; `none` is what to say where there are none. */
  draw(entities, colours, none) {
    this.#entities = entities;
    this.#colours = colours;
    this.#none.textContent = none;
    this.#none.hidden = entities.length > 0;
    this.#body.parentElement.hidden = entities.length === 0;
    this.#arrange();
  }

  // A head's first press sorts up (scores too: the doubtful ones come first), its second down, its third not at all.
  #sort(key) {
    if (this.#key !== key) [this.#key, this.#down] = [key, false];
    else if (!this.#down) this.#down = true;
    else this.#key = null;
    for (const head of this.#heads) {
      const cell = head.parentElement;
      if (head.dataset.key !== this.#key) cell.removeAttribute("aria-sort");
      else cell.setAttribute("aria-sort", this.#down ? "descending" : "ascending");
    }
    this.#arrange();
  }

  #arrange() {
    this.#sorted = [...this.#entities];
    const key = this.#key;
    const turn = this.#down ? -1 : 1;
    if (key === "score") this.#sorted.sort((one, other) => turn * (one.score - other.score));
    else if (key) this.#sorted.sort((one, other) => turn * String(one[key]).localeCompare(String(other[key])));
    this.#rows.clear();
    this.#body.replaceChildren();
    this.#add();
  }

  #add() {
    const page = this.#sorted.slice(this.#rows.size, this.#rows.size + PAGE);
    this.#body.append(...page.map((entity) => this.#row(entity)));
    const left = this.#sorted.length - this.#rows.size;
    this.#more.hidden = left === 0;
    this.#more.textContent = `Show ${Math.min(left, PAGE)} more of ${left}`;
  }

  #row(entity) {
    const row = make("tr");
    const go = make("button", { type: "button", class: "go", dir: "auto", title: "Show it in the text" }, entity.text);
    go.addEventListener("click", () => this.#onGo(entity));
    const cells = [make("td", { class: "surface" }), make("td"), make("td", { class: "number" }, entity.score.toFixed(4))];
    cells[0].append(go);
    cells[1].append(make("span", { class: "label", "data-hue": this.#colours.get(entity.label) }, nameOf(entity.label)));
    row.append(...cells);
    this.#rows.set(entity, row);
    if (entity === this.#chosen) row.setAttribute("aria-current", "true");
    return row;
  }

  /** Set one entity's row off, and bring it into view where the list has room of its own. */
  choose(entity) {
    this.#rows.get(this.#chosen)?.removeAttribute("aria-current");
    this.#chosen = entity;
    while (!this.#rows.has(entity) && this.#rows.size < this.#sorted.length && this.#sorted.includes(entity)) this.#add();
    const row = this.#rows.get(entity);
    if (!row) return;
    row.setAttribute("aria-current", "true");
    const rows = this.#box;
    if (rows.scrollHeight <= rows.clientHeight) return;
    rows.scrollTop += row.getBoundingClientRect().top - rows.getBoundingClientRect().top - rows.clientHeight / 2;
  }
}

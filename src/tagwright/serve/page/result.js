// What the service said of a text: marked, counted, filtered, listed, copied.

import { coloursOf } from "./colours.js";
import { asConll, asJson, copy } from "./copying.js";
import { byId } from "./dom.js";
import { Legend } from "./legend.js";
import { List } from "./list.js";
import { MarkedText } from "./marks.js";
import { resultOf } from "./service.js";
import { count, unitsOf } from "./text.js";
import { Tip } from "./tip.js";

const CONFIRMED = 1500; // milliseconds for which a button says that it has copied

export class Result {
  /** {model, text, entities, tokens, tags, words, lost}, or null while nothing is shown. */
  answer = null;

  #least = byId("least");
  #legend = new Legend(byId("legend"), () => this.#filter());
  #marked = new MarkedText(byId("marked"), { tip: new Tip(byId("tip")), onSelect: (entity) => this.#choose(entity) });
  #list = new List(byId("rows"), {
    onGo: (entity) => {
      this.#choose(entity);
      this.#marked.focus(entity);
    },
  });
  #types = [];
  #colours = new Map();
  #frame = 0;
  #speech = 0;
  #onChange;
  #onTrouble;

  /**
   * `onChange` is called when the filters change, `onTrouble` with a message when nothing can be copied; `link` gives
   * the address that shows the same.
   */
  constructor({ onChange, onTrouble, link }) {
    this.#onChange = onChange;
    this.#onTrouble = onTrouble;
    this.#least.addEventListener("input", () => {
      cancelAnimationFrame(this.#frame);
      this.#frame = requestAnimationFrame(() => this.#filter());
    });
    this.#copies("copy-json", "JSON", () => asJson(this.answer, this.#shown()));
    this.#copies("copy-conll", "CoNLL", () => asConll(this.answer, this.#shown()));
    this.#copies("link", "Link", link);
  }

  /** The filters: types that are hidden, and the least score that is shown. */
  get filters() {
    return { hidden: this.#legend.hidden, least: Number(this.#least.value) };
  }

  set filters({ hidden, least }) {
    this.#legend.hidden = hidden;
    this.#least.value = String(least);
    this.#filter();
  }

  /** Show what the service said of a text; `types` are those that its model knows. Throws ServiceError. */
  show(text, said, types) {
    const places = unitsOf(text);
    const { entities, tokens, tags, words, lost_words: lost = 0 } = resultOf(said, places);
    this.answer = { model: String(said.model), text, entities, tokens, tags, words, lost };
    this.#types = types;
    this.#colours = coloursOf([...types, ...entities.map((entity) => entity.label)]);
    this.#reveal(true);
    this.#marked.draw(text, entities, places, this.#colours);
    this.#filter();
  }

  /** Show nothing. */
  clear() {
    this.answer = null;
    this.#marked.clear();
    this.#reveal(false);
    this.#say("");
  }

  #reveal(yes) {
    for (const name of ["result", "list", "link"]) byId(name).hidden = !yes;
  }

  #shown() {
    const { hidden, least } = this.filters;
    return this.answer.entities.filter((entity) => entity.score >= least && !hidden.has(entity.label));
  }

  #filter() {
    const { least } = this.filters;
    byId("least-number").textContent = least.toFixed(2);
    this.#onChange();
    if (this.answer === null) return;
    const { entities, words, lost } = this.answer;
    const counts = new Map();
    for (const { label, score } of entities) {
      if (score >= least) counts.set(label, (counts.get(label) ?? 0) + 1);
    }
    const shown = this.#shown();
    const left = entities.length - shown.length;
    this.#legend.draw(this.#types, counts, this.#colours);
    this.#marked.show(shown);
    this.#list.draw(shown, this.#colours, left ? "The filters hide all entities." : "There are no entities in this text.");
    const parts = [`${count(shown.length, "entity", "entities")} in ${count(words, "word")}`];
    if (left) parts.push(`${left} hidden`);
    if (lost) parts.push(`the last ${count(lost, "word")} cut off`);
    byId("summary").textContent = parts.join(" · ");
    this.#say(parts.join(", "));
  }

  #choose(entity) {
    this.#marked.choose(entity);
    this.#list.choose(entity);
  }

  // Screen readers hear of the last change, not of each one.
  #say(message) {
    clearTimeout(this.#speech);
    this.#speech = setTimeout(() => { byId("announce").textContent = message; }, 700);
  }

  #copies(id, what, write) {
    const button = byId(id);
    const name = button.textContent;
    button.addEventListener("click", async () => {
      try {
        await copy(write());
      } catch (error) {
        this.#onTrouble(error.name === "NotAllowedError" ? "The browser does not let this page copy." : error.message);
        return;
      }
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = name; }, CONFIRMED);
      this.#say(`${what} copied`);
    });
  }
}

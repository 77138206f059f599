// The text with its entities marked. Every character stands there once, as text; types are added by the style
// sheet, so that what is copied or searched is the text alone.

import { make } from "./dom.js";
import { beginsRightToLeft, endsRightToLeft, graphemesOf, nameOf } from "./text.js";

const PIECE = 4000; // characters that are laid out together; pieces out of sight are not laid out at all
const ENDLESS = 12_000; // characters of a paragraph above which it is laid out in several blocks
const FIRST = 40_000; // characters that are shown at once; the rest follows while the page stays usable

/**
 * Cut [0, text.length) into paragraphs, each with its line feed, never inside a span; endless ones are cut at blanks.
 * A paragraph is {start, end, spans, goesOn}; spans are {start, end, …}, in order, not overlapping.
 */
function paragraphsOf(text, spans) {
  const paragraphs = [];
  let start = 0;
  let from = 0;
  let next = 0;
  let goesOn = false; // the one before had no line feed
  while (start < text.length) {
    const feed = text.indexOf("\n", from);
    let end = feed < 0 ? text.length : feed + 1;
    if (end - start > ENDLESS) {
      const blank = text.indexOf(" ", Math.max(from, start + PIECE));
      if (blank >= 0 && blank < end) end = blank + 1;
    }
    let past = next;
    while (past < spans.length && spans[past].start < end) past += 1;
    if (past > next && spans[past - 1].end > end) {
      from = spans[past - 1].end; // an entity runs over this place
      continue;
    }
    paragraphs.push({ start, end, spans: spans.slice(next, past), goesOn });
    goesOn = text[end - 1] !== "\n";
    [start, from, next] = [end, end, past];
  }
  return paragraphs;
}

function* piecesOf(paragraphs) {
  let piece = [];
  let size = 0;
  for (const paragraph of paragraphs) {
    piece.push(paragraph);
    size += paragraph.end - paragraph.start;
    if (size < PIECE) continue;
    yield { piece, size };
    [piece, size] = [[], 0];
  }
  if (piece.length) yield { piece, size };
}

/** The marked text in a box; `onSelect` and `tip` are told what happens to its marks. */
export class MarkedText {
  #box;
  #tip;
  #elements = new Map(); // entity -> element
  #entities = new WeakMap(); // element -> entity
  #order = []; // entities that have a mark, in the order of the text
  #shown = new Set();
  #colours = new Map();
  #stop = 0; // the one mark that the tab key stops at, as a place in #order
  #drawing = 0;
  #chosen = null;
  #direction = "ltr"; // of the paragraph that is being laid out

  constructor(box, { tip, onSelect }) {
    this.#box = box;
    this.#tip = tip;
    box.addEventListener("click", (event) => this.#with(event, onSelect));
    box.addEventListener("keydown", (event) => this.#key(event, onSelect));
    box.addEventListener("focusin", (event) => this.#with(event, (entity, mark) => {
      this.#moveStop(this.#order.indexOf(entity));
      if (mark.matches(":focus-visible")) tip.show(mark, entity);
    }));
    box.addEventListener("focusout", () => tip.leave());
    box.addEventListener("pointerover", (event) => this.#with(event, (entity, mark) => {
      tip.show(mark, entity, event);
    }));
    box.addEventListener("pointerout", (event) => this.#with(event, () => tip.leave()));
  }

  #with(event, act) {
    const mark = event.target.closest?.(".entity[role]");
    if (mark && this.#box.contains(mark)) act(this.#entities.get(mark), mark);
  }

  /** Show a text with entities, all of them marked; resolves when the last piece is there. */
  async draw(text, entities, places, colours) {
    const drawing = ++this.#drawing;
    this.#tip.hide();
    this.#elements.clear();
    this.#shown = new Set();
    this.#colours = colours;
    this.#chosen = null;
    const spans = this.#spans(text, entities, places);
    this.#order = spans.map((span) => span.entity);
    this.#stop = 0;
    const ready = document.createDocumentFragment();
    let drawn = 0;
    let shownAlready = false;
    for (const { piece, size } of piecesOf(paragraphsOf(text, spans))) {
      const element = this.#piece(text, piece, size);
      drawn += size;
      if (!shownAlready) {
        ready.append(element);
        if (drawn < FIRST) continue;
        this.#box.replaceChildren(ready);
        shownAlready = true;
        continue;
      }
      if (drawn > FIRST) {
        await new Promise((resolve) => setTimeout(resolve));
        if (drawing !== this.#drawing) return;
        drawn = 0;
      }
      this.#box.append(element);
    }
    if (!shownAlready) this.#box.replaceChildren(ready);
  }

  #spans(text, entities, places) {
    const widen = graphemesOf(text);
    const spans = [];
    let free = 0;
    for (const entity of [...entities].sort((one, other) => one.start - other.start)) {
      const [start, end] = widen(places(entity.start), places(entity.end));
      if (Math.max(start, free) >= end) continue; // lies in another's mark; the list has it
      spans.push({ start: Math.max(start, free), end, entity });
      free = end;
    }
    return spans;
  }

  #piece(text, paragraphs, size) {
    const piece = make("div", { class: "piece" });
    piece.style.setProperty("--lines", String(Math.ceil(size / 70) + paragraphs.length));
    for (const { start, end, spans, goesOn } of paragraphs) {
      const paragraph = make("div", { class: "paragraph", dir: goesOn ? this.#direction : "auto" });
      if (!goesOn) this.#direction = beginsRightToLeft(text.slice(start, start + PIECE)) ? "rtl" : "ltr";
      let done = start;
      for (const span of spans) {
        paragraph.append(text.slice(done, span.start), this.#mark(text.slice(span.start, span.end), span.entity));
        done = span.end;
      }
      paragraph.append(text.slice(done, end));
      piece.append(paragraph);
    }
    return piece;
  }

  #mark(text, entity) {
    const mark = make("span", { class: "entity" }, text);
    if (endsRightToLeft(text)) mark.classList.add("rtl");
    this.#elements.set(entity, mark);
    this.#entities.set(mark, entity);
    if (this.#shown.has(entity)) this.#turn(mark, entity, true);
    if (this.#shown.has(entity) && this.#order[this.#stop] === entity) mark.setAttribute("tabindex", "0");
    return mark;
  }

  #turn(mark, entity, on) {
    if (!on) {
      for (const name of ["role", "tabindex", "data-type", "data-hue", "aria-current"]) mark.removeAttribute(name);
      return;
    }
    mark.setAttribute("role", "button");
    mark.setAttribute("tabindex", "-1");
    mark.dataset.type = nameOf(entity.label);
    mark.dataset.hue = this.#colours.get(entity.label);
  }

  /** Mark these entities, and no others. */
  show(entities) {
    const shown = new Set(entities);
    const stop = this.#order[this.#stop];
    for (const [entity, mark] of this.#elements) {
      if (shown.has(entity) !== this.#shown.has(entity)) this.#turn(mark, entity, shown.has(entity));
    }
    this.#shown = shown;
    const first = shown.has(stop) ? this.#stop : this.#order.findIndex((entity) => shown.has(entity));
    this.#moveStop(Math.max(first, 0));
  }

  #moveStop(place) {
    const was = this.#elements.get(this.#order[this.#stop]);
    if (was?.hasAttribute("role")) was.setAttribute("tabindex", "-1");
    this.#stop = place;
    const mark = this.#elements.get(this.#order[place]);
    if (mark?.hasAttribute("role")) mark.setAttribute("tabindex", "0");
  }

  #key(event, onSelect) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    this.#with(event, (entity, mark) => {
      const turned = getComputedStyle(mark).direction === "rtl";
      const forward = { ArrowRight: turned ? -1 : 1, ArrowLeft: turned ? 1 : -1, ArrowDown: 1, ArrowUp: -1 }[event.key];
      const visible = this.#order.filter((one) => this.#shown.has(one));
      let to = null;
      if (forward) to = visible[visible.indexOf(entity) + forward];
      else if (event.key === "Home") [to] = visible;
      else if (event.key === "End") to = visible.at(-1);
      else if (event.key === "Enter" || event.key === " ") onSelect(entity);
      else return;
      event.preventDefault();
      if (to) this.focus(to);
    });
  }

  /** Put the focus on an entity's mark and bring it into view; false where it has none. */
  focus(entity) {
    const mark = this.#elements.get(entity);
    if (!mark?.hasAttribute("role")) return false;
    mark.focus({ focusVisible: true, preventScroll: true });
    mark.scrollIntoView({ block: "nearest" });
    return true;
  }

  /** Set one entity off from the others. */
  choose(entity) {
    this.#elements.get(this.#chosen)?.removeAttribute("aria-current");
    this.#chosen = entity;
    this.#elements.get(entity)?.setAttribute("aria-current", "true");
  }

  clear() {
    this.#drawing += 1;
    this.#tip.hide();
    this.#elements.clear();
    this.#order = [];
    this.#box.replaceChildren();
  }
}

// What a mark says when the pointer or the focus is on it: its score and its place. It stays while the pointer is on
// the mark or on the tip itself, and Escape sends it away (WCAG 1.4.13).

import { make } from "./dom.js";
import { nameOf } from "./text.js";

const GRACE = 150; // milliseconds in which the pointer may travel from the mark to the tip

export class Tip {
  #box;
  #mark = null;
  #timer = 0;
  #touched = false; // a finger that is lifted leaves nothing: the tip stays as long as the mark has the focus

  constructor(box) {
    this.#box = box;
    box.addEventListener("pointerenter", () => clearTimeout(this.#timer));
    box.addEventListener("pointerleave", () => this.leave());
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.hide();
    });
    window.addEventListener("resize", () => this.hide());
    document.addEventListener("scroll", () => this.#place(), { capture: true, passive: true });
  }

  /** Show what is known of a mark's entity; `event` is the pointer's, if it came by one. */
  show(mark, entity, event) {
    clearTimeout(this.#timer);
    if (this.#mark === mark) return;
    this.hide();
    this.#mark = mark;
    this.#touched = event?.pointerType === "touch";
    const score = make("span", { class: "score" }, entity.score.toFixed(4));
    const bar = make("span", { class: "meter", "aria-hidden": "true" });
    bar.style.setProperty("--part", String(Math.min(Math.max(entity.score, 0), 1)));
    const head = make("p");
    head.append(make("b", { "data-hue": mark.dataset.hue }, nameOf(entity.label)), " score ", score, bar);
    const place = `start ${entity.start}, end ${entity.end}`;
    this.#box.replaceChildren(head, make("p", { class: "muted" }, place));
    this.#box.hidden = false;
    mark.setAttribute("aria-describedby", this.#box.id);
    this.#place(event);
  }

  /** Hide the tip soon, unless the pointer comes to it or the focus keeps it. */
  leave() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const stays = this.#touched ? ":focus" : ":hover, :focus-visible";
      if (!this.#mark?.matches(stays) && !this.#box.matches(":hover")) this.hide();
    }, GRACE);
  }

  hide() {
    clearTimeout(this.#timer);
    this.#mark?.removeAttribute("aria-describedby");
    this.#mark = null;
    this.#box.hidden = true;
  }

  #place(event) {
    if (!this.#mark) return;
    // A mark may run over several lines: the one under the pointer counts, or else the first.
    const lines = [...this.#mark.getClientRects()];
    const under = (line) => event?.clientY >= line.top && event.clientY <= line.bottom && event.clientX <= line.right;
    const line = lines.find(under) ?? lines[0];
    if (!line || line.bottom < 0 || line.top > window.innerHeight) return this.hide();
    const { width, height } = this.#box.getBoundingClientRect();
    const room = document.documentElement.clientWidth - width - 8;
    const above = line.top > height + 12;
    this.#box.style.left = `${Math.max(8, Math.min(line.left, room))}px`;
    this.#box.style.top = `${above ? line.top - height - 4 : line.bottom + 4}px`;
  }
}

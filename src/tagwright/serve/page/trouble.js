// What went wrong, said in one place; and the way back from it.

import { byId, make } from "./dom.js";
import { ready } from "./service.js";

const WAITS = [1, 2, 4, 8, 15]; // seconds between looks whether the service is back

export class Trouble {
  #box = byId("alert");
  #timer = 0;
  #tries = 0;

  /** Say what went wrong; `small` is what only the service's keepers need. */
  say(message, small = "") {
    const notice = make("p", { class: "notice bad" }, message);
    if (small) notice.append(" ", make("small", {}, small));
    if (this.#box.textContent !== notice.textContent) this.#box.replaceChildren(notice);
  }

  /** Take the message away; what was tried so far is forgotten. */
  clear() {
    this.stop();
    this.#tries = 0;
    this.#box.replaceChildren();
  }

  /** Look for nothing any more. */
  stop() {
    clearTimeout(this.#timer);
    this.#timer = 0;
  }

  /** Call `again` when the service is ready, at the earliest after `least` seconds. */
  whenBack(again, least = 0) {
    this.stop();
    const wait = Math.max(least, WAITS[Math.min(this.#tries, WAITS.length - 1)]);
    this.#tries += 1;
    this.#timer = setTimeout(async () => {
      const timer = this.#timer;
      const back = await ready();
      if (timer !== this.#timer) return; // stopped or begun anew while it looked
      if (back) again();
      else this.whenBack(again);
    }, wait * 1000);
  }
}

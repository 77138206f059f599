// The page: what is typed is sent, what the service says is shown, and what goes wrong is said.

import { coloursOf } from "./colours.js";
import { byId, make } from "./dom.js";
import { EXAMPLES } from "./examples.js";
import { readText, takeDrops } from "./files.js";
import { fromFragment, LONGEST, toFragment } from "./fragment.js";
import { Result } from "./result.js";
import { ask, ServiceError } from "./service.js";
import { count, lengthOf, nameOf, wellFormed } from "./text.js";
import { Trouble } from "./trouble.js";

const KEY = "tagwright-key";
const QUIET = 250; // milliseconds without a key press after which a text is tagged
const LONG = 20_000; // characters from which typing waits longer
const PATIENCE = 1500; // milliseconds after which the page says that it is waiting
const TAGGING = "Tagging…";
const PAUSE = 400; // milliseconds between two changes of the address; browsers refuse more than 100 in 30 seconds
const BREAKS = 2; // times in a row that a ready service may break off at a text before the page gives up

const field = byId("text");
const models = new Map(); // name -> what the service says of it
const trouble = new Trouble();
const result = new Result({ onChange: remember, onTrouble: note, link });

let model = null; // the name of the model that is asked
let latest = 0; // number of the newest request; older ones' answers are dropped
let running = new AbortController();
let typing = 0;
let waiting = 0;
let broken = 0;
let fragment = ""; // what the address is to hold
let writing = 0;
let replaced = null; // {old, by}: the text that an example, a file or a link took the place of

function note(message) {
  byId("note").textContent = message;
}

// ---- asking ----

async function loadModels() {
  const known = (await ask("v1/models", { key: sessionStorage.getItem(KEY) })).models ?? [];
  for (const one of known) models.set(String(one.name), one);
  const names = [...models.keys()];
  if (!models.has(model)) {
    if (model) sayUnknown(model);
    model = String((known.find((one) => one.default) ?? known[0])?.name ?? "") || null;
  }
  byId("model").replaceChildren(...names.map((name) => make("option", { value: name }, name)));
  byId("model").value = model ?? "";
  byId("model-choice").hidden = names.length < 2;
  byId("model-name").hidden = names.length !== 1;
  byId("model-name").textContent = names[0] ?? "";
  showModel();
}

const typesOf = (name) => (models.get(name)?.types ?? []).map(String);

/** Tag the text in the field; `ready` says that the service was found ready just before. */
async function tag(ready = false) {
  clearTimeout(typing);
  trouble.stop();
  running.abort();
  running = new AbortController();
  const { signal } = running;
  const mine = ++latest;
  const text = wellFormed(field.value);
  busy(text.trim() !== "");
  remember();
  try {
    if (models.size === 0) await loadModels();
    if (mine !== latest) return;
    if (text.trim() === "") {
      forget();
    } else {
      const body = { text, tokens: true, ...(model === null ? {} : { model }) };
      const said = await ask("v1/entities", { body, signal, key: sessionStorage.getItem(KEY) });
      if (mine !== latest) return;
      result.show(text, said, typesOf(model));
      byId("about").hidden = true;
    }
    broken = 0;
    byId("key-form").hidden = true;
    trouble.clear();
  } catch (error) {
    if (mine === latest && error.name !== "AbortError") fail(error, text, ready);
  } finally {
    if (mine === latest) busy(false);
  }
}

function tagSoon() {
  clearTimeout(typing);
  typing = setTimeout(() => tag(), field.value.length > LONG ? 4 * QUIET : QUIET);
}

function busy(yes) {
  clearTimeout(waiting);
  if (yes) waiting = setTimeout(() => note(TAGGING), PATIENCE);
  else if (byId("note").textContent === TAGGING) note("");
  byId("tag").classList.toggle("busy", yes);
  byId("result").setAttribute("aria-busy", String(yes));
}

function showModel() {
  const types = typesOf(model).sort();
  const hues = coloursOf(types);
  const items = types.map((type) => {
    const item = make("li");
    item.append(make("span", { class: "label", "data-hue": hues.get(type) }, nameOf(type)));
    return item;
  });
  byId("about").querySelector("ul").replaceChildren(...items);
  const { runtime, precision } = models.get(model) ?? {};
  byId("made").textContent = runtime ? `Runs on ${runtime}${precision ? `, ${precision}` : ""}.` : "";
  byId("about").hidden = result.answer !== null || types.length === 0;
}

function forget() {
  result.clear();
  showModel();
}

// ---- trouble ----

function fail(error, text, ready) {
  if (!(error instanceof ServiceError)) throw error;
  if (result.answer !== null && result.answer.text !== text) forget(); // what was shown is of another text
  const small = error.requestId ? `Request ${error.requestId}` : "";
  byId("key-form").hidden = error.status !== 401;
  broken = error.kind === "gone" && ready ? broken + 1 : 0;
  if (error.status === 401) {
    trouble.say(sessionStorage.getItem(KEY) ? "The service refuses this key." : "The service asks for its API key.");
  } else if (error.kind === "gone" && broken === BREAKS) {
    trouble.say(`The service breaks off at this text of ${count(text.length, "character")}: it may be too long for it.`);
  } else if (error.kind === "gone") {
    trouble.say("The service does not answer. The text stays here, and is tagged as soon as the service is back.");
    trouble.whenBack(() => tag(true));
  } else if (error.passing) {
    trouble.say(`${error.message} The text stays here, and is tagged as soon as it can be.`, small);
    trouble.whenBack(() => tag(true), error.retryAfter ?? 0);
  } else {
    trouble.say(error.message, small);
  }
}

byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const key = byId("key").value.trim();
  if (!/^[!-~]+$/.test(key)) return trouble.say("A key has no blanks, and only letters, digits and signs of ASCII.");
  sessionStorage.setItem(KEY, key);
  tag();
});

// ---- the state in the address ----

function sayUnknown(name) {
  note(`The link names the model ${name}, which is not served here.`);
}

function remember() {
  const state = { text: field.value, model: models.size > 1 ? model : null, ...result.filters };
  fragment = state.text.length > LONGEST ? null : toFragment(state);
  const tooLong = fragment === null || fragment.length > LONGEST;
  if (tooLong) fragment = toFragment({ ...state, text: "" });
  writing ||= setTimeout(write, PAUSE);
  byId("link").disabled = tooLong;
  const size = field.value ? count(lengthOf(field.value), "character") : "";
  byId("size").textContent = tooLong ? `${size}, too long for a link` : size;
}

function write() {
  clearTimeout(writing);
  writing = 0;
  const bare = location.pathname + location.search;
  const address = bare + (fragment ? `#${fragment}` : "");
  if (address !== bare + location.hash) history.replaceState(null, "", address);
}

function recall(address) {
  clearTimeout(writing);
  writing = 0;
  const state = fromFragment(new URL(address).hash);
  if (state.tooLong) {
    const sizes = `${count(state.tooLong, "character")}, more than ${count(LONGEST, "character")}`;
    return note(`The link has ${sizes}: it is not from this page.`);
  }
  if (state.model && (models.size === 0 || models.has(state.model))) model = state.model;
  else if (state.model) sayUnknown(state.model);
  byId("model").value = model ?? "";
  if (state.text !== null) replaceText(state.text);
  result.filters = state;
}

function link() {
  write();
  return location.href;
}

window.addEventListener("pagehide", write);
window.addEventListener("hashchange", (event) => {
  recall(event.newURL);
  tag();
});

// ---- the text ----

function replaceText(text) {
  const old = field.value;
  const theirs = old.trim() !== "" && old !== replaced?.by && EXAMPLES.every((example) => example.text !== old);
  if (theirs && old !== text) replaced = { old };
  field.value = text;
  field.scrollTop = 0;
  if (replaced) replaced.by = field.value;
  byId("back").hidden = replaced === null;
}

function keepText() {
  replaced = null;
  byId("back").hidden = true;
  note("");
}

async function takeFile(file) {
  if (!file) return;
  note("");
  try {
    replaceText(await readText(file));
  } catch (error) {
    return note(error.message);
  }
  tag();
}

field.addEventListener("input", (event) => {
  keepText();
  if (!event.isComposing) tagSoon();
});
field.addEventListener("compositionend", tagSoon);
field.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
  event.preventDefault();
  tag();
});
byId("tag").addEventListener("click", () => tag());
byId("back").addEventListener("click", () => {
  field.value = replaced.old;
  keepText();
  field.focus();
  tag();
});
byId("open").addEventListener("click", () => byId("file").click());
byId("file").addEventListener("change", (event) => {
  takeFile(event.target.files[0]);
  event.target.value = ""; // or the same file could not be opened again
});
takeDrops(field, takeFile);
for (const { name, lang, text } of EXAMPLES) {
  const button = make("button", { type: "button", class: "quiet", lang }, name);
  button.addEventListener("click", () => {
    note("");
    replaceText(text);
    tag();
  });
  byId("examples").append(button);
}
byId("model").addEventListener("change", (event) => {
  model = event.target.value;
  result.filters = { ...result.filters, hidden: new Set() };
  showModel();
  tag();
});

recall(location.href);
tag();

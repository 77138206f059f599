// The page: what is typed is tagged, what the service says is shown.

import { coloursOf } from "./colours.js";
import { asConll, asJson, copy } from "./copying.js";
import { byId, make } from "./dom.js";
import { EXAMPLES } from "./examples.js";
import { readText, takeDrops } from "./files.js";
import { fromFragment, LONGEST, toFragment } from "./fragment.js";
import { Legend } from "./legend.js";
import { List } from "./list.js";
import { MarkedText } from "./marks.js";
import { ask, resultOf, ServiceError } from "./service.js";
import { count, nameOf, unitsOf, wellFormed } from "./text.js";
import { Tip } from "./tip.js";
import { Trouble } from "./trouble.js";

const KEY = "tagwright-key";
const QUIET = 250; // milliseconds without a key press after which a text is tagged
const TAGGING = "Tagging…";
const LONG = 20_000; // characters from which typing waits longer

const field = byId("text");
const least = byId("least");
const result = byId("result");
const models = new Map(); // name -> what the service says of it
const trouble = new Trouble();
const tip = new Tip(byId("tip"));
const legend = new Legend(byId("legend"), refilter);
const marked = new MarkedText(byId("marked"), { tip, onSelect: choose });
const list = new List(byId("rows"), { onGo: goTo });

let model = null; // the name of the model that is asked
let answer = null; // what is shown: {model, text, entities, tokens, tags, words, lost}
let colours = new Map();
let latest = 0; // number of the newest request; older ones' answers are dropped
let running = new AbortController();
let timer = 0;
let broken = 0; // answers in a row that broke off although the service was ready
let replaced = null; // the text that an example, a file or a link took the place of

// ---- asking ----

async function loadModels() {
  const known = (await ask("v1/models", { key: sessionStorage.getItem(KEY) })).models ?? [];
  models.clear();
  for (const one of known) models.set(String(one.name), one);
  const names = [...models.keys()];
  if (!models.has(model)) {
    if (model) note(`The link names the model ${model}, which is not served here.`);
    model = String((known.find((one) => one.default) ?? known[0])?.name ?? "") || null;
  }
  byId("model").replaceChildren(...names.map((name) => make("option", { value: name }, name)));
  byId("model").value = model ?? "";
  byId("model-choice").hidden = names.length < 2;
  byId("model-name").hidden = names.length !== 1;
  byId("model-name").textContent = names[0] ?? "";
  showTypes();
}

async function tag() {
  clearTimeout(timer);
  trouble.stop();
  const mine = ++latest;
  running.abort();
  running = new AbortController();
  const { signal } = running;
  const text = wellFormed(field.value);
  busy(text.trim() !== "");
  try {
    if (models.size === 0) await loadModels();
    if (mine !== latest) return;
    if (text.trim() === "") {
      forget();
    } else {
      const body = { text, tokens: true, ...(model === null ? {} : { model }) };
      const said = await ask("v1/entities", { body, signal, key: sessionStorage.getItem(KEY) });
      if (mine !== latest) return;
      show(text, said);
    }
    broken = 0;
    byId("key-form").hidden = true;
    trouble.clear();
  } catch (error) {
    if (mine === latest && error.name !== "AbortError") fail(error, text);
  } finally {
    if (mine === latest) busy(false);
  }
}

function tagSoon() {
  clearTimeout(timer);
  timer = setTimeout(tag, field.value.length > LONG ? 4 * QUIET : QUIET);
}

let patience = 0;
function busy(yes) {
  clearTimeout(patience);
  if (yes) patience = setTimeout(() => note(TAGGING), 1500);
  else if (byId("note").textContent === TAGGING) note("");
  byId("tag").classList.toggle("busy", yes);
  result.setAttribute("aria-busy", String(yes));
}

// ---- showing ----

function show(text, said) {
  const places = unitsOf(text);
  const { entities, tokens, tags, words, lost_words: lost = 0 } = resultOf(said, places);
  answer = { model: String(said.model ?? model), text, entities, tokens, tags, words, lost };
  colours = coloursOf([...typesOf(answer.model), ...entities.map((entity) => entity.label)]);
  result.hidden = false;
  byId("list").hidden = false;
  byId("link").hidden = false;
  byId("about").hidden = true;
  marked.draw(text, entities, places, colours);
  refilter();
}

const typesOf = (name) => (models.get(name)?.types ?? []).map(String);

function showTypes() {
  const types = typesOf(model).sort();
  const hues = coloursOf(types);
  const labels = types.map((type) => make("span", { class: "label", "data-hue": hues.get(type) }, nameOf(type)));
  byId("about").querySelector("ul").replaceChildren(
    ...labels.map((label) => {
      const item = make("li");
      item.append(label);
      return item;
    }),
  );
  const { runtime, precision } = models.get(model) ?? {};
  byId("made").textContent = [runtime, precision].filter(Boolean).join(", ");
  byId("about").hidden = answer !== null || types.length === 0;
}

function forget() {
  answer = null;
  marked.clear();
  for (const name of ["result", "list", "link"]) byId(name).hidden = true;
  showTypes();
  announce("");
  remember();
}

const shown = () =>
  answer.entities.filter((one) => one.score >= Number(least.value) && !legend.hidden.has(one.label));

function refilter() {
  byId("least-number").textContent = Number(least.value).toFixed(2);
  remember();
  if (answer === null) return;
  const counts = new Map();
  for (const entity of answer.entities) {
    if (entity.score >= Number(least.value)) counts.set(entity.label, (counts.get(entity.label) ?? 0) + 1);
  }
  const entities = shown();
  const left = answer.entities.length - entities.length;
  legend.draw(typesOf(answer.model), counts, colours);
  marked.show(entities);
  list.draw(entities, colours, left ? "The filters hide all entities." : "There are no entities in this text.");
  const parts = [`${count(entities.length, "entity", "entities")} in ${count(answer.words, "word")}`];
  if (left) parts.push(`${left} hidden`);
  if (answer.lost) parts.push(`the last ${count(answer.lost, "word")} cut off`);
  byId("summary").textContent = parts.join(" · ");
  for (const name of ["copy-json", "copy-conll"]) byId(name).disabled = false;
  announce(parts.join(", "));
}

let speech = 0;
function announce(message) {
  clearTimeout(speech); // screen readers hear of the last change, not of each one
  speech = setTimeout(() => { byId("announce").textContent = message; }, 700);
}

function note(message) {
  byId("note").textContent = message;
}

function choose(entity) {
  marked.choose(entity);
  list.choose(entity);
}

function goTo(entity) {
  choose(entity);
  marked.focus(entity);
}

// ---- trouble ----

function fail(error, text) {
  if (!(error instanceof ServiceError)) throw error;
  if (answer !== null && answer.text !== text) forget(); // what was shown is of another text
  const small = error.requestId ? `Request ${error.requestId}` : "";
  if (error.status === 401) return askForKey();
  byId("key-form").hidden = true;
  broken = error.kind === "gone" ? broken + 1 : 0;
  if (error.kind === "gone" && broken > 2 && models.size) {
    trouble.say(`The service breaks off at this text of ${count(text.length, "character")}: it may be too long for it.`);
  } else if (error.kind === "gone") {
    trouble.say("The service does not answer. The text stays here, and is tagged as soon as the service is back.");
    trouble.whenBack(tag);
  } else if (error.passing) {
    trouble.say(`${error.message} The text stays here, and is tagged as soon as it can be.`, small);
    trouble.whenBack(tag, error.retryAfter ?? 0);
  } else {
    trouble.say(error.message, small);
  }
}

function askForKey() {
  trouble.say(sessionStorage.getItem(KEY) ? "The service refuses this key." : "The service asks for its API key.");
  const form = byId("key-form");
  if (form.hidden || form.contains(document.activeElement)) byId("key").value = "";
  form.hidden = false;
}

byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const key = byId("key").value.trim();
  if (!/^[\x21-\x7e]+$/.test(key)) return trouble.say("A key has no blanks, and only letters, digits and signs of ASCII.");
  sessionStorage.setItem(KEY, key);
  tag();
});

// ---- the state in the address ----

function remember() {
  const state = { text: field.value, model: models.size > 1 ? model : null, hidden: legend.hidden, least: Number(least.value) };
  let fragment = toFragment(state);
  const tooLong = fragment.length > LONGEST;
  if (tooLong) fragment = toFragment({ ...state, text: "" });
  const address = location.pathname + location.search + (fragment ? `#${fragment}` : "");
  if (address !== location.pathname + location.search + location.hash) history.replaceState(null, "", address);
  byId("link").disabled = tooLong;
  byId("size").textContent =
    (field.value ? count([...field.value].length, "character") : "") + (tooLong ? ", too long for a link" : "");
}

function recall() {
  const state = fromFragment(location.hash);
  if (state.tooLong) {
    return note(`The link has ${count(state.tooLong, "character")}, more than ${count(LONGEST, "character")}: it was cut or is not from here.`);
  }
  legend.hidden = state.hidden;
  least.value = String(state.least);
  if (state.model && (models.size === 0 || models.has(state.model))) model = state.model;
  else if (state.model) note(`The link names the model ${state.model}, which is not served here.`);
  byId("model").value = model ?? "";
  if (state.text !== null) replaceText(state.text);
}

window.addEventListener("hashchange", () => {
  recall();
  tag();
});

// ---- the text ----

function replaceText(text) {
  const old = field.value;
  if (old.trim() !== "" && old !== text && old !== replaced?.by) replaced = { old, by: text };
  field.value = text;
  field.scrollTop = 0;
  if (replaced) replaced.by = field.value;
  byId("back").hidden = replaced === null;
}

async function takeFile(file) {
  if (!file) return;
  note("");
  try {
    replaceText(await readText(file));
    tag();
  } catch (error) {
    note(error.message);
  }
}

field.addEventListener("input", (event) => {
  [replaced, byId("back").hidden] = [null, true];
  note("");
  if (!event.isComposing) tagSoon();
});
field.addEventListener("compositionend", tagSoon);
field.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
  event.preventDefault();
  tag();
});
byId("tag").addEventListener("click", tag);
byId("back").addEventListener("click", () => {
  const { old } = replaced;
  [replaced, byId("back").hidden] = [null, true];
  field.value = old;
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
  legend.hidden.clear();
  tag();
});

// ---- filters and copies ----

let frame = 0;
least.addEventListener("input", () => {
  cancelAnimationFrame(frame);
  frame = requestAnimationFrame(refilter);
});

async function copyFrom(button, make_, what) {
  try {
    await copy(make_());
    const name = button.dataset.name ??= button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = name; }, 1500);
    announce(`${what} copied`);
  } catch (error) {
    note(error.name === "NotAllowedError" ? "The browser does not let this page copy." : error.message);
  }
}
byId("copy-json").addEventListener("click", (event) => copyFrom(event.target, () => asJson(answer, shown()), "JSON"));
byId("copy-conll").addEventListener("click", (event) => copyFrom(event.target, () => asConll(answer, shown()), "CoNLL"));
byId("link").addEventListener("click", (event) => copyFrom(event.target, () => location.href, "Link"));

recall();
tag();

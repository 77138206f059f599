(() => {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const make = (tag, name, text) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    if (text !== undefined && text !== null) element.textContent = text;
    return element;
  };

  // Light and dark: the system's choice until a button is pressed; kept where the browser allows it.
  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const toggle = byId("theme");
  const isDark = () => (root.dataset.theme || (dark.matches ? "dark" : "light")) === "dark";
  const name = () => { toggle.textContent = isDark() ? "Light" : "Dark"; };
  try { const kept = localStorage.getItem("tagwright-theme"); if (kept) root.dataset.theme = kept; } catch { /* none */ }
  toggle.hidden = false;
  toggle.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("tagwright-theme", root.dataset.theme); } catch { /* none */ }
    name();
  });
  dark.addEventListener("change", name);
  name();

  // The section that is being read.
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  if ("IntersectionObserver" in window) {
    const watcher = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        for (const link of links.values()) link.removeAttribute("aria-current");
        links.get(entry.target.id).setAttribute("aria-current", "true");
      }
    }, { rootMargin: "-20% 0px -70% 0px" });
    for (const id of links.keys()) if (byId(id)) watcher.observe(byId(id));
  }

  // Tables whose headings sort: what was read from the cell, numbers first by size.
  const value = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.value || cell.textContent.trim();
    const number = Number.parseFloat(text.replaceAll(",", ""));
    return Number.isNaN(number) ? text.toLowerCase() : number;
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = make("button", "", head.textContent);
      button.type = "button";
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") ? head.getAttribute("aria-sort") === "ascending" : column > 0;
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...table.tBodies[0].rows].map((row) => [value(row, column), row]);
        rows.sort(([a], [b]) => (a === b ? 0 : (typeof a === typeof b ? a < b : typeof a === "number") ? -1 : 1));
        if (down) rows.reverse();
        table.tBodies[0].append(...rows.map(([, row]) => row));
      });
    });
  }

  // The errors: all of them in one block of JSON, shown a page at a time.
  const source = byId("errors-data");
  if (!source) return;
  const { examples, errors, confused } = JSON.parse(source.textContent);
  const PAGE = 50;
  const body = byId("error-rows");
  const fields = { class: byId("filter-class"), gold: byId("filter-gold"), predicted: byId("filter-predicted"), text: byId("filter-text") };
  const more = byId("more");
  const texts = examples.map((example) => example.segments.map(([text]) => text).join("").toLowerCase());
  const NOTHING = "(nothing)";
  let found = [];
  let shown = 0;

  const sentence = (example, golds, predictions) => {
    const line = make("span", "sentence");
    line.dir = "auto";
    example.segments.forEach(([text, g, p], place) => {
      const names = [g === null ? "" : "g", p === null ? "" : "p"];
      if ((g !== null && golds.includes(g)) || (p !== null && predictions.includes(p))) names.push("hit");
      const style = names.filter(Boolean).join(" ");
      line.append(style ? make("span", style, text) : text);
      const next = example.segments[place + 1];
      if (g !== null && (!next || next[1] !== g)) line.append("\u00a0", make("span", "tag gold", `gold ${example.gold[g]}`));
      if (p !== null && (!next || next[2] !== p)) line.append("\u00a0", make("span", "tag predicted", `said ${example.predicted[p]}`));
    });
    return line;
  };
  const cell = (row, text, label, style) => {
    const element = make("td", style || "text", text);
    element.setAttribute("role", "cell");
    if (label) element.dataset.label = label;
    row.append(element);
    return element;
  };
  const rowOf = ([place, kind, golds, predictions, goldType, predictedType, form, score]) => {
    const row = make("tr");
    row.setAttribute("role", "row");
    cell(row).append(make("span", "chip", kind));
    cell(row, goldType ?? NOTHING, "gold", goldType === null ? "text nothing" : "text");
    cell(row, predictedType ?? NOTHING, "said", predictedType === null ? "text nothing" : "text");
    cell(row, score ?? "–", score === null ? "" : "score", score === null ? "none" : "nowrap");
    const wide = cell(row, null, "", "text wide");
    wide.append(sentence(examples[place], golds, predictions), " ", make("span", "muted small nowrap", `#${examples[place].id}`));
    return row;
  };
  const grow = () => {
    const next = found.slice(shown, shown + PAGE);
    body.append(...next.map(rowOf));
    shown += next.length;
    more.hidden = shown >= found.length;
    more.textContent = `Show ${Math.min(PAGE, found.length - shown)} more`;
    byId("count").textContent = `${found.length.toLocaleString("en")} of ${errors.length.toLocaleString("en")} errors` +
      (shown < found.length ? `, the first ${shown.toLocaleString("en")} shown` : "");
    return next.length;
  };
  const filter = () => {
    const words = fields.text.value.toLowerCase().trim();
    const fits = (field, given) => !field.value || field.value === (given === null ? NOTHING : given);
    found = errors.filter(([place, kind, , , goldType, predictedType, form]) =>
      fits(fields.class, kind) && fits(fields.gold, goldType) && fits(fields.predicted, predictedType) &&
      (!words || form.toLowerCase().includes(words) || texts[place].includes(words)));
    if (byId("sort").value === "score") {
      found.sort((a, b) => Number(b[7] ?? -1) - Number(a[7] ?? -1));
    }
    body.replaceChildren();
    shown = 0;
    grow();
    byId("none").hidden = found.length > 0;
  };
  const clear = () => { for (const field of Object.values(fields)) field.value = ""; filter(); };

  for (const field of Object.values(fields)) field.addEventListener("input", filter);
  byId("sort").addEventListener("input", filter);
  byId("clear").addEventListener("click", clear);
  more.addEventListener("click", () => {
    const first = shown;
    grow();
    const row = body.rows[first];
    if (row && more.hidden) { row.tabIndex = -1; row.focus(); }
  });
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      fields.text.focus();
    } else if (event.key === "Escape" && typing) {
      clear();
    }
  });

  // From a class or from a cell of the confusion to its errors.
  const read = (chosen) => {
    for (const [key, field] of Object.entries(fields)) field.value = chosen[key] ?? "";
    filter();
    byId("browse").scrollIntoView();
    fields.class.focus({ preventScroll: true });
  };
  for (const head of document.querySelectorAll("th[data-class]")) {
    const button = make("button", "read", head.textContent);
    button.type = "button";
    button.title = "Read these errors";
    button.addEventListener("click", () => read({ class: head.dataset.class }));
    head.replaceChildren(button);
  }
  for (const cell of document.querySelectorAll("[id^=confusion-cell]")) {
    const [row, column] = cell.id.slice("confusion-cell".length).split("x").map(Number);
    if (row !== column) {
      cell.addEventListener("click", () => read({ gold: confused.gold[row], predicted: confused.predicted[column] }));
    }
  }
  filter();
  byId("browser").hidden = false;
  byId("no-script").hidden = true;
})();

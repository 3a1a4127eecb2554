"use strict";
// A table by the page. Text reaches the page as text only.
const find = (selector, root = document) => root.querySelector(selector);
function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}
const isolated = (text) => make("bdi", {}, text ?? "");
const form = find("#filters");
const size = 50;
let facets = {};
let state = { sort: "key", descending: "0", offset: 0 };
let latest = 0;

const dark = () => (document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
const nameTheme = () => { find("#theme").textContent = dark() ? "Light" : "Dark"; };
find("#theme").addEventListener("click", () => { document.documentElement.dataset.theme = dark() ? "light" : "dark"; nameTheme(); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", nameTheme);
nameTheme();
find("#print").addEventListener("click", () => print());

async function ask(address, told) {
  const options = told === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(told) };
  const answer = await fetch(address, options);
  const found = await answer.json().catch(() => ({ error: `the server answered ${answer.status}` }));
  if (!answer.ok) throw new Error(found.error);
  return found;
}
const trouble = (error) => { find("#trouble").textContent = error ? `${error.message}; is voiceattack view still running?` : ""; };
const asked = () => ({ ...Object.fromEntries(new FormData(form)), ...state });

const figure = (row, name) => { const value = row.figures[name]; return value === null ? "–" : value.toFixed(facets.digits[name]); };
function columns() {
  const beside = form.elements.beside.value;
  return [
    ["said", "said", (row) => isolated(row.said), "words"],
    ["heard", "heard", (row) => heard(row.heard, row.action), "words"],
    ...(beside ? [["", `heard by ${beside}`, (row) => make("div", {}, isolated(row.beside.heard), " ", pill(row.beside.outcome)), "words"]] : []),
    ["outcome", "outcome", (row) => pill(row.outcome)],
    ...Object.entries(facets.figures).map(([name, title]) => [name, title, (row) => figure(row, name), "num"]),
    ["victim", "victim", (row) => isolated(row.victim)],
    ["attack", "attack", (row) => isolated(row.attack)],
    ["id", "example", (row) => make("span", { title: row.run }, isolated(row.id), make("br"), isolated(row.run.split("/").slice(-2).join("/"))), "id"],
  ];
}
const pill = (outcome) => make("span", { class: `pill ${outcome}` }, outcome.replace("_", " "));
const heard = (text, action) => make("div", {}, text ? isolated(text) : make("span", { class: "quiet" }, "nothing"), action ? make("span", { class: "did" }, isolated(action)) : null);

function heading([name, title, , kind]) {
  const down = state.descending === "1";
  const sorted = name && state.sort === name ? { "aria-sort": down ? "descending" : "ascending" } : {};
  const press = () => { state = { sort: name, descending: state.sort === name && !down ? "1" : "0", offset: 0 }; show(); };
  return make("th", { scope: "col", class: kind || "", ...sorted }, name ? make("button", { type: "button", onclick: press }, title) : title);
}
function line(row) {
  const box = make("input", { type: "checkbox", "aria-label": `mark ${row.id}` });
  box.checked = row.marked;
  box.addEventListener("change", () => mark({ keys: [row.key], on: box.checked }));
  const cells = columns().map(([, title, cell, kind]) => make("td", { class: kind || "", "data-name": title }, cell(row)));
  const open = make("button", { type: "button", class: "open", "aria-expanded": "false", "aria-label": `open ${row.id}` });
  const made = make("tr", { class: "row" }, make("td", {}, box), make("td", {}, open), ...cells);
  open.addEventListener("click", () => toggle(made, row, open));
  return made;
}
async function toggle(made, row, open) {
  if (made.nextElementSibling?.classList.contains("detail")) {
    made.nextElementSibling.remove();
    open.setAttribute("aria-expanded", "false");
    return;
  }
  const cell = make("td", { colspan: String(made.cells.length) }, "Loading …");
  made.after(make("tr", { class: "detail" }, cell));
  open.setAttribute("aria-expanded", "true");
  try {
    cell.replaceChildren(await card(row));
  } catch (error) {
    cell.replaceChildren(`This example cannot be shown: ${error.message}`);
  }
}
function difference(parts) {
  const words = make("div", { class: "diff", dir: "auto" });
  if (!parts.length) words.append(make("span", { class: "quiet" }, "nothing heard, nothing said"));
  for (const [kind, said, heardWords] of parts) {
    if (kind === "equal") { words.append(isolated(said), " "); continue; }
    if (said) words.append(make("del", { title: "said, not heard" }, make("span", { class: "hide" }, "said: "), isolated(said)), " ");
    if (heardWords) words.append(make("ins", { title: "heard, not said" }, make("span", { class: "hide" }, "heard: "), isolated(heardWords)), " ");
  }
  return words;
}
async function card(row) {
  const data = await ask(`example?key=${row.key}`);
  const sounds = data.sounds.map((kind) => make("div", {}, kind, make("audio", { controls: "", preload: "none", src: `sound?key=${row.key}&kind=${kind}`, "aria-label": kind })));
  const ears = data.heard.flatMap((one) => [make("h3", {}, "Heard by ", isolated(one.victim), " ", pill(one.outcome)),
    ...(one.error ? [make("p", {}, isolated(one.error))] : one.versions.map((version) => make("div", { class: `version ${version.name.split(/[ ,]/)[0]}` },
      make("header", {}, make("b", {}, version.name), version.wer === undefined ? null : `WER ${version.wer}`), difference(version.diff))))]);
  const facts = (data.facts || []).flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, isolated(text))]);
  return make("article", { class: "side" }, make("h2", {}, isolated(row.id)), make("p", { class: "id" }, isolated(data.run)),
    make("p", {}, "Said: ", isolated(data.reference)), make("div", { class: "sounds" }, ...sounds), ...ears,
    facts.length ? make("dl", { class: "facts" }, ...facts) : null, data.replay ? make("p", {}, make("code", {}, isolated(data.replay))) : null);
}
async function mark(told) {
  try { marks((await ask("mark", told)).marked); trouble(); } catch (error) { trouble(error); }
}
function marks(number) {
  find("#side").disabled = number === 0;
  find("#side").textContent = number ? `${number} marked: side by side` : "Marked ones side by side";
}
for (const [id, on] of [["#mark-all", true], ["#mark-none", false]]) {
  find(id).addEventListener("click", async () => { const { offset, ...all } = asked(); await mark({ asked: all, on }); show(); });
}
find("#side").addEventListener("click", async () => {
  const place = find("#beside");
  if (!place.hidden) { place.hidden = true; place.replaceChildren(); return; }
  try {
    const page = await ask(`rows?${new URLSearchParams({ marked: "1", controls: "1" })}`);
    place.replaceChildren(make("div", { class: "cards-side" }, ...await Promise.all(page.rows.slice(0, 12).map(card))));
    if (page.fitting > 12) place.prepend(make("p", { class: "quiet" }, `The first 12 of ${page.fitting} marked ones.`));
    place.hidden = false;
    place.scrollIntoView();
  } catch (error) { trouble(error); }
});
async function show() {
  const turn = ++latest;
  try {
    const page = await ask(`rows?${new URLSearchParams(asked())}`);
    if (turn !== latest) return; // a later question was asked meanwhile
    find("thead tr").replaceChildren(make("th", {}, make("span", { class: "hide" }, "mark")), make("th", {}, make("span", { class: "hide" }, "open")), ...columns().map(heading));
    find("tbody").replaceChildren(...page.rows.map(line));
    find("#count").textContent = `${page.fitting} of ${page.total} examples`;
    const last = Math.min(state.offset + size, page.fitting);
    find("#place").textContent = page.fitting ? `${state.offset + 1} to ${last} of ${page.fitting}` : "nothing fits";
    find("#before").disabled = state.offset === 0;
    find("#after").disabled = last >= page.fitting;
    trouble();
  } catch (error) { trouble(error); }
}
find("#before").addEventListener("click", () => { state.offset = Math.max(0, state.offset - size); show(); });
find("#after").addEventListener("click", () => { state.offset += size; show(); });
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", () => { state.offset = 0; show(); });
async function begin() {
  try {
    facets = await ask("facets");
    for (const name of ["run", "victim", "attack", "outcome"]) {
      form.elements[name].replaceChildren(make("option", { value: "" }, "all"), ...facets[name].map((value) => make("option", { value }, value)));
    }
    form.elements.beside.replaceChildren(make("option", { value: "" }, "no one"), ...facets.victim.map((value) => make("option", { value }, value)));
    marks((await ask("mark", { keys: [], on: true })).marked);
    await show();
  } catch (error) { trouble(error); }
}
begin();

// The table of examples: sorting, filtering.
const body = find("#table tbody");
const rows = all("tr.row", body);
const value = (row, column) => row.cells[column].textContent.trim();
const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
function sort(heading) {
  const column = Number(heading.dataset.column);
  const numeric = heading.classList.contains("num");
  const down = heading.getAttribute("aria-sort") === "ascending";
  all("th[aria-sort]", heading.parentNode).forEach((other) => other.removeAttribute("aria-sort"));
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  const keyed = rows.map((row, place) => [numeric ? parseFloat(value(row, column)) : value(row, column), place, row]);
  keyed.sort(([a, i], [b, j]) => {
    if (numeric) {
      // What has no figure comes last, whichever way.
      if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b) || i - j;
      return (down ? b - a : a - b) || i - j;
    }
    return (down ? b.localeCompare(a) : a.localeCompare(b)) || i - j;
  });
  const ordered = document.createDocumentFragment();
  for (const [, , row] of keyed) {
    const detail = row.nextElementSibling?.classList.contains("detail") ? row.nextElementSibling : null;
    ordered.append(row);
    if (detail) ordered.append(detail);
  }
  body.append(ordered);
  first = 0;
  paged();
}
all("#table thead th").forEach((heading) => find("button", heading).addEventListener("click", () => sort(heading)));
const PAGE = 50;
let first = 0, fitting = new Set(rows), whole = false;
const hide = (row, hidden) => {
  row.hidden = hidden;
  if (row.nextElementSibling?.classList.contains("detail")) row.nextElementSibling.hidden = hidden;
};
function paged() {
  const ordered = all("tr.row", body).filter((row) => fitting.has(row));
  if (first >= ordered.length) first = 0;
  rows.forEach((row) => hide(row, true));
  const shown = whole ? ordered : ordered.slice(first, first + PAGE);
  shown.forEach((row) => hide(row, false));
  find("#pager").hidden = ordered.length <= PAGE;
  find("#place").textContent = `${first + 1} to ${Math.min(first + PAGE, ordered.length)} of ${ordered.length}`;
  find("#before").disabled = first === 0;
  find("#next").disabled = first + PAGE >= ordered.length;
}
function turn(step) {
  first = Math.max(0, first + step);
  paged();
  find("#examples").scrollIntoView();
}
find("#before").addEventListener("click", () => turn(-PAGE));
find("#next").addEventListener("click", () => turn(PAGE));
// On paper there is but one page of them.
addEventListener("beforeprint", () => { whole = true; paged(); });
addEventListener("afterprint", () => { whole = false; paged(); });
function showRow(row) { // turns to the page that it is on
  const place = all("tr.row", body).filter((one) => fitting.has(one)).indexOf(row);
  if (place >= 0) { first = Math.floor(place / PAGE) * PAGE; paged(); }
}
function filter() {
  const words = find("#find").value.toLowerCase().split(/\s+/).filter(Boolean);
  const outcomes = new Set(all(".chip[aria-pressed=true]").map((chip) => chip.dataset.outcome));
  const victim = find("#victim")?.value;
  const attack = find("#attack")?.value;
  fitting = new Set();
  for (const row of rows) {
    const fits = words.every((word) => texts.get(row).includes(word)) && (!outcomes.size || outcomes.has(row.dataset.outcome))
      && (!victim || row.dataset.victim === victim) && (!attack || row.dataset.attack === attack);
    if (fits) fitting.add(row);
  }
  first = 0;
  paged();
  find("#count").textContent = fitting.size === rows.length ? `${rows.length} shown` : `${fitting.size} of ${rows.length} shown`;
}
all(".chip").forEach((chip) => chip.addEventListener("click", () => {
  chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") !== "true"));
  filter();
}));
all("#find, #victim, #attack").forEach((field) => field.addEventListener("input", filter));
filter();

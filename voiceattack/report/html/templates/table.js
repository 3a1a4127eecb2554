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
}
all("#table thead th").forEach((heading) => find("button", heading).addEventListener("click", () => sort(heading)));
function filter() {
  const words = find("#find").value.toLowerCase().split(/\s+/).filter(Boolean);
  const outcomes = new Set(all(".chip[aria-pressed=true]").map((chip) => chip.dataset.outcome));
  const victim = find("#victim")?.value;
  const attack = find("#attack")?.value;
  let shown = 0;
  for (const row of rows) {
    const fits = words.every((word) => texts.get(row).includes(word)) && (!outcomes.size || outcomes.has(row.dataset.outcome))
      && (!victim || row.dataset.victim === victim) && (!attack || row.dataset.attack === attack);
    row.hidden = !fits;
    if (row.nextElementSibling?.classList.contains("detail")) row.nextElementSibling.hidden = !fits;
    shown += fits;
  }
  find("#count").textContent = shown === rows.length ? `${rows.length} shown` : `${shown} of ${rows.length} shown`;
}
all(".chip").forEach((chip) => chip.addEventListener("click", () => {
  chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") !== "true"));
  filter();
}));
all("#find, #victim, #attack").forEach((field) => field.addEventListener("input", filter));
filter();

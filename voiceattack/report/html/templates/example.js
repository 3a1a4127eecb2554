// One example, built when it is opened. Its data comes from the page itself or from a script beside it.
const waiting = new Map();
window.voiceattackExample = (data) => waiting.get(data.id)?.(data);
function load(id) {
  const embedded = all("script[data-example]").find((script) => script.dataset.example === id);
  if (embedded) return Promise.resolve(JSON.parse(embedded.textContent));
  return new Promise((resolve, reject) => {
    waiting.set(id, resolve);
    const script = make("script", { src: `${document.body.dataset.folder}/${encodeURIComponent(id)}.js` });
    script.onerror = () => reject(new Error(`${document.body.dataset.folder}/${id}.js is missing; make the report again`));
    document.head.append(script);
  });
}
const isolated = (text) => make("bdi", {}, text);
function difference(parts, onlyErrors) {
  const line = make("div", { class: "diff", dir: "auto" });
  if (!parts.length) line.append(make("span", { class: "quiet" }, "nothing heard, nothing said"));
  for (const [kind, said, heard] of parts) {
    if (kind === "equal") {
      line.append(onlyErrors ? make("span", { class: "quiet" }, "… ") : isolated(said), " ");
      continue;
    }
    if (said) line.append(make("del", { title: "said, not heard" }, make("span", { class: "hide" }, "said: "), isolated(said)), " ");
    if (heard) line.append(make("ins", { title: "heard, not said" }, make("span", { class: "hide" }, "heard: "), isolated(heard)), " ");
  }
  if (onlyErrors && parts.length && parts.every(([kind]) => kind === "equal")) line.replaceChildren(make("span", { class: "quiet" }, "no errors"));
  return line;
}
function version(one, onlyErrors) {
  return make("div", { class: `version ${one.name.split(/[ ,]/)[0]}` },
    make("header", {}, make("b", {}, one.name), `WER ${one.wer}`),
    difference(one.diff, onlyErrors),
    make("div", { class: "raw" }, "as transcribed: ", one.text ? isolated(one.text) : "nothing"));
}
function transcripts(data) {
  const list = make("div");
  const errors = make("input", { type: "checkbox", class: "errors-only" });
  const fill = () => list.replaceChildren(...data.heard.flatMap((heard) => [
    make("h4", { class: "quiet" }, "Heard by ", isolated(heard.victim), heard.attacked ? " (attacked)" : ""),
    heard.error ? make("p", {}, isolated(heard.error)) : make("div", { class: "versions" }, ...heard.versions.map((one) => version(one, errors.checked)))]));
  errors.addEventListener("change", fill);
  fill();
  const said = make("p", {}, data.no_reference ? "No reference was given; said, by the clean transcript: " : "Said: ", isolated(data.reference || ""));
  return [make("h3", {}, "What was heard"), said, make("div", { class: "transport" }, make("label", {}, errors, "Errors only")), list];
}
async function sounds(data) {
  if (data.problem) return [make("p", { class: "quiet" }, data.problem)];
  const tracks = await soundsOf(data);
  const paints = { clean: "--clean", adversarial: "--attack", perturbation: "--ink", noise: "--noise" };
  const controls = transport(tracks);
  const boxes = tracks.map((track) => {
    const name = track.label.toLowerCase();
    track.wave = make("canvas", { role: "img", "aria-label": `Waveform, ${name}` });
    track.picture = make("canvas", { role: "img", "aria-label": `Spectrogram, ${name}: 0 to 8 kHz, 80 dB from dark to bright` });
    const plot = make("div", { class: "plot" }, track.wave, track.picture, track.head);
    plot.addEventListener("click", (event) => { const box = plot.getBoundingClientRect(); track.seek((event.clientX - box.left) / box.width); });
    return make("div", { class: "track" }, make("div", { class: "say" }, track.button, make("p", {}, track.note)), plot);
  });
  const spectra = tracks.map((track) => spectrogram(track.samples));
  const draw = () => tracks.forEach((track, place) => {
    if (!track.wave.isConnected) return;
    drawWave(track.wave, track.samples, paints[track.name]);
    drawSpectrogram(track.picture, spectra[place], spectra[0].top, track.samples.length / 16000);
  });
  const scale = make("p", { class: "scale" }, "80 dB softer ", make("i", { "aria-hidden": "true" }), " the loudest of the clean clip");
  const box = make("div", { class: "tracks" }, ...boxes, scale);
  let width = 0;
  new ResizeObserver(() => { if (box.clientWidth !== width) { width = box.clientWidth; draw(); } }).observe(box);
  document.addEventListener("theme", draw);
  return [make("h3", {}, "Listen and look"), controls, box];
}
function facts(data) {
  const code = make("code", { tabindex: "0" }, data.replay);
  const button = make("button", { type: "button", class: "copy" }, "Copy");
  button.addEventListener("click", () => copy(data.replay, button));
  const pairs = [["goal", data.goal], ["source", data.source], ...data.facts, ["cost", data.cost], ["SHA-256", data.sha256 || ""]];
  return make("div", {},
    make("dl", { class: "facts" }, ...pairs.flatMap(([name, text, meaning]) => [make("dt", meaning ? { title: meaning } : {}, name), make("dd", {}, isolated(text))])),
    data.warnings.length || data.nulls.length ? make("ul", { class: "quiet" }, ...[...data.warnings, ...data.nulls].map((text) => make("li", {}, isolated(text)))) : null,
    make("h3", {}, "Make it again"), make("div", { class: "command" }, code, button));
}
async function open(row) {
  const button = find(".open", row);
  const there = row.nextElementSibling?.classList.contains("detail") ? row.nextElementSibling : null;
  if (there) {
    all("audio", there).forEach((audio) => audio.pause());
    playing.forEach((audio) => audio.pause());
    there.remove();
    button.setAttribute("aria-expanded", "false");
    row.classList.remove("opened");
    return;
  }
  // As wide as what is seen of the table, wherever that is scrolled to.
  const inside = make("div", { class: "inside" }, make("p", { class: "quiet" }, "Loading …"));
  const cell = make("td", { colspan: String(row.cells.length) }, inside);
  const detail = make("tr", { class: "detail" }, cell);
  row.after(detail);
  row.classList.add("opened");
  button.setAttribute("aria-expanded", "true");
  try {
    const data = await load(row.dataset.id);
    const heard = await sounds(data);
    inside.replaceChildren(...heard, ...transcripts(data), make("h3", {}, "Size and cost"), make("div", { class: "two" }, facts(data), data.masking ? maskingFigure(data.masking) : ""));
    detail.dataset.ready = "true";
  } catch (error) {
    inside.replaceChildren(make("p", {}, `This example cannot be shown: ${error.message}`));
  }
}
body.addEventListener("click", (event) => {
  const row = event.target.closest("tr.row");
  // Selecting a transcript is no click.
  if (row && !String(getSelection())) open(row);
});
function follow() {
  const row = location.hash.startsWith("#x-") && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (row && !row.classList.contains("opened")) { showRow(row); open(row); row.scrollIntoView(); }
}
new ResizeObserver(([entry]) => body.style.setProperty("--seen", `${entry.contentRect.width}px`)).observe(find(".listed"));
addEventListener("hashchange", follow);
follow();

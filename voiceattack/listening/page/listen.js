"use strict";
// One trial at a time. The page never learns which of A and B is which.
const find = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];
let trial = null, began = null, plays = {}, sounds = {};
const trouble = (text) => { find("#trouble").textContent = text; };
async function ask(path, options) {
  const answer = await fetch(path, options);
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error || "The test is no longer running; start it again to go on where you were.");
  return answer;
}
function stop() {
  Object.values(sounds).forEach((sound) => sound.pause());
  all(".play").forEach((button) => button.classList.remove("playing"));
}
async function show(state) {
  stop();
  Object.values(sounds).forEach((sound) => URL.revokeObjectURL(sound.src));
  trial = state.trial;
  find("#test").hidden = trial === null;
  find("#end").hidden = trial !== null;
  if (trial === null) return;
  began = null; plays = { a: 0, b: 0, x: 0 }; sounds = {};
  find("#progress").max = state.total;
  find("#progress").value = trial;
  find("#hint").textContent = `Comparison ${trial + 1} of ${state.total}. Listen to all three first.`;
  all(".play").forEach((button) => button.classList.remove("heard"));
  all(".answer").forEach((button) => { button.disabled = true; });
  for (const name of ["a", "b", "x"]) {
    const blob = await (await ask(`${name}.wav`)).blob();
    sounds[name] = new Audio(URL.createObjectURL(blob));
    sounds[name].addEventListener("ended", () => find(`[data-sound=${name}]`).classList.remove("playing"));
  }
  document.body.dataset.ready = String(trial);
}
async function play(name) {
  if (!sounds[name]) return;
  stop();
  began ??= performance.now();
  plays[name] += 1;
  const button = find(`[data-sound=${name}]`);
  button.classList.add("playing", "heard");
  sounds[name].currentTime = 0;
  await sounds[name].play().catch(() => {}); // stopped by the next one
  if (Object.values(plays).every(Boolean)) {
    all(".answer").forEach((other) => { other.disabled = false; });
    find("#hint").textContent = "Choose, or listen again.";
  }
}
let sending = false;
async function answer(choice) {
  if (sending || find(".answer").disabled) return;
  sending = true;
  try {
    const told = { trial, answer: choice, seconds: (performance.now() - began) / 1000, plays };
    const next = await ask("answer", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(told) });
    await show(await next.json());
    trouble("");
  } catch (error) {
    trouble(error.message);
  } finally {
    sending = false;
  }
}
all(".play").forEach((button) => button.addEventListener("click", () => play(button.dataset.sound)));
all(".answer").forEach((button) => button.addEventListener("click", () => answer(button.dataset.answer)));
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const key = event.key.toLowerCase();
  if (["a", "b", "x"].includes(key)) play(key);
  if (key === "1" || key === "2") answer(key === "1" ? "a" : "b");
});
ask("trial").then((state) => state.json()).then(show).catch((error) => trouble(error.message));

"use strict";
// One trial at a time. The page never learns which of A and B is which. Answers go to the server that serves the page, or, in a
// bundle hosted elsewhere (bundle.js), into a file that the listener sends back.
const find = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];
let trial = null, began = null, plays = {}, sounds = {};
const trouble = (text) => { find("#trouble").textContent = text; };
const bundle = window.voiceattackBundle;

async function ask(path, options) {
  const answer = await fetch(path, options);
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error || "The test is no longer running; start it again to go on where you were.");
  return answer;
}
const served = {
  state: async () => (await ask("trial")).json(),
  sound: async (name) => URL.createObjectURL(await (await ask(`${name}.wav`)).blob()),
  answer: async (told) => (await ask("answer", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(told) })).json(),
};
// In a bundle each person has an own order, and an own choice of which sound is called A. Both, and the answers, outlive a reload.
function hosted() {
  const key = `voiceattack ${bundle.test}`;
  const random = (most) => crypto.getRandomValues(new Uint32Array(1))[0] % most;
  let kept = null;
  try { kept = JSON.parse(localStorage.getItem(key)); } catch { /* pages from a disk may have no storage */ }
  if (!kept) {
    const order = bundle.trials.map((_, index) => index);
    for (let index = order.length - 1; index > 0; index--) {
      const other = random(index + 1);
      [order[index], order[other]] = [order[other], order[index]];
    }
    kept = { name: "", order, turned: order.map(() => random(2) === 1), answers: [] };
  }
  const keep = () => { try { localStorage.setItem(key, JSON.stringify(kept)); } catch { /* they are in this page alone */ } };
  const here = () => kept.answers.length;
  const real = (name) => (name !== "x" && kept.turned[here()] ? (name === "a" ? "b" : "a") : name);
  const state = () => ({ trial: here() < kept.order.length ? here() : null, total: kept.order.length });
  return {
    named: (name) => { if (name !== undefined) { kept.name = name; keep(); } return kept.name; },
    state: async () => state(),
    sound: async (name) => (name === "volume" ? "sounds/volume.wav" : bundle.trials[kept.order[here()]][real(name)]),
    answer: async (told) => {
      const counts = { x: told.plays.x, [real("a")]: told.plays.a, [real("b")]: told.plays.b };
      const number = bundle.trials[kept.order[here()]].trial;
      kept.answers.push({ trial: number, answer: real(told.answer), seconds: told.seconds, plays: counts, time: new Date().toISOString() });
      keep();
      return state();
    },
    file: () => JSON.stringify({ format: "voiceattack listening answers 1", test: bundle.test, listener: kept.name, answers: kept.answers }),
  };
}
const source = bundle ? hosted() : served;

function stop() {
  Object.values(sounds).forEach((sound) => sound.pause());
  all(".play").forEach((button) => button.classList.remove("playing"));
}
async function show(state) {
  stop();
  Object.values(sounds).forEach((sound) => URL.revokeObjectURL(sound.src));
  trial = state.trial;
  find("#start").hidden = true;
  find("#test").hidden = trial === null;
  find("#end").hidden = trial !== null;
  if (trial === null) {
    if (bundle) {
      find("#saved").hidden = true;
      find("#send").hidden = false;
      find("#file").href = `data:application/json;charset=utf-8,${encodeURIComponent(source.file())}`;
      find("#file").download = `voiceattack-answers-${source.named()}.json`;
    }
    return;
  }
  began = null; plays = { a: 0, b: 0, x: 0 }; sounds = {};
  find("#progress").max = state.total;
  find("#progress").value = trial;
  find("#hint").textContent = `Comparison ${trial + 1} of ${state.total}. Listen to all three first.`;
  all(".play").forEach((button) => button.classList.remove("heard"));
  all(".answer").forEach((button) => { button.disabled = true; });
  for (const name of ["a", "b", "x"]) {
    sounds[name] = new Audio(await source.sound(name));
    sounds[name].addEventListener("ended", () => find(`[data-sound=${name}]`).classList.remove("playing"));
  }
  document.body.dataset.ready = String(trial);
}
async function play(name) {
  if (!sounds[name] || find("#test").hidden) return;
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
  if (sending || find("#test").hidden || find(".answer").disabled) return;
  sending = true;
  try {
    await show(await source.answer({ trial, answer: choice, seconds: (performance.now() - began) / 1000, plays }));
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
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.target.tagName === "INPUT") return;
  const key = event.key.toLowerCase();
  if (["a", "b", "x"].includes(key)) play(key);
  if (key === "1" || key === "2") answer(key === "1" ? "a" : "b");
});

// The volume first.
let heardVolume = false;
const name = () => find("#name").value.trim().toLowerCase();
const named = () => !bundle || /^[a-z0-9][a-z0-9_-]{0,39}$/.test(name());
function ready() {
  find("#begin").disabled = !heardVolume || !named();
  trouble(bundle && name() && !named() ? "Use letters a to z, digits, - and _ in the name." : "");
}
find("#volume").addEventListener("click", async () => {
  try {
    sounds.volume ??= new Audio(await source.sound("volume"));
    sounds.volume.currentTime = 0;
    await sounds.volume.play();
    heardVolume = true;
    ready();
  } catch (error) { trouble(error.message); }
});
find("#name").addEventListener("input", ready);
find("#begin").addEventListener("click", async () => {
  if (bundle) source.named(name());
  try { await show(await source.state()); } catch (error) { trouble(error.message); }
});
async function start() {
  const state = await source.state();
  if (state.trial === null) return show(state);
  find("#start").hidden = false;
  find("#who").hidden = !bundle;
  if (bundle) find("#name").value = source.named();
}
start().catch((error) => trouble(error.message));

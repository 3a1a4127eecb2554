// Sounds: decoding, the perturbation alone, and players that keep their place when one is changed for another.
const RATE = 16000;
const decodeBase64 = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
async function decode(bytes) {
  const sound = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(bytes.buffer.slice(0));
  return sound.getChannelData(0);
}
function wav(samples) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const word = (at, text) => [...text].forEach((letter, place) => view.setUint8(at + place, letter.charCodeAt(0)));
  word(0, "RIFF"); view.setUint32(4, 36 + 2 * samples.length, true); word(8, "WAVEfmt ");
  view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
  view.setUint32(24, RATE, true); view.setUint32(28, 2 * RATE, true); view.setUint16(32, 2, true); view.setUint16(34, 16, true);
  word(36, "data"); view.setUint32(40, 2 * samples.length, true);
  samples.forEach((sample, place) => view.setInt16(44 + 2 * place, Math.max(-32768, Math.min(32767, Math.round(sample * 32768))), true));
  return new Blob([view], { type: "audio/wav" });
}
const loudest = (samples) => samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
async function soundsOf(data) {
  const found = [];
  for (const [name, label] of [["clean", "Clean"], ["adversarial", "Adversarial"], ["noise", "Noise, same SNR"]]) {
    if (!data.sounds[name]) continue;
    const bytes = decodeBase64(data.sounds[name]);
    found.push({ name, label, note: "", blob: new Blob([bytes], { type: "audio/flac" }), samples: await decode(bytes) });
  }
  const [clean, adversarial] = found;
  found[0].note = "The clip as it was.";
  found[1].note = "What was saved and heard back.";
  // Of another length, it is no sum of the clip and something else.
  if (clean.samples.length !== adversarial.samples.length) return found;
  const delta = adversarial.samples.slice(0, clean.samples.length).map((sample, place) => sample - clean.samples[place]);
  const peak = loudest(delta);
  const gain = peak > 0 ? loudest(clean.samples) / peak : 1;
  const samples = delta.map((sample) => sample * gain);
  const note = peak > 0 ? `Amplified by ${(20 * Math.log10(gain)).toFixed(1)} dB to the loudness of the speech; as it is, it lies that much lower.` : "Nothing was changed.";
  found.splice(2, 0, { name: "perturbation", label: "Perturbation alone", note, blob: wav(samples), samples });
  if (found[3]) found[3].note = "The control: as loud, but random.";
  return found;
}
const playing = new Set();
function transport(tracks) {
  const seconds = Math.max(...tracks.map((track) => track.samples.length)) / RATE;
  const slider = make("input", { type: "range", min: "0", max: String(seconds), step: "0.01", value: "0", "aria-label": "Position in seconds" });
  const loop = make("input", { type: "checkbox" });
  const clock = make("span", { class: "quiet" });
  const show = (time) => {
    slider.value = String(time);
    clock.textContent = `${time.toFixed(1)} of ${seconds.toFixed(1)} s`;
    tracks.forEach((track) => { track.head.style.left = `${(100 * time) / seconds}%`; });
  };
  const follow = (track) => {
    if (track.audio.paused) return;
    show(track.audio.currentTime);
    requestAnimationFrame(() => follow(track));
  };
  const seek = (time) => { tracks.forEach((track) => { track.audio.currentTime = time; }); show(time); };
  for (const track of tracks) {
    track.audio = new Audio(URL.createObjectURL(track.blob));
    track.audio.dataset.track = track.name;
    track.head = make("div", { class: "head" });
    track.button = make("button", { type: "button", class: "play", "aria-pressed": "false", onclick: () => {
      if (!track.audio.paused) { track.audio.pause(); return; }
      const from = Number(slider.value) >= seconds - 0.05 ? 0 : Number(slider.value);
      playing.forEach((other) => other.pause());
      track.audio.currentTime = from;
      track.audio.loop = loop.checked;
      track.audio.play();
    } }, track.label);
    track.audio.addEventListener("play", () => { playing.add(track.audio); track.button.setAttribute("aria-pressed", "true"); follow(track); });
    track.audio.addEventListener("pause", () => { playing.delete(track.audio); track.button.setAttribute("aria-pressed", "false"); });
    track.audio.addEventListener("ended", () => { playing.delete(track.audio); track.button.setAttribute("aria-pressed", "false"); show(0); });
    track.seek = (share) => seek(share * seconds);
  }
  slider.addEventListener("input", () => seek(Number(slider.value)));
  loop.addEventListener("change", () => tracks.forEach((track) => { track.audio.loop = loop.checked; }));
  show(0);
  return make("div", { class: "transport" }, slider, clock, make("label", {}, loop, "Loop"));
}

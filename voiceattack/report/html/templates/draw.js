// Pictures drawn from the samples: waveform, spectrogram, masking curve.
const WINDOW = 512;
const HANN = Float32Array.from({ length: WINDOW }, (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / WINDOW));
const MAGMA = [[0, 0, 4], [28, 16, 68], [79, 18, 123], [129, 37, 129], [181, 54, 122], [229, 80, 100], [251, 135, 97], [254, 194, 135], [252, 253, 191]];
const COLOURS = Array.from({ length: 256 }, (_, place) => {
  const at = (place / 255) * (MAGMA.length - 1);
  const low = Math.min(Math.floor(at), MAGMA.length - 2);
  return MAGMA[low].map((part, channel) => part + (at - low) * (MAGMA[low + 1][channel] - part));
});
function transform(real, imaginary) { // in place, radix 2
  const n = real.length;
  for (let i = 1, j = 0; i < n; i += 1) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) { [real[i], real[j]] = [real[j], real[i]]; [imaginary[i], imaginary[j]] = [imaginary[j], imaginary[i]]; }
  }
  for (let size = 2; size <= n; size *= 2) {
    const step = (-2 * Math.PI) / size;
    for (let start = 0; start < n; start += size) {
      for (let k = 0; k < size / 2; k += 1) {
        const cosine = Math.cos(step * k), sine = Math.sin(step * k), a = start + k, b = a + size / 2;
        const re = real[b] * cosine - imaginary[b] * sine, im = real[b] * sine + imaginary[b] * cosine;
        real[b] = real[a] - re; imaginary[b] = imaginary[a] - im; real[a] += re; imaginary[a] += im;
      }
    }
  }
}
function spectrogram(samples) { // dB re a full-scale sine, at most 900 frames
  const frames = Math.max(1, Math.min(900, Math.floor(samples.length / 64)));
  const hop = samples.length / frames, bins = WINDOW / 2;
  const levels = new Float32Array(frames * bins);
  const real = new Float32Array(WINDOW), imaginary = new Float32Array(WINDOW);
  for (let frame = 0; frame < frames; frame += 1) {
    const start = Math.round(frame * hop) - WINDOW / 2;
    for (let n = 0; n < WINDOW; n += 1) real[n] = (samples[start + n] || 0) * HANN[n];
    imaginary.fill(0);
    transform(real, imaginary);
    for (let bin = 0; bin < bins; bin += 1) levels[frame * bins + bin] = 20 * Math.log10(Math.max(1e-7, Math.hypot(real[bin], imaginary[bin]) / (WINDOW / 4)));
  }
  return { frames, bins, levels, top: levels.reduce((most, level) => Math.max(most, level), -200) };
}
function sized(canvas, height) {
  const scale = devicePixelRatio || 1, width = Math.max(50, canvas.parentNode.clientWidth);
  canvas.width = Math.round(width * scale); canvas.height = Math.round(height * scale);
  canvas.style.height = `${height}px`;
  return canvas.getContext("2d");
}
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
function drawWave(canvas, samples, paint) {
  const pen = sized(canvas, 46), { width, height } = canvas;
  pen.fillStyle = colour(paint);
  const most = Math.max(0.05, loudest(samples));
  for (let x = 0; x < width; x += 1) {
    let low = 0, high = 0;
    const end = Math.floor(((x + 1) * samples.length) / width);
    for (let n = Math.floor((x * samples.length) / width); n < end; n += 1) { low = Math.min(low, samples[n]); high = Math.max(high, samples[n]); }
    const top = height / 2 - (high / most) * (height / 2 - 1);
    pen.fillRect(x, top, 1, Math.max(1, ((high - low) / most) * (height / 2 - 1)));
  }
}
function label(pen, text, x, y, align, baseline) { // light on dark, and readable on light
  pen.textAlign = align; pen.textBaseline = baseline;
  pen.lineWidth = 3 * (devicePixelRatio || 1); pen.strokeStyle = "rgb(0 0 0 / .75)"; pen.fillStyle = "#fff";
  pen.strokeText(text, x, y); pen.fillText(text, x, y);
}
function drawAxes(canvas, pen, seconds) { // kHz upward, seconds to the right
  const scale = devicePixelRatio || 1, { width, height } = canvas, edge = 3 * scale;
  pen.font = `${11 * scale}px system-ui, sans-serif`;
  label(pen, "8 kHz", edge, edge, "left", "top");
  label(pen, "4 kHz", edge, height / 2, "left", "middle");
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60].find((one) => seconds / one <= Math.max(2, width / scale / 90)) || 120;
  for (let at = step; at < seconds * 0.98; at += step) label(pen, `${Number(at.toFixed(1))} s`, (at / seconds) * width, height - edge, "center", "bottom");
}
function drawSpectrogram(canvas, found, top, seconds) {
  const picture = new OffscreenCanvas(found.frames, found.bins), data = new ImageData(found.frames, found.bins);
  for (let frame = 0; frame < found.frames; frame += 1) {
    for (let bin = 0; bin < found.bins; bin += 1) {
      const share = Math.max(0, Math.min(1, (found.levels[frame * found.bins + bin] - top + 80) / 80));
      data.data.set([...COLOURS[Math.round(share * 255)], 255], 4 * ((found.bins - 1 - bin) * found.frames + frame));
    }
  }
  picture.getContext("2d").putImageData(data, 0, 0);
  const pen = sized(canvas, 104);
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  drawAxes(canvas, pen, seconds);
}
const svg = (tag, attributes, ...children) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, text] of Object.entries(attributes)) node.setAttribute(name, text);
  node.append(...children);
  return node;
};
function maskingFigure(curve) {
  const width = 520, height = 230, left = 36, bottom = 26;
  const names = [["speech", "speech"], ["threshold", "masking threshold"], ["perturbation", "perturbation"]];
  const x = (khz) => left + (khz / 8) * (width - left - 6), y = (db) => 8 + ((100 - db) / 120) * (height - 8 - bottom);
  const plot = svg("svg", { class: "chart masking", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Spectra of speech, masking threshold and perturbation, decibels against kilohertz, in the loudest second; over the whole clip the perturbation exceeds the threshold by ${curve.excess_db} decibels, mean over all bins` });
  for (const khz of [0, 2, 4, 6, 8]) plot.append(svg("line", { class: "grid", x1: x(khz), x2: x(khz), y1: 8, y2: height - bottom }), svg("text", { x: x(khz), y: height - 8, "text-anchor": khz === 8 ? "end" : "middle" }, khz === 8 ? "8 kHz" : String(khz)));
  for (const db of [0, 40, 80]) plot.append(svg("line", { class: "grid", x1: left, x2: width - 6, y1: y(db), y2: y(db) }), svg("text", { x: left - 5, y: y(db) + 4, "text-anchor": "end" }, `${db}`));
  for (const [name] of names) plot.append(svg("g", { class: name }, svg("polyline", { class: "line", points: curve.kilohertz.map((khz, place) => `${x(khz).toFixed(1)},${y(curve[name][place]).toFixed(1)}`).join(" ") })));
  const legend = make("ul", { class: "legend masking" }, ...names.map(([name, label]) => make("li", { class: name }, label)));
  return make("figure", {}, make("figcaption", {}, `dB SPL in the loudest second; over the whole clip the perturbation stands ${curve.excess_db} dB above what the speech hides, mean over all bins`), legend, plot);
}

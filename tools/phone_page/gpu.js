// The network in floats on processor and GPU: the same answers first, then milliseconds.
// A time of the GPU is shown only while its answers are the processor's. Chapter 14.
const PATIENCE_MS = 120000;
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|software|basic render|warp/i;
let floats = null, gpu = null; // forms; the GPU's, as long as it is right

const say = (sentence) => (element("gpu-state").textContent = sentence);

class NoGpu extends Error {
  constructor(kind, sentence) {
    super(sentence);
    this.kind = kind;
  }
}

// The noise of tools/phone_gpu.py, each image brighter than the last.
function noise(count) {
  const area = channels * height * width;
  let x = 0;
  return Array.from({ length: count }, (_, n) =>
    Float32Array.from({ length: area }, () => {
      x = (Math.imul(1664525, x) + 1013904223) >>> 0;
      return (((x >>> 8) / 2 ** 24) * (n + 1)) / count;
    }));
}

function checkedImages() {
  const canvas = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  const drive = frames.slice(0, about.gpu.frames).map((image) => {
    canvas.drawImage(image, 0, 0, width, height);
    return pixelsOf(canvas);
  });
  return [...noise(about.gpu.noise), ...drive];
}

// The class of each pixel, or of the image.
function classesOf(answers) {
  const { dims, data } = answers.segmentation ?? Object.values(answers)[0];
  const [, count, rows = 1, columns = 1] = dims, area = rows * columns;
  return Array.from({ length: area }, (_, n) => largest(data, n, area, count));
}

// How far two answers are apart: { name, off, tolerance } of the worst output, and classes changed.
function compare(found, expected) {
  const rows = Object.entries(expected).map(([name, y]) => {
    const y_hat = found[name]?.data, tolerance = about.gpu.tolerance[name];
    let off = y_hat?.length === y.data.length ? 0 : Infinity;
    if (!off) y.data.forEach((value, i) => (off = Math.max(off, Math.abs(y_hat[i] - value))));
    return { name, off, tolerance, share: off / tolerance };
  });
  const wrong = rows.find(({ share }) => !(share <= 1)); // not a number is wrong too
  const worst = wrong ?? rows.reduce((a, b) => (a.share > b.share ? a : b));
  const classes = classesOf(expected);
  const now = rows.every(({ off }) => off < Infinity) ? classesOf(found) : [];
  const changed = classes.filter((label, n) => label !== now[n]).length;
  return { ...worst, classes: classes.length, changed };
}

function refuse(error) {
  let why = error instanceof NoGpu ? error.message : `The GPU stopped: ${wordsOf(error)}`;
  if (why.includes("CPU EP")) why = "WebGPU has no kernel for a layer of this network.";
  forms = forms.filter((form) => form !== gpu);
  gpu = null;
  floats.refused = error?.kind ?? "stopped";
  nameButton();
  say(`${why} So only the processor's times are shown.`);
}

// Compares the GPU's answers for one image with the processor's; takes its times away if it errs.
async function checkOnce(pixels) {
  if (!gpu) return;
  const form = gpu;
  try {
    const found = compare(await form.run(pixels), await floats.run(pixels));
    form.worst = Math.max(form.worst, found.share);
    form.changed += found.changed;
    form.classes += found.classes;
    if (!(found.share <= 1)) throw new NoGpu("wrong", wrongSentence(found));
  } catch (error) {
    if (form === gpu) refuse(error); // else it was given up meanwhile, and said
  }
}

function wrongSentence({ name, off, tolerance, changed, classes }) {
  const things = classes > 1 ? "pixels change their class" : "answers changes its class";
  return "The answers of this GPU, or of its runtime, are wrong: "
    + `${name} is off by ${off.toPrecision(2)} where float32 rounding moves it by `
    + `${tolerance.toPrecision(2)}, and ${changed} of ${classes} ${things}.`;
}

async function adapterHere() {
  if (!navigator.gpu) throw new NoGpu("no WebGPU", "This browser gives this page no WebGPU.");
  if (!WebAssembly.Suspending)
    throw new NoGpu("no JSPI", "WebAssembly cannot wait for the GPU in this browser (no JSPI).");
  const adapter = await navigator.gpu.requestAdapter();
  if (!adapter) throw new NoGpu("no adapter", "The browser finds no GPU that it may use.");
  return adapter;
}

// The form of the GPU. Every layer computes there, or the session is refused.
async function openGpu() {
  const adapter = await adapterHere();
  const ort = await runtime("packed-gpu-ort", "packed-gpu-wasm");
  const run = await network(ort, "packed-floats", {
    executionProviders: ["webgpu"],
    extra: { session: { disable_cpu_ep_fallback: "1" } },
  });
  const info = (await ort.env.webgpu.device)?.adapterInfo ?? adapter.info ?? {};
  const told = [info.vendor, info.architecture, info.device, info.description];
  const name = told.filter(Boolean).join(" ") || "not named";
  const software = info.isFallbackAdapter || adapter.isFallbackAdapter || SOFTWARE.test(name);
  const key = software ? "software_fp32" : "gpu_fp32";
  const label = `${software ? "software in place of a GPU" : "GPU"} (${name}), floats`;
  return { key, label, name, run, optional: true, worst: 0, changed: 0, classes: 0 };
}

async function addFloats(ort) {
  say("Comparing the GPU's answers with the processor's …");
  forms[0].label = `processor, ${about.gpu.form}`;
  floats = forms[0];
  if (about.gpu.form === "int8") {
    const run = await network(ort, "packed-floats", { executionProviders: ["wasm"] });
    floats = { key: "cpu_fp32", label: "processor, floats", run };
    forms.push(floats);
  }
  window.phone.floats = floats.run;
  try {
    await Promise.race([late(), compareFirst()]);
  } catch (error) {
    refuse(error);
  }
  nameButton();
}

const late = () => new Promise((_, fail) => {
  setTimeout(() => fail(new Error("no answer in two minutes.")), PATIENCE_MS);
});

async function compareFirst() {
  const opened = await openGpu();
  if (floats.refused) return; // it came after two minutes
  gpu = opened;
  const images = checkedImages();
  for (const image of images) await checkOnce(image);
  if (!gpu) return;
  forms.push(gpu);
  const software = "But this adapter is software: the processor computes; the time is no GPU's. ";
  say(`WebGPU's answers for ${images.length} images are the processor's: they differ by at most `
    + `${Math.ceil(100 * gpu.worst)} % of what float32 rounding can move, and `
    + `${gpu.classes - gpu.changed} of ${gpu.classes} classes are the same. `
    + (gpu.key === "software_fp32" ? software : "")
    + "Sending the image and fetching the answer are part of the time.");
}

function rowOf(form) {
  const row = document.createElement("tr"), { p50_ms } = summary(form);
  const texts = [form.label, `${p50_ms.toFixed(2)} ms`, (1000 / p50_ms).toFixed(0)];
  for (const [n, text] of texts.entries()) {
    const cell = row.appendChild(document.createElement(n ? "td" : "th"));
    if (!n) cell.scope = "row";
    cell.textContent = text;
  }
  return row;
}

// Fills the table; returns what the result says of floats.
function floatsMeasured() {
  element("forms").replaceChildren(...forms.map(rowOf));
  element("times").hidden = false;
  const told = { form: about.gpu.form };
  for (const form of forms.slice(1)) told[form.key] = summary(form);
  if (gpu)
    Object.assign(told[gpu.key], { adapter: gpu.name.slice(0, 80), off: +gpu.worst.toFixed(3) });
  else told.no_gpu = floats.refused;
  return told;
}

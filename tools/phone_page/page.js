// One page that runs one network: images in, answers and milliseconds out. Chapter 13.
const began = performance.now();
const about = JSON.parse(document.getElementById("about").textContent);
const [, channels, height, width] = [1, ...about.input];
const element = (id) => document.getElementById(id);
const view = element("view");
const pen = view.getContext("2d", { willReadFrequently: true });

// What went wrong, in words: a runtime may throw a number.
const wordsOf = (error) => `${error?.message ?? error}`.slice(0, 200);

async function unpack(id) {
  const packed = Uint8Array.from(atob(element(id).textContent.trim()), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function runtime(script, binary) {
  const source = new Blob([await unpack(script)], { type: "text/javascript" });
  const ort = await import(URL.createObjectURL(source));
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = (await unpack(binary)).buffer;
  return ort;
}

// Pixels to answers; who awaits them has them in the processor's memory.
async function network(ort, packed, options) {
  const session = await ort.InferenceSession.create(await unpack(packed), options);
  return async (pixels) => {
    const X = new ort.Tensor("float32", pixels, [1, channels, height, width]);
    return session.run({ [session.inputNames[0]]: X });
  };
}

// What a canvas shows, as the network wants it: [channels, height, width], 0 to 1.
function pixelsOf(context) {
  const { data } = context.getImageData(0, 0, width, height);
  const pixels = new Float32Array(channels * height * width), area = height * width;
  for (let n = 0; n < area; n++) {
    const [r, g, b] = [data[4 * n], data[4 * n + 1], data[4 * n + 2]];
    if (channels === 1) pixels[n] = Math.round(0.299 * r + 0.587 * g + 0.114 * b) / 255;
    else [r, g, b].forEach((value, c) => (pixels[c * area + n] = value / 255));
  }
  return pixels;
}

function largest(values, begin = 0, step = 1, count = values.length) {
  let best = 0;
  for (let c = 1; c < count; c++)
    if (values[begin + c * step] > values[begin + best * step]) best = c;
  return best;
}

function show(answers) {
  if (answers.segmentation) return showRoad(answers);
  const [logits] = Object.values(answers).map((y) => y.data), best = largest(logits);
  element("answer").textContent =
    logits.length > 1 ? `It is ${about.classes[best] ?? best}.` : `${logits[0]}`;
}

// Classes in colour over the road; a network may answer for every second pixel alone.
function showRoad({ segmentation, depth, ego }) {
  const [, count, rows, columns] = segmentation.dims;
  const area = rows * columns;
  const classes = Uint8Array.from(
    { length: area }, (_, n) => largest(segmentation.data, n, area, count));
  const picture = pen.getImageData(0, 0, width, height);
  for (let n = 0; n < height * width; n++) {
    const [row, column] = [Math.floor(n / width), n % width];
    const at = Math.floor((row * rows) / height) * columns + Math.floor((column * columns) / width);
    const colour = about.palette[classes[at]];
    for (let i = 0; i < 3; i++) picture.data[4 * n + i] = (picture.data[4 * n + i] + colour[i]) / 2;
  }
  pen.putImageData(picture, 0, 0);
  const told = [ego && steering(ego.data[0]), depth && nearest(depth.data, classes)];
  element("answer").textContent = told.filter(Boolean).join("; ");
}

function steering(ego) {
  const degrees = ego * about.steering_std;
  return `steer ${Math.abs(degrees).toFixed(1)} degrees to the ${degrees < 0 ? "left" : "right"}`;
}

// The near end of vehicles and people, but for a tenth of the pixels that may be wrong.
function nearest(depth, classes) {
  const things = about.things.map((name) => about.classes.indexOf(name));
  const found = depth.filter((_, n) => things.includes(classes[n])).sort();
  if (!found.length) return "nobody ahead";
  const value = found[Math.floor(found.length / 10)];
  const metres = Math.exp(value * about.log_depth_std + about.log_depth_mean);
  return `nearest vehicle or person: ${metres.toFixed(0)} m`;
}

let source = null, run = null, video = null, frames = [], busy = false, shown = [];

async function answer() {
  if (busy || !run) return;
  busy = true;
  try {
    show(await run(pixelsOf(pen)));
    const now = performance.now();
    shown = [...shown.filter((moment) => now - moment < 1000), now];
    element("shown").textContent = `${shown.length}`;
  } finally {
    busy = false;
  }
}

function fill(image, imageWidth, imageHeight) {
  const scale = Math.max(width / imageWidth, height / imageHeight);
  const [w, h] = [imageWidth * scale, imageHeight * scale];
  pen.drawImage(image, (width - w) / 2, (height - h) / 2, w, h);
}

async function choose(name) {
  source = name;
  for (const button of document.querySelectorAll("nav button"))
    button.setAttribute("aria-pressed", button.dataset.source === name);
  element("clear").hidden = name !== "draw";
  if (video && name !== "camera") {
    video.srcObject.getTracks().forEach((track) => track.stop());
    video = null;
  }
  if (name === "draw") clear();
  if (name === "photo") element("file").click();
  if (name === "camera") await openCamera();
  if (looping || (name !== "camera" && name !== "drive")) return;
  looping = true;
  requestAnimationFrame(step);
}

async function openCamera() {
  try {
    const facing = { video: { facingMode: "environment" } };
    video = document.createElement("video");
    video.srcObject = await navigator.mediaDevices.getUserMedia(facing);
    video.playsInline = true;
    await video.play();
  } catch (error) {
    video = null;
    element("answer").textContent =
      "This browser gives a page from a file no camera: take a photo instead.";
  }
}

let frame = 0, looping = false; // one loop: a second one would double the pace
async function step() {
  if (source === "drive") fill(frames[frame++ % frames.length], width, height);
  else if (source === "camera" && video) fill(video, video.videoWidth, video.videoHeight);
  else return (looping = false);
  try {
    await answer();
  } catch (error) {
    looping = false;
    throw error;
  }
  requestAnimationFrame(step);
}

function clear() {
  pen.fillStyle = "#000";
  pen.fillRect(0, 0, width, height);
  element("answer").textContent = "Draw a digit with a finger or the mouse.";
}

function draw(event) {
  if (source !== "draw" || !event.buttons) return;
  const box = view.getBoundingClientRect();
  const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  pen.strokeStyle = "#fff";
  pen.lineWidth = width / 12;
  pen.lineCap = "round";
  pen.beginPath();
  pen.moveTo(...(event.type === "pointerdown" || !draw.last ? [x * width, y * height] : draw.last));
  pen.lineTo(x * width, y * height);
  pen.stroke();
  draw.last = [x * width, y * height];
  answer();
}

async function start() {
  [view.width, view.height] = [width, height];
  if (width === height) view.className = "square";
  const cores = navigator.hardwareConcurrency ?? "?";
  element("device").textContent = `${cores} cores, ${navigator.userAgent}`;
  element("runtime").textContent = about.runtime;
  for (const button of document.querySelectorAll("nav button"))
    button.onclick = () => choose(button.dataset.source);
  element("measure").onclick = measure;
  element("save").onclick = save;
  element("clear").onclick = clear;
  view.addEventListener("pointerdown", (event) => { draw.last = null; draw(event); });
  view.addEventListener("pointermove", draw);
  element("file").onchange = async (event) => {
    const image = await createImageBitmap(event.target.files[0]);
    fill(image, image.width, image.height);
    await answer();
  };
  frames = await Promise.all(about.frames.map(async (url) => {
    const image = new Image();
    image.src = url;
    await image.decode();
    return image;
  }));
  const draws = channels === 1;
  document.querySelector("[data-source=draw]").hidden = !draws;
  document.querySelector("[data-source=drive]").hidden = !frames.length;
  clear();
  const ort = await runtime("packed-ort", "packed-wasm");
  run = await network(ort, "packed-model", { executionProviders: ["wasm"] });
  forms = [{ key: "cpu", run }];
  const ms = performance.now() - began;
  element("state").textContent = `Ready after ${(ms / 1000).toFixed(1)} s, without a network.`;
  const numbers = (answers) =>
    Object.fromEntries(Object.entries(answers).map(([name, y]) => [name, y.data]));
  window.phone = { run: async (pixels) => numbers(await run(pixels)), boot_ms: ms };
  if (draws || frames.length) await choose(draws ? "draw" : "drive");
  if (about.gpu) await addFloats(ort);
  element("measure").disabled = false;
}

start().catch((error) => {
  element("state").textContent = `This browser cannot run the page: ${wordsOf(error)}`;
});

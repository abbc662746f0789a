// The drawing pad of chapter 00. Strokes go to Python; the guess and ten bars come back.
const SIZE = 280;
const KEY_STEP = 14;

function element(tag, className, text) {
  const node = document.createElement(tag);
  node.className = className;
  if (text) node.textContent = text;
  return node;
}

function drawStrokes(canvas, strokes, penWidth) {
  const context = canvas.getContext("2d");
  context.fillStyle = "#000";
  context.fillRect(0, 0, SIZE, SIZE);
  context.strokeStyle = context.fillStyle = "#fff";
  context.lineWidth = penWidth;
  context.lineCap = context.lineJoin = "round";
  for (const stroke of strokes) {
    context.beginPath();
    context.moveTo(stroke[0][0], stroke[0][1]);
    for (const [x, y] of stroke) context.lineTo(x, y);
    context.lineTo(stroke[0][0] + (stroke.length === 1 ? 0.01 : 0), stroke[0][1]);
    context.stroke();
  }
}

function drawSeen(canvas, seen) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(28, 28);
  for (let i = 0; i < 784; i += 1) {
    const value = seen.byteLength === 784 ? seen.getUint8(i) : 0;
    image.data.set([value, value, value, 255], 4 * i);
  }
  context.putImageData(image, 0, 0);
}

function makeBars() {
  const list = element("ol", "edu-pad-bars");
  list.setAttribute("aria-label", "Probability of each digit");
  for (let digit = 0; digit < 10; digit += 1) {
    const row = element("li", "edu-pad-row");
    const track = element("span", "edu-pad-track");
    track.append(element("span", "edu-pad-fill"));
    row.append(element("span", "edu-pad-digit", String(digit)), track,
      element("span", "edu-pad-percent", ""));
    list.append(row);
  }
  return list;
}

function showReading(model, guess, status, bars, seenCanvas) {
  const reading = model.get("guess");
  const probabilities = model.get("probabilities");
  guess.textContent = reading < 0 ? "?" : String(reading);
  status.textContent = model.get("status");
  [...bars.children].forEach((row, digit) => {
    const percent = 100 * (probabilities[digit] || 0);
    row.classList.toggle("edu-pad-best", digit === reading);
    row.querySelector(".edu-pad-fill").style.width = `${percent}%`;
    row.querySelector(".edu-pad-percent").textContent = `${percent.toFixed(0)} %`;
  });
  drawSeen(seenCanvas, model.get("seen"));
}

function connectPen(canvas, model, redraw, clamp) {
  let stroke = null;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [clamp((event.clientX - box.left) * SIZE / box.width),
      clamp((event.clientY - box.top) * SIZE / box.height)];
  };
  const finish = () => {
    if (!stroke) return;
    const done = stroke;
    stroke = null;
    model.set("strokes", [...model.get("strokes"), done]);
    model.save_changes();
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    stroke = [at(event)];
    redraw(stroke);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!stroke) return;
    stroke.push(at(event));
    redraw(stroke);
  });
  canvas.addEventListener("pointerup", finish);
  canvas.addEventListener("pointercancel", finish);
}

function connectKeys(canvas, model, redraw, clamp) {
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  let pen = [SIZE / 2, SIZE / 2];
  let stroke = null;
  const showPen = () => {
    redraw(stroke);
    const context = canvas.getContext("2d");
    context.fillStyle = "#E07B39";
    context.fillRect(pen[0] - 4, pen[1] - 4, 8, 8);
  };
  const finish = () => {
    if (!stroke) return;
    const done = stroke;
    stroke = null;
    model.set("strokes", [...model.get("strokes"), done]);
    model.save_changes();
  };
  canvas.addEventListener("blur", finish);
  canvas.addEventListener("keydown", (event) => {
    if (event.key === " ") {
      if (stroke) finish();
      else stroke = [[...pen]];
    } else if (moves[event.key]) {
      pen = pen.map((value, axis) => clamp(value + KEY_STEP * moves[event.key][axis]));
      if (stroke) stroke.push([...pen]);
    } else return;
    event.preventDefault();
    event.stopPropagation();
    showPen();
  });
}

function makeButton(label, description, onClick) {
  const button = element("button", "edu-pad-button", label);
  button.type = "button";
  button.setAttribute("aria-label", description);
  button.addEventListener("click", onClick);
  return button;
}

function makeButtons(model) {
  const buttons = element("div", "edu-pad-buttons");
  const setStrokes = (strokes) => {
    model.set("strokes", strokes);
    model.save_changes();
  };
  buttons.append(makeButton("Clear", "Clear the drawing", () => setStrokes([])));
  for (const [digit, strokes] of Object.entries(model.get("examples"))) {
    const label = `Try a ${digit}`;
    buttons.append(makeButton(label, `${label}: draw an example`, () => setStrokes(strokes)));
  }
  return buttons;
}

function render({ model, el }) {
  const root = element("div", "edu-pad");
  const canvas = element("canvas", "edu-pad-canvas");
  canvas.width = canvas.height = SIZE;
  canvas.tabIndex = 0;
  canvas.dataset.lmSuppressShortcuts = "true"; // JupyterLab's own arrow keys would go first
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label",
    "Drawing pad. Draw a digit with mouse, finger or pen; or move with the arrow keys and"
    + " press Space to put the pen down and to lift it.");
  const guess = element("div", "edu-pad-guess");
  const status = element("div", "edu-pad-status");
  status.setAttribute("role", "status");
  const seen = element("canvas", "edu-pad-seen");
  seen.width = seen.height = 28;
  seen.setAttribute("role", "img");
  seen.setAttribute("aria-label", "The 28 by 28 pixels that the network sees");
  const bars = makeBars();

  const clamp = (value) => Math.round(Math.min(Math.max(value, 0), SIZE));
  const redraw = (unfinished) => drawStrokes(canvas,
    unfinished ? [...model.get("strokes"), unfinished] : model.get("strokes"),
    model.get("pen_width"));
  const refresh = () => showReading(model, guess, status, bars, seen);
  connectPen(canvas, model, redraw, clamp);
  connectKeys(canvas, model, redraw, clamp);
  const onStrokes = () => redraw(null);
  model.on("change:strokes", onStrokes);
  model.on("change:reading", refresh);

  const left = element("div", "edu-pad-left");
  left.append(canvas, makeButtons(model));
  const middle = element("div", "edu-pad-middle");
  middle.append(guess, status, seen, element("div", "edu-pad-note", "what the network sees"));
  root.append(left, middle, bars);
  el.append(root);
  redraw(null);
  refresh();
  return () => {
    model.off("change:strokes", onStrokes);
    model.off("change:reading", refresh);
  };
}

export default { render };

// What the labelling pad shows: buttons, the scene with its labels, the score.
function node(tag, className, text, attributes = {}) {
  const made = document.createElement(tag);
  made.className = className;
  if (text) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function pushButton(text, label, onClick) {
  const made = node("button", "edu-label-button", text, {
    type: "button", "aria-label": label, title: label,
  });
  made.addEventListener("click", onClick);
  return made;
}

// Buttons of which one is pressed: choose(value) presses another and calls onChoose.
function choice(name, entries, onChoose) {
  const group = node("div", "edu-label-group", "", { role: "group", "aria-label": name });
  const buttons = new Map();
  const choose = (value) => {
    for (const [other, made] of buttons) made.setAttribute("aria-pressed", other === value);
    onChoose(value);
  };
  for (const { value, text, label, colour } of entries) {
    const made = pushButton(text, label, () => choose(value));
    if (colour) {
      const swatch = node("span", "edu-label-swatch");
      swatch.style.background = colour;
      made.prepend(swatch);
    }
    buttons.set(value, made);
    group.append(made);
  }
  return { group, choose };
}

function colourLayer(state, palette, layer) {
  const image = layer.createImageData(state.labels.width, state.labels.height);
  const pixels = new DataView(image.data.buffer);
  const coloured = palette.map(([red, green, blue]) => (
    ((red << 24) | (green << 16) | (blue << 8) | 255) >>> 0));
  const truth = state.shown === "yours" ? state.labels.data : state.truth();
  state.labels.data.forEach((mine, i) => {
    if (state.shown === "wrong") pixels.setUint32(4 * i, mine === truth[i] ? 0 : 0xd62839ff);
    else pixels.setUint32(4 * i, coloured[truth[i]] || 0);
  });
  layer.putImageData(image, 0, 0);
}

function drawCorners(context, state, scale) {
  context.strokeStyle = context.fillStyle = "#e07b39";
  context.lineWidth = 2;
  context.beginPath();
  state.corners.forEach(([x, y], i) => {
    if (i === 0) context.moveTo(x * scale, y * scale);
    else context.lineTo(x * scale, y * scale);
  });
  context.stroke();
  for (const [x, y] of state.corners) context.fillRect(x * scale - 4, y * scale - 4, 8, 8);
}

function drawCursor(context, state, scale) {
  const [x, y] = state.cursor.map((value) => value * scale);
  const radius = state.tool === "brush" ? state.radius * scale : 5;
  for (const [colour, width] of [["#000", 4], ["#fff", 2]]) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    context.arc(x, y, Math.max(radius, 3), 0, 2 * Math.PI);
    context.stroke();
  }
}

function makeCanvas(model, state) {
  const scale = Math.max(1, Math.round(768 / state.labels.width * 2) / 2);
  const canvas = node("canvas", "edu-label-canvas", "", {
    tabindex: "0", role: "application",
    "aria-label": "Road scene to label. Mouse, finger or pen paint. Keys: arrows move, Space puts"
      + " the brush down and lifts it, sets a corner, or fills; Enter closes a polygon; 1 to 9"
      + " choose a class, 0 erases; [ and ] change the brush; Ctrl+Z undoes.",
  });
  canvas.dataset.lmSuppressShortcuts = "true"; // JupyterLab's own arrow keys would go first
  canvas.width = state.labels.width * scale;
  canvas.height = state.labels.height * scale;
  const layer = node("canvas", "");
  layer.width = state.labels.width;
  layer.height = state.labels.height;
  const picture = new Image();
  const draw = () => {
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = true;
    context.globalAlpha = 1;
    context.drawImage(picture, 0, 0, canvas.width, canvas.height);
    colourLayer(state, model.get("palette"), layer.getContext("2d"));
    context.imageSmoothingEnabled = false;
    context.globalAlpha = state.opacity;
    context.drawImage(layer, 0, 0, canvas.width, canvas.height);
    context.globalAlpha = 1;
    if (state.corners.length > 0) drawCorners(context, state, scale);
    if (state.cursor) drawCursor(context, state, scale);
  };
  const url = URL.createObjectURL(new Blob([model.get("image")], { type: "image/jpeg" }));
  picture.onload = () => {
    URL.revokeObjectURL(url);
    draw();
  };
  picture.src = url;
  return { canvas, draw };
}

function asClock(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function showReport(model, state, place) {
  place.replaceChildren();
  const report = model.get("report");
  if (!model.get("finished") || !report.ious) return;
  place.append(node("p", "edu-label-verdict",
    `Mean IoU ${report.miou.toFixed(1)} % in ${asClock(model.get("seconds"))} minutes;`
    + ` ${report.unlabelled.toFixed(1)} % of the pixels have no label.`));
  const list = node("ol", "edu-label-bars", "", { "aria-label": "IoU of each class" });
  const palette = model.get("palette");
  model.get("classes").forEach((name, i) => {
    if (report.ious[name] === undefined) return;
    const row = node("li", "edu-label-row");
    const fill = node("span", "edu-label-fill");
    fill.style.width = `${report.ious[name]}%`;
    fill.style.background = `rgb(${palette[i]})`;
    const track = node("span", "edu-label-track");
    track.append(fill);
    row.append(node("span", "edu-label-name", name), track,
      node("span", "edu-label-percent", `${report.ious[name].toFixed(1)} %`));
    list.append(row);
  });
  place.append(list);
}

// The labelling pad of chapter 04. What is painted goes to Python; after Done the score comes back.
const NONE = 255;
const MOST_UNDOS = 40;

// The state of one view: what is painted, the clock, and what can be undone.
function makeState(model) {
  const bytes = (name) => {
    const view = model.get(name);
    return new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice();
  };
  const [width, height] = [model.get("width"), model.get("height")];
  const painted = () => {
    const data = bytes("painted");
    return data.length > 0 ? data : new Uint8Array(width * height).fill(NONE);
  };
  const state = {
    labels: { width, height, data: painted() }, sent: null,
    value: 0, tool: "brush", radius: SIZES[2], shown: "yours", opacity: 0.6,
    corners: [], cursor: null, penDown: false, undos: [], startedAt: null,
  };
  state.truth = () => bytes("shown_truth");
  state.reload = () => {
    if (model.get("painted") === state.sent) return;
    state.labels.data = painted();
    state.undos = [];
  };
  state.seconds = () => model.get("seconds")
    + (state.startedAt === null ? 0 : (performance.now() - state.startedAt) / 1000);
  state.remember = () => {
    if (state.startedAt === null) state.startedAt = performance.now();
    state.undos.push(state.labels.data.slice());
    if (state.undos.length > MOST_UNDOS) state.undos.shift();
  };
  state.send = (changes = {}) => {
    const seconds = state.seconds();
    if (state.startedAt !== null) state.startedAt = performance.now();
    state.sent = new DataView(state.labels.data.slice().buffer);
    const values = { seconds, painted: state.sent, ...changes };
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
  };
  return state;
}

function makeChoices(model, state, draw, close) {
  const palette = model.get("palette");
  const kinds = model.get("classes").map((name, i) => (
    { value: i, text: name, label: `Class ${i + 1}: ${name}`, colour: `rgb(${palette[i]})` }));
  kinds.push({ value: NONE, text: "erase", label: "Erase labels" });
  const tools = [
    { value: "brush", text: "Brush", label: "Brush: paint by hand" },
    { value: "polygon", text: "Polygon", label: "Polygon: set corners, then close the shape" },
    { value: "fill", text: "Fill", label: "Fill: colour a whole area that touches" },
  ];
  const sizes = SIZES.map((value, i) => (
    { value, text: ["S", "M", "L", "XL"][i], label: `Brush of ${2 * value + 1} pixels` }));
  const views = [["yours", "Yours", "your labels"], ["truth", "Truth", "the true labels"],
    ["wrong", "Wrong", "where they differ"]].map(([value, text, what]) => (
    { value, text, label: `Show ${what}` }));
  const set = (name) => (value) => {
    state[name] = value;
    draw();
  };
  const size = choice("Brush size", sizes, set("radius"));
  const tool = choice("Tool", tools, (value) => {
    state.tool = value;
    state.corners = [];
    size.group.hidden = value !== "brush";
    close.hidden = value !== "polygon";
    draw();
  });
  const value = choice("Class", kinds, set("value"));
  return { value, tool, size, view: choice("Show", views, set("shown")) };
}

function makeOpacity(state, draw) {
  const slider = node("input", "edu-label-slider", "", {
    type: "range", min: "0", max: "100", value: "60", "aria-label": "Opacity of the labels",
  });
  slider.addEventListener("input", () => {
    state.opacity = slider.value / 100;
    draw();
  });
  const label = node("label", "edu-label-group", "labels");
  label.append(slider);
  return label;
}

function render({ model, el }) {
  const root = node("div", "edu-label", "", { "data-lm-suppress-shortcuts": "true" });
  const state = makeState(model);
  const { canvas, draw } = makeCanvas(model, state);
  const locked = () => model.get("finished");
  const clock = node("span", "edu-label-clock", "", { role: "timer" });
  const status = node("p", "edu-label-status", "", { role: "status" });
  const report = node("div", "edu-label-report");
  const changed = () => state.send();
  const close = pushButton("Close shape", "Close the polygon", () => {
    closePolygon(state, changed);
    draw();
  });
  const choices = makeChoices(model, state, draw, close);
  const undo = () => {
    if (state.corners.length > 0) state.corners.pop();
    else if (state.undos.length > 0 && !locked()) {
      state.labels.data = state.undos.pop();
      changed();
    }
    draw();
  };
  const done = pushButton("Done", "Done: stop the clock and show the score", () => {
    closePolygon(state, () => {});
    const seconds = state.seconds();
    state.startedAt = null;
    state.send({ seconds, finished: true });
  });
  const again = pushButton("Start over", "Start over: erase all labels, clock to zero", () => {
    state.labels.data.fill(NONE);
    Object.assign(state, { startedAt: null, undos: [], corners: [] });
    state.send({ seconds: 0, finished: false });
  });
  done.classList.add("edu-label-done");

  const tick = () => { clock.textContent = asClock(state.seconds()); };
  const refresh = () => {
    const finished = locked();
    const missing = 100 * state.labels.data.filter((label) => label === NONE).length
      / state.labels.data.length;
    status.textContent = finished ? "Done. Below the picture: what to show, and the score."
      : `${missing.toFixed(0)} % of the pixels have no label yet.`
        + (state.seconds() === 0 ? " The clock starts with your first mark." : "");
    choices.view.group.hidden = !finished || model.get("shown_truth").byteLength === 0;
    if (choices.view.group.hidden && state.shown !== "yours") choices.view.choose("yours");
    done.disabled = finished || state.seconds() === 0;
    showReport(model, state, report);
    tick();
    draw();
  };
  connectPointer(canvas, state, draw, changed, locked);
  connectKeys(canvas, state, draw, changed, locked,
    { undo, value: choices.value.choose, size: choices.size.choose });
  const onPainted = () => {
    state.reload();
    refresh();
  };
  const names = ["finished", "report", "seconds", "shown_truth"].map((name) => `change:${name}`);
  model.on("change:painted", onPainted);
  names.forEach((name) => model.on(name, refresh));
  const timer = setInterval(tick, 500);

  const tools = node("div", "edu-label-tools");
  tools.append(choices.tool.group, choices.size.group, close,
    pushButton("Undo", "Undo the last mark", undo), makeOpacity(state, draw), clock, done, again);
  root.append(choices.value.group, tools, canvas, status, choices.view.group, report);
  el.append(root);
  choices.value.choose(state.value);
  choices.tool.choose(state.tool);
  choices.size.choose(state.radius);
  choices.view.choose(state.shown);
  refresh();
  return () => {
    clearInterval(timer);
    model.off("change:painted", onPainted);
    names.forEach((name) => model.off(name, refresh));
  };
}

export default { render };

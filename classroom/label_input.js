// How mouse, finger, pen and keys mark the labelling pad.
const SIZES = [2, 5, 10, 20];
const STEP = 4;

function closePolygon(state, changed) {
  if (state.corners.length >= 3) {
    state.remember();
    paintPolygon(state.labels, state.corners, state.value);
    state.corners = [];
    changed();
  }
}

// One press of the pen at a point: what it does depends on the tool.
function press(state, point, nearFirst, changed) {
  if (state.tool === "polygon") {
    if (state.corners.length >= 3 && nearFirst(point)) closePolygon(state, changed);
    else state.corners.push(point);
    if (state.startedAt === null) state.startedAt = performance.now();
    return;
  }
  state.remember();
  if (state.tool === "fill") paintArea(state.labels, ...point, state.value);
  else paintDisc(state.labels, ...point, state.radius, state.value);
}

function connectPointer(canvas, state, draw, changed, locked) {
  const { width, height } = state.labels;
  let last = null;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    const clamp = (value, most) => Math.min(Math.max(value, 0), most - 0.01);
    return [clamp((event.clientX - box.left) * width / box.width, width),
      clamp((event.clientY - box.top) * height / box.height, height)];
  };
  const near = (point) => {
    const unit = width / canvas.getBoundingClientRect().width;
    return Math.hypot(point[0] - state.corners[0][0], point[1] - state.corners[0][1]) < 9 * unit;
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (locked() || event.button > 0) return;
    canvas.setPointerCapture(event.pointerId);
    state.cursor = null;
    last = at(event);
    press(state, last, near, changed);
    draw();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!last || state.tool !== "brush") return;
    const next = at(event);
    paintLine(state.labels, last, next, state.radius, state.value);
    last = next;
    draw();
  });
  const finish = () => {
    if (last && state.tool !== "polygon") changed();
    last = null;
  };
  canvas.addEventListener("pointerup", finish);
  canvas.addEventListener("pointercancel", finish);
  canvas.addEventListener("dblclick", () => closePolygon(state, changed));
}

const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function moveCursor(state, event) {
  const { width, height } = state.labels;
  const from = state.cursor || [width / 2, height / 2];
  const step = event.shiftKey ? 1 : STEP;
  const to = MOVES[event.key].map((sign, axis) => from[axis] + sign * step);
  state.cursor = [
    Math.min(Math.max(to[0], 0), width - 1), Math.min(Math.max(to[1], 0), height - 1),
  ];
  if (state.penDown) paintLine(state.labels, from, state.cursor, state.radius, state.value);
}

function pressSpace(state, changed) {
  state.cursor = state.cursor || [state.labels.width / 2, state.labels.height / 2];
  if (state.penDown) {
    state.penDown = false;
    changed();
    return;
  }
  press(state, state.cursor, () => false, changed);
  state.penDown = state.tool === "brush";
  if (state.tool === "fill") changed();
}

function connectKeys(canvas, state, draw, changed, locked, pick) {
  const lift = () => {
    state.cursor = null;
    if (state.penDown) changed();
    state.penDown = false;
    draw();
  };
  canvas.addEventListener("blur", lift);
  canvas.addEventListener("keydown", (event) => {
    const size = SIZES.indexOf(state.radius);
    if (locked()) return;
    if (MOVES[event.key]) moveCursor(state, event);
    else if (event.key === " ") pressSpace(state, changed);
    else if (event.key === "Enter") closePolygon(state, changed);
    else if (event.key === "Escape") state.corners = [];
    else if (event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey)) pick.undo();
    else if (event.key === "[") pick.size(SIZES[Math.max(size - 1, 0)]);
    else if (event.key === "]") pick.size(SIZES[Math.min(size + 1, SIZES.length - 1)]);
    else if (/^[0-9]$/.test(event.key)) pick.value(event.key === "0" ? NONE : event.key - 1);
    else return;
    event.preventDefault();
    event.stopPropagation();
    draw();
  });
}

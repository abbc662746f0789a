// Marks on an image of labels: { width, height, data: Uint8Array }, one class a pixel.

function paintDisc(labels, x, y, radius, value) {
  const { width, height, data } = labels;
  const reach = Math.ceil(radius);
  const [column, row] = [Math.floor(x), Math.floor(y)];
  for (let v = Math.max(row - reach, 0); v <= Math.min(row + reach, height - 1); v += 1) {
    for (let u = Math.max(column - reach, 0); u <= Math.min(column + reach, width - 1); u += 1) {
      if ((u - column) ** 2 + (v - row) ** 2 <= radius ** 2) data[v * width + u] = value;
    }
  }
}

function paintLine(labels, from, to, radius, value) {
  const steps = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1])));
  for (let i = 0; i <= steps; i += 1) {
    const share = i / steps;
    paintDisc(labels, from[0] + share * (to[0] - from[0]), from[1] + share * (to[1] - from[1]),
      radius, value);
  }
}

// A pixel is inside where a ray to its left crosses the outline an odd number of times.
function paintPolygon(labels, corners, value) {
  const { width, height, data } = labels;
  for (let v = 0; v < height; v += 1) {
    const y = v + 0.5;
    const crossings = [];
    corners.forEach(([x0, y0], i) => {
      const [x1, y1] = corners[(i + 1) % corners.length];
      if ((y0 <= y) !== (y1 <= y)) crossings.push(x0 + (y - y0) * (x1 - x0) / (y1 - y0));
    });
    crossings.sort((a, b) => a - b);
    for (let i = 0; i + 1 < crossings.length; i += 2) {
      const first = Math.max(Math.ceil(crossings[i] - 0.5), 0);
      const last = Math.min(Math.ceil(crossings[i + 1] - 0.5), width);
      if (last > first) data.fill(value, v * width + first, v * width + last);
    }
  }
}

// Every pixel of the same label that touches the start, side by side, gets the value.
function paintArea(labels, x, y, value) {
  const { width, height, data } = labels;
  const start = Math.floor(y) * width + Math.floor(x);
  const old = data[start];
  if (old === value) return;
  const open = [start];
  data[start] = value;
  while (open.length > 0) {
    const at = open.pop();
    const column = at % width;
    const next = [];
    if (column > 0) next.push(at - 1);
    if (column < width - 1) next.push(at + 1);
    if (at >= width) next.push(at - width);
    if (at < width * (height - 1)) next.push(at + width);
    for (const pixel of next) {
      if (data[pixel] === old) {
        data[pixel] = value;
        open.push(pixel);
      }
    }
  }
}

// The camera of chapter 13. A picture goes to Python as a message, which no notebook keeps.
const SIDE = 448; // pixels of the square that is sent
const QUALITY = 0.92;

function element(tag, className, text) {
  const node = document.createElement(tag);
  node.className = className;
  if (text) node.textContent = text;
  return node;
}

function makeButton(label, onClick) {
  const button = element("button", "edu-cam-button", label);
  button.type = "button";
  button.addEventListener("click", onClick);
  return button;
}

// The square in the middle of a video frame or a picture, drawn on the canvas.
function drawCentre(canvas, source, width, height) {
  const side = Math.min(width, height);
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff"; // what is clear becomes white
  context.fillRect(0, 0, SIDE, SIDE);
  context.drawImage(source, (width - side) / 2, (height - side) / 2, side, side, 0, 0, SIDE, SIDE);
}

async function sendPicture(model, canvas) {
  const jpeg = await new Promise((done) => { canvas.toBlob(done, "image/jpeg", QUALITY); });
  if (!jpeg) throw new Error("the page could not make a JPEG of it");
  model.send({ kind: "picture" }, undefined, [await jpeg.arrayBuffer()]);
}

function whyNoCamera(error) {
  if (!navigator.mediaDevices) {
    return "This page may not use a camera: open the lab as localhost or through https.";
  }
  if (error.name === "NotAllowedError") return "The browser was not allowed to use the camera.";
  if (error.name === "NotFoundError") return "There is no camera here.";
  if (error.name === "NotReadableError") return "Another program uses the camera.";
  return `The camera does not start (${error.name}).`;
}

function makeBars() {
  const list = element("ol", "edu-cam-bars");
  list.setAttribute("aria-label", "What the network reads, the most probable first");
  return list;
}

function showReading(model, bars, status) {
  bars.replaceChildren(...model.get("guesses").map(([what, percent]) => {
    const row = element("li", "edu-cam-row");
    const track = element("span", "edu-cam-track");
    const fill = element("span", "edu-cam-fill");
    fill.style.width = `${percent}%`;
    track.append(fill);
    row.append(element("span", "edu-cam-what", what), track,
      element("span", "edu-cam-percent", `${percent.toFixed(0)} %`));
    return row;
  }));
  status.textContent = model.get("status");
}

// Starts, shows and stops the camera. say: a function for what the learner must know.
function makeCamera(video, buttons, say) {
  let stream = null;
  const running = (is) => {
    video.hidden = !is;
    buttons.start.disabled = is;
    buttons.take.disabled = buttons.stop.disabled = !is;
  };
  const stop = () => {
    if (stream) stream.getTracks().forEach((track) => track.stop());
    stream = video.srcObject = null;
    running(false);
  };
  const start = async () => {
    try {
      stream = await navigator.mediaDevices.getUserMedia({
        video: { facingMode: { ideal: "environment" } }, audio: false,
      });
      video.srcObject = stream;
      await video.play();
      running(true);
      say("The camera runs. Hold something into the middle and take a picture.");
      buttons.take.focus();
    } catch (error) {
      stop();
      say(`${whyNoCamera(error)} Open a picture from a file instead.`);
    }
  };
  running(false);
  return { start, stop };
}

// The choice of a file; the input itself is hidden, a button asks for it.
function makeChooser(onFile) {
  const input = element("input", "edu-cam-file");
  input.type = "file";
  input.accept = "image/*";
  input.hidden = true;
  input.addEventListener("change", () => {
    if (input.files.length) onFile(input.files[0]);
    input.value = ""; // the same file may be chosen once more
  });
  return input;
}

function render({ model, el }) {
  const root = element("div", "edu-cam");
  const video = element("video", "edu-cam-video");
  video.muted = video.playsInline = true;
  video.setAttribute("aria-label", "What the camera sees now");
  const canvas = element("canvas", "edu-cam-picture");
  canvas.width = canvas.height = SIDE;
  canvas.hidden = true;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "Your picture, the square that the network reads");
  const status = element("div", "edu-cam-status");
  status.setAttribute("role", "status");
  const bars = makeBars();
  const say = (text) => { status.textContent = text; };

  const hand = async (source, width, height) => {
    drawCentre(canvas, source, width, height);
    canvas.hidden = false;
    say("The network reads.");
    try {
      await sendPicture(model, canvas);
    } catch (error) {
      say(`The picture was not sent: ${error.message}.`);
    }
  };
  const openFile = async (file) => {
    let picture;
    try {
      picture = await createImageBitmap(file); // upright, however its camera was held
    } catch {
      say(`${file.name} cannot be read as a picture: save it as JPEG or PNG.`);
      return;
    }
    await hand(picture, picture.width, picture.height);
  };
  const chooser = makeChooser(openFile);
  let camera = null;
  const buttons = {
    start: makeButton("Start the camera", () => camera.start()),
    take: makeButton("Take a picture", () => hand(video, video.videoWidth, video.videoHeight)),
    stop: makeButton("Stop the camera", () => {
      camera.stop();
      say("The camera is off.");
      buttons.start.focus();
    }),
    open: makeButton("Open a picture", () => chooser.click()),
  };
  camera = makeCamera(video, buttons, say);
  const refresh = () => showReading(model, bars, status);
  model.on("change:reading", refresh);

  const row = element("div", "edu-cam-buttons");
  row.append(...Object.values(buttons), chooser);
  const pictures = element("div", "edu-cam-pictures");
  pictures.append(video, canvas);
  root.append(row, pictures, status, bars, element("div", "edu-cam-note",
    "Pictures go to the kernel of this notebook and nowhere else; none is saved."));
  el.append(root);
  refresh();
  return () => {
    camera.stop();
    model.off("change:reading", refresh);
  };
}

export default { render };

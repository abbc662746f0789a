// Milliseconds of the network, shown, and taken along as JSON and as a QR code.
const MEASURE_MS = 3000, BLOCK_MS = 50;
let forms = []; // what is timed, the network of the page first: { key, label, run }

async function measure() {
  const buttons = [element("measure"), ...document.querySelectorAll("nav button")];
  for (const button of buttons) button.disabled = true; // another image would be timed too
  try {
    await timeForms();
  } catch (error) {
    element("ms").textContent = `not measured: ${wordsOf(error)}`;
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

const nameButton = () => {
  element("measure").textContent = `Measure for ${(MEASURE_MS * forms.length) / 1000} seconds`;
};

// Blocks of runs, so that a clock of a tenth of a millisecond can time them; a block of each form
// in turn, so that what slows a device down meets all of them.
async function timeForms() {
  source = null;
  const pixels = pixelsOf(pen), end = performance.now() + MEASURE_MS * forms.length;
  for (const form of forms) [form.blocks, form.count] = [[], 1];
  while (performance.now() < end || forms.some((form) => !form.blocks.length))
    for (const form of forms)
      try {
        await timeBlock(form, pixels);
      } catch (error) {
        if (!form.optional) throw error;
        refuse(error);
      }
  if (about.gpu) await checkOnce(pixels);
  report(about.gpu ? floatsMeasured() : {});
}

async function timeBlock(form, pixels) {
  const start = performance.now();
  for (let i = 0; i < form.count; i++) await form.run(pixels);
  const spent = performance.now() - start;
  if (spent < BLOCK_MS && !form.blocks.length) form.count *= 2;
  else form.blocks.push(spent / form.count);
}

function summary({ blocks, count }) {
  const sorted = [...blocks].sort((a, b) => a - b);
  const [p50, p90] = [0.5, 0.9].map((share) => sorted[Math.floor(share * sorted.length)]);
  return { p50_ms: +p50.toFixed(3), p90_ms: +p90.toFixed(3), runs: blocks.length * count };
}

const milliseconds = ({ p50_ms, p90_ms }) =>
  `${p50_ms.toFixed(2)} ms (median; nine of ten blocks below ${p90_ms.toFixed(2)} ms)`;

function report(more) {
  const timed = summary(forms[0]);
  element("ms").textContent = milliseconds(timed);
  element("fps").textContent = (1000 / timed.p50_ms).toFixed(0);
  const result = {
    model: about.name, sha256: about.sha256.slice(0, 16), runtime: about.runtime, ...timed,
    cores: navigator.hardwareConcurrency ?? null, device: navigator.userAgent,
    date: new Date().toISOString().slice(0, 10), ...more,
  };
  const text = JSON.stringify(result);
  const code = qrcode(0, "L");
  code.addData(text);
  code.make();
  element("code").innerHTML = code.createSvgTag({ scalable: true });
  element("json").value = text;
  element("result").hidden = false;
}

function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([element("json").value], { type: "application/json" }));
  link.download = `device-${about.name}-${Date.now()}.json`;
  link.click();
}

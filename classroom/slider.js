// A slider of the page itself: it has a name, and arrows, Page Up, Home and End move it.
function render({ model, el }) {
  const label = document.createElement("label");
  const name = document.createElement("span");
  const slider = document.createElement("input");
  const readout = document.createElement("span");
  label.className = "edu-slider";
  name.className = "edu-slider-name";
  readout.className = "edu-slider-value";
  readout.setAttribute("aria-hidden", "true"); // the slider itself says its value
  name.textContent = model.get("description");
  slider.setAttribute("aria-label", model.get("description"));
  slider.type = "range";
  slider.min = model.get("low");
  slider.max = model.get("high");
  slider.step = model.get("step");
  const digits = (String(model.get("step")).split(".")[1] || "").length;
  const show = () => {
    const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
    readout.textContent = Number(slider.value).toLocaleString("en", options);
    slider.setAttribute("aria-valuetext", readout.textContent);
  };
  const refresh = () => {
    slider.value = model.get("value");
    show();
  };
  slider.addEventListener("input", show);
  slider.addEventListener("change", () => {
    model.set("value", Number(slider.value));
    model.save_changes();
  });
  slider.addEventListener("keydown", (event) => {
    if (/^(Arrow|Page|Home|End)/.test(event.key)) event.stopPropagation(); // not the notebook's
  });
  model.on("change:value", refresh);
  label.append(name, slider, readout);
  el.append(label);
  refresh();
  return () => model.off("change:value", refresh);
}

export default { render };

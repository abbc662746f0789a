// The answers of a question: one group of radio buttons. Arrow keys choose, Tab goes on.
function render({ model, el }) {
  const form = document.createElement("form"); // radio buttons of one form are one group
  const group = document.createElement("div");
  group.className = "edu-choices";
  group.setAttribute("role", "radiogroup");
  group.setAttribute("aria-label", model.get("question"));
  const buttons = model.get("options").map((option, index) => {
    const label = document.createElement("label");
    const button = document.createElement("input");
    button.type = "radio";
    button.name = "answer";
    button.addEventListener("change", () => {
      model.set("index", index);
      model.send({ index }); // at once: a changed state waits, and a button's message overtakes it
      model.save_changes();
    });
    label.append(button, option);
    group.append(label);
    return button;
  });
  const refresh = () => buttons.forEach((button, index) => {
    button.checked = model.get("index") === index;
    button.disabled = model.get("disabled");
  });
  form.addEventListener("submit", (event) => event.preventDefault()); // Enter loads no page
  form.addEventListener("keydown", (event) => {
    if (event.key.startsWith("Arrow")) event.stopPropagation(); // else the notebook goes on a cell
  });
  model.on("change:index", refresh);
  model.on("change:disabled", refresh);
  form.append(group);
  el.append(form);
  refresh();
  return () => {
    model.off("change:index", refresh);
    model.off("change:disabled", refresh);
  };
}

export default { render };

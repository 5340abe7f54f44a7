// Choosing two traces of the list: the button answers when two are ticked, and a third cannot be.
const form = () => document.querySelector("form[data-compare]");

function follow() {
  const boxes = [...(form()?.querySelectorAll("input[name=pick]") ?? [])];
  if (!boxes.length) return;
  const ticked = boxes.filter((box) => box.checked).length;
  for (const box of boxes) box.disabled = ticked >= 2 && !box.checked;
  for (const button of form().querySelectorAll("button[data-pair]")) button.disabled = ticked !== 2;
}

document.addEventListener("change", (event) => { if (event.target.matches("form[data-compare] input[name=pick]")) follow(); });
document.addEventListener("traces-arrived", follow);
// A page that was left and comes back keeps its ticks.
window.addEventListener("pageshow", follow);
follow();

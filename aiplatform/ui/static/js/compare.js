// Ticking rows of the list: two can be compared, any number added to a data set or erased. Without scripts every button
// answers, and the page behind it says what is missing.
const form = () => document.querySelector("form[data-compare]");

function follow() {
  const boxes = [...(form()?.querySelectorAll("input[name=pick]") ?? [])];
  if (!boxes.length) return;
  const ticked = boxes.filter((box) => box.checked).length;
  for (const button of form().querySelectorAll("button[data-pair]")) button.disabled = ticked !== 2;
  for (const button of form().querySelectorAll("button[data-some]")) button.disabled = ticked === 0;
  const told = form().querySelector("[data-chosen]");
  if (told) told.textContent = ticked ? told.dataset.chosen.replace("{count}", ticked) : told.dataset.none;
}

document.addEventListener("change", (event) => { if (event.target.matches("form[data-compare] input[name=pick]")) follow(); });
document.addEventListener("traces-arrived", follow);
// A page that was left and comes back keeps its ticks.
window.addEventListener("pageshow", follow);
follow();

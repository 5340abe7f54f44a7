// Menus are <details>: they open without scripts; here they also close by Escape, outside clicks and lost focus. An
// error that a part of the page answered with stays until it is closed.
const open = () => document.querySelectorAll("details[data-close-outside][open]");

function close(menu, focus) {
  menu.open = false;
  if (focus) menu.querySelector("summary").focus();
}

document.addEventListener("click", (event) => {
  for (const menu of open()) if (!menu.contains(event.target)) close(menu, false);
  if (event.target.closest("[data-dismiss]")) document.getElementById("alert").replaceChildren();
  const toggle = event.target.closest("[data-toggle]");
  if (toggle) {
    const isOpen = document.getElementById(toggle.dataset.toggle).classList.toggle("open");
    toggle.setAttribute("aria-expanded", String(isOpen));
  }
});

document.addEventListener("focusin", (event) => {
  for (const menu of open()) if (!menu.contains(event.target)) close(menu, false);
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of open()) {
    close(menu, true);
    event.stopImmediatePropagation();
  }
});

// A form that asks for a name to be typed enables its button when the name stands there.
document.addEventListener("input", (event) => {
  const field = event.target.closest("[data-must-equal]");
  if (!field) return;
  const button = field.form.querySelector("[data-when-equal]");
  button.disabled = field.value !== field.dataset.mustEqual;
});

// Filters send their form as soon as they are chosen.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
});

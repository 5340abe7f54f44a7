// Keys of a review: a number chooses, Ctrl+Enter saves and goes on, `s` skips, `u` takes the last one back. Without
// scripts the same forms are sent as pages.
const form = () => document.querySelector("[data-review]");
const undo = () => document.querySelector("[data-undo] button:not([disabled])");

const composes = (event) => event.isComposing || event.keyCode === 229;
const types = (event) => event.target.closest("input:not([type=radio]), textarea, select, [contenteditable]") !== null;

document.addEventListener("keydown", (event) => {
  if (composes(event) || event.altKey || document.querySelector("dialog[open]")) return;
  if ((event.ctrlKey || event.metaKey) && event.key === "Enter") {
    if (!form()) return;
    event.preventDefault();
    form().requestSubmit();
    return;
  }
  if (event.ctrlKey || event.metaKey || types(event)) return;
  const choice = /^[1-9]$/.test(event.key) && form()?.querySelector(`[data-key="${event.key}"]`);
  const target = choice || (event.key === "s" && form()?.querySelector("[data-skip]")) || (event.key === "u" && undo());
  if (!target) return;
  event.preventDefault();
  if (choice) choice.focus();
  target.click();
});

// Scores in place: `a` opens the form, a name that the project knows brings its type, and what was done is said where
// the focus goes. Without scripts the same form is sent as a page.
const form = () => document.querySelector("[data-score-form]");

document.addEventListener("keydown", (event) => {
  if (event.key !== "a" || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.keyCode === 229) return;
  if (!form() || document.querySelector("dialog[open]") || event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]")) return;
  event.preventDefault();
  form().open = true;
  document.getElementById("score-name").focus();
});

document.addEventListener("input", (event) => {
  if (event.target.id !== "score-name") return;
  const known = [...document.getElementById("score-names").options].find((option) => option.value === event.target.value);
  if (!known) return;
  const fields = event.target.form.elements;
  fields.type.value = known.dataset.type;
});

// The part was swapped: whoever sent the form stands where its outcome is told, whoever corrects stands in the form.
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target?.id !== "scores" && event.detail.elt?.id !== "scores") return;
  const wrong = document.querySelector("#scores [role=alert]");
  const told = document.getElementById("scores-told");
  if (told?.textContent.trim()) told.focus();
  else if (wrong || form()?.open) document.getElementById("score-name")?.focus();
});

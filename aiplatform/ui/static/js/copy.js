// Copying: a text, an address made absolute, or a snippet whose key is made at that moment.
const toast = () => document.getElementById("toast");
let fading = 0;

/** Say something in passing; a screen reader hears it too. */
export function say(text) {
  const place = toast();
  if (!place) return;
  place.textContent = text;
  clearTimeout(fading);
  fading = setTimeout(() => { place.textContent = ""; }, 2500);
}

/** Put a text into the clipboard; off loopback without TLS there is none, which is said in words. */
export async function copy(text) {
  const { copied, copyByHand } = document.body.dataset;
  try {
    await navigator.clipboard.writeText(text);
    say(copied);
    return true;
  } catch {
    say(copyByHand);
    return false;
  }
}

async function copySnippet(button) {
  const code = document.getElementById(button.dataset.copySnippet);
  const note = document.getElementById(button.dataset.note);
  const placeholder = code.dataset.placeholder;
  let text = code.textContent;
  button.disabled = true;
  try {
    if (placeholder && text.includes(placeholder)) {
      const answer = await fetch("/api/v1/keys:snippet", {
        method: "POST",
        headers: { accept: "application/json", "content-type": "application/json", "x-aiplatform-project": button.dataset.project },
        body: JSON.stringify({ scopes: button.dataset.scopes.split(" ") }),
      });
      const body = await answer.json();
      if (!answer.ok) {
        note.textContent = [body.error.message, body.error.hint].filter(Boolean).join(" ");
        return;
      }
      text = text.replaceAll(placeholder, body.key);
      note.textContent = button.dataset.made;
    }
    if (!(await copy(text)) && text !== code.textContent) code.textContent = text;
  } catch {
    note.textContent = button.dataset.failed;
  } finally {
    button.disabled = false;
  }
}

// A part that somebody asked for and that no server answered; what asks by itself says nothing.
document.addEventListener("htmx:sendError", (event) => {
  if (event.detail.requestConfig?.triggeringEvent) say(document.body.dataset.unreachable);
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy], [data-copy-link], [data-copy-snippet]");
  if (!button) return;
  event.preventDefault();
  if (button.dataset.copySnippet) copySnippet(button);
  else if (button.dataset.copyLink) copy(new URL(button.dataset.copyLink, location.href).href);
  else copy(button.dataset.copy);
});

// The tree of a trace: one list of rows with levels. Choosing a span fetches its content and replaces the address, so
// that back leads to the list and a copied address opens the same span.
let flight = null;

const tree = () => document.getElementById("tree");
const nodes = () => [...tree().querySelectorAll("[role=treeitem]")];
const shown = () => nodes().filter((node) => !node.hidden);
const level = (node) => Number(node.getAttribute("aria-level"));

function hideBelow() {
  // A row is hidden while any row above it in the tree is collapsed.
  let limit = Infinity;
  for (const each of nodes()) {
    const at = level(each);
    if (at <= limit) limit = Infinity;
    each.hidden = at > limit;
    if (!each.hidden && each.getAttribute("aria-expanded") === "false") limit = at;
  }
}

function expand(node, isOpen) {
  if (!node.hasAttribute("aria-expanded")) return;
  node.setAttribute("aria-expanded", String(isOpen));
  hideBelow();
}

function expandAll(isOpen) {
  for (const node of nodes()) {
    if (node.hasAttribute("aria-expanded") && (isOpen || level(node) > 1)) node.setAttribute("aria-expanded", String(isOpen));
  }
  hideBelow();
  const chosen = nodes().find((node) => node.getAttribute("aria-selected") === "true");
  if (chosen?.hidden) choose(shown()[0]);
}

async function choose(node) {
  if (!node) return;
  for (const each of nodes()) each.setAttribute("aria-selected", String(each === node));
  tree().setAttribute("aria-activedescendant", node.id);
  node.scrollIntoView({ block: "nearest" });
  const url = new URL(location.href);
  url.searchParams.set("span", node.dataset.span);
  history.replaceState(history.state, "", url);
  await load(url);
}

async function load(url) {
  flight?.abort();
  flight = new AbortController();
  const panel = document.getElementById("span");
  panel.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(url, { signal: flight.signal, headers: { "hx-request": "true", "hx-target": "span" } });
    const signIn = answer.headers.get("hx-redirect");
    if (signIn) { location.assign(signIn); return; }
    panel.innerHTML = await answer.text();
    panel.scrollTop = 0;
    window.htmx?.process(panel);
  } catch (error) {
    if (error.name === "AbortError") return;
    panel.textContent = panel.dataset.failed;
  }
  panel.removeAttribute("aria-busy");
}

function step(by) {
  const rows = shown();
  const now = rows.findIndex((node) => node.getAttribute("aria-selected") === "true");
  choose(rows[Math.min(rows.length - 1, Math.max(0, now + by))]);
}

function inTree(event, node) {
  switch (event.key) {
    case "ArrowDown": step(1); return true;
    case "ArrowUp": step(-1); return true;
    case "Home": choose(shown()[0]); return true;
    case "End": choose(shown().at(-1)); return true;
    case "ArrowRight": if (node) expand(node, true); return true;
    case "ArrowLeft": if (node) expand(node, false); return true;
    case "Enter": document.getElementById("span").focus(); return true;
    default: return false;
  }
}

document.addEventListener("click", (event) => {
  const node = event.target.closest("#tree [role=treeitem]");
  if (!node) return;
  if (event.target.closest(".twist")) expand(node, node.getAttribute("aria-expanded") === "false");
  else choose(node);
});

document.addEventListener("keydown", (event) => {
  if (!tree() || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.keyCode === 229) return;
  if (document.querySelector("dialog[open]") || event.target.closest("input, textarea, select, [contenteditable]")) return;
  const node = nodes().find((each) => each.getAttribute("aria-selected") === "true");
  let done = true;
  if (event.key === "j") step(1);
  else if (event.key === "k") step(-1);
  else if (event.key === "[") expandAll(false);
  else if (event.key === "]") expandAll(true);
  else done = event.target === tree() && inTree(event, node);
  if (!done) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}, true);

document.addEventListener("input", (event) => {
  if (!event.target.matches("[data-find-span]")) return;
  const wanted = event.target.value.trim().toLowerCase();
  if (!wanted) { hideBelow(); return; }
  const first = nodes().find((node) => node.dataset.text.toLowerCase().includes(wanted));
  for (const node of nodes()) node.hidden = !node.dataset.text.toLowerCase().includes(wanted);
  const hidden = nodes().filter((node) => node.hidden).length;
  const note = document.getElementById("hidden-spans");
  note.textContent = hidden ? note.dataset.text.replace("{count}", hidden) : "";
  if (first) first.scrollIntoView({ block: "nearest" });
});

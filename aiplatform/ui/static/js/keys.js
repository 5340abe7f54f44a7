// Keys of every page. They rest while someone types, a button or list has the focus, a dialog is open, or an input
// method composes; Alt stays with the browser.
const GO = { o: "", t: "/traces", e: "/evaluations", s: "/datasets", x: "/experiments", m: "/models", d: "/deployments" };
const GO_MS = 1500;
let goUntil = 0;

// A dialog that was just closed still has the focus for a moment; nobody types there.
const types = (target) =>
  target.closest("input:not([type=checkbox]), textarea, select, [contenteditable], [role=listbox]") !== null && target.closest("dialog:not([open])") === null;

const rests = (event) =>
  event.isComposing || event.keyCode === 229 || event.altKey || document.querySelector("dialog[open]") !== null || types(event.target);

const onButton = (event) => event.target.closest("button, summary") !== null;

function move(step, selector, focus) {
  const rows = [...document.querySelectorAll(selector)].filter((row) => row.offsetParent !== null);
  if (!rows.length) return false;
  const now = rows.findIndex((row) => row.classList.contains("here"));
  const next = rows[Math.min(rows.length - 1, Math.max(0, now < 0 ? (step > 0 ? 0 : rows.length - 1) : now + step))];
  for (const row of rows) row.classList.toggle("here", row === next);
  next.scrollIntoView({ block: "nearest" });
  const target = next.querySelector(focus);
  if (target) target.focus({ preventScroll: true });
  return true;
}

// On the page of one thing there is no list to walk: the neighbours in the list that it was opened from are a key away.
function follow(selector) {
  const link = document.querySelector(selector);
  if (link) link.click();
  return link !== null;
}

function plain(event) {
  switch (event.key) {
    case "/": {
      const query = document.getElementById("query");
      if (query) query.select();
      return query !== null;
    }
    case "?": document.getElementById("keys-help")?.showModal(); return true;
    case "j": return move(1, "[data-rows] [data-row]", "a[data-open]") || follow("a[data-next]");
    case "k": return move(-1, "[data-rows] [data-row]", "a[data-open]") || follow("a[data-previous]");
    case "x": {
      const box = document.querySelector("[data-rows] [data-row].here input[type=checkbox]");
      if (box) box.click();
      return box !== null;
    }
    case "n": return move(1, "[data-changed] > li", "a");
    case "g": goUntil = performance.now() + GO_MS; return true;
    case "Escape": {
      const back = document.querySelector("a[data-back]");
      if (back) back.click();
      return back !== null;
    }
    default: return false;
  }
}

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k" && !event.isComposing) {
    event.preventDefault();
    document.dispatchEvent(new CustomEvent("palette"));
    return;
  }
  if (event.ctrlKey || event.metaKey || rests(event)) return;
  if (performance.now() < goUntil && event.key in GO) {
    goUntil = 0;
    event.preventDefault();
    location.assign(document.body.dataset.base + GO[event.key]);
    return;
  }
  if (onButton(event) && (event.key === "Enter" || event.key === " ")) return;
  if (plain(event)) event.preventDefault();
});

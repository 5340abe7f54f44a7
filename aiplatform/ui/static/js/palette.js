// The palette: pages at once, things by name from the server after a short pause.
const dialog = document.getElementById("palette");
const ask = document.getElementById("palette-ask");
const list = document.getElementById("palette-list");
const PAUSE_MS = 150;
let pages = [];
let waiting = 0;
let flight = null;
let searching = false;

const options = () => [...list.querySelectorAll("[role=option]")];

function mark(option) {
  const count = document.getElementById("palette-count");
  count.textContent = count.dataset.text.replace("{count}", options().length);
  document.getElementById("palette-none").hidden = options().length > 0 || searching;
  for (const each of options()) each.setAttribute("aria-selected", String(each === option));
  if (option) {
    ask.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  } else ask.removeAttribute("aria-activedescendant");
}

function filterPages(text) {
  const wanted = text.trim().toLowerCase();
  list.replaceChildren(...pages.filter((page) => page.textContent.toLowerCase().includes(wanted)));
  mark(options()[0]);
}

async function findThings(text) {
  const own = new AbortController();
  flight = own;
  try {
    const answer = await fetch(`${ask.dataset.source}?q=${encodeURIComponent(text)}`, { signal: own.signal, headers: { "hx-request": "true" } });
    const signIn = answer.headers.get("hx-redirect");
    if (signIn) location.assign(signIn);
    if (!answer.ok) return;
    const found = document.createElement("template");
    found.innerHTML = await answer.text();
    list.append(found.content);
    searching = false;
    mark(list.querySelector("[aria-selected=true]") ?? options()[0]);
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  }
}

function open() {
  if (!dialog || dialog.open) return;
  pages = pages.length ? pages : options();
  ask.value = "";
  filterPages("");
  dialog.showModal();
  ask.focus();
}

if (dialog) {
  document.addEventListener("palette", open);
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-open=palette]")) open();
    else if (event.target === dialog) dialog.close();
  });
  ask.addEventListener("input", () => {
    const text = ask.value.trim();
    searching = text.length > 1;
    filterPages(text);
    clearTimeout(waiting);
    flight?.abort();
    if (text.length > 1) waiting = setTimeout(() => findThings(text), PAUSE_MS);
  });
  ask.addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229) return;
    const all = options();
    const now = all.findIndex((option) => option.getAttribute("aria-selected") === "true");
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      mark(all[(now + (event.key === "ArrowDown" ? 1 : all.length - 1)) % all.length]);
    } else if (event.key === "Enter" && all[now]) {
      event.preventDefault();
      location.assign(all[now].href);
    }
  });
}

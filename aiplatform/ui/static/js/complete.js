// The query line: ways to go on from the server after a short pause. Enter searches unless one of them was chosen.
const line = document.querySelector("input[data-complete]");
const list = document.getElementById("query-list");
const PAUSE_MS = 120;
let waiting = 0;
let flight = null;
let found = null;

const options = () => [...list.querySelectorAll("[role=option]")];

function close() {
  clearTimeout(waiting);
  flight?.abort();
  found = null;
  list.hidden = true;
  list.replaceChildren();
  line.setAttribute("aria-expanded", "false");
  line.removeAttribute("aria-activedescendant");
}

function mark(option) {
  for (const each of options()) each.setAttribute("aria-selected", String(each === option));
  if (!option) return;
  line.setAttribute("aria-activedescendant", option.id);
  option.scrollIntoView({ block: "nearest" });
}

function show(answer) {
  found = answer;
  list.replaceChildren(
    ...answer.items.map((item, index) => {
      const option = document.createElement("div");
      option.id = `query-option-${index}`;
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", "false");
      const text = document.createElement("code");
      text.textContent = item.text;
      const what = document.createElement("small");
      what.textContent = item.what;
      option.append(text, what);
      return option;
    }),
  );
  list.hidden = answer.items.length === 0;
  line.setAttribute("aria-expanded", String(!list.hidden));
}

// The server counts characters, the browser halves of pairs.
const characters = (text) => [...text].length;
const cut = (text, start, end) => [...text].slice(start, end).join("");

async function complete() {
  const own = new AbortController();
  flight = own;
  const at = characters(line.value.slice(0, line.selectionStart ?? line.value.length));
  try {
    const answer = await fetch(`${line.dataset.complete}?q=${encodeURIComponent(line.value)}&at=${at}`, { signal: own.signal, headers: { "hx-request": "true" } });
    if (answer.ok && document.activeElement === line) show(await answer.json());
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  }
}

function take(option) {
  const item = found.items[options().indexOf(option)];
  const before = cut(line.value, 0, found.start) + item.text;
  const after = cut(line.value, found.end, characters(line.value));
  const goesOn = /[:.(]$/.test(item.text);
  const gap = goesOn || after.startsWith(" ") ? "" : " ";
  line.value = before + gap + after;
  const place = before.length + gap.length;
  line.setSelectionRange(place, place);
  close();
  if (goesOn) complete();
}

if (line && list) {
  line.addEventListener("input", (event) => {
    if (event.isComposing) return;
    clearTimeout(waiting);
    flight?.abort();
    waiting = setTimeout(complete, PAUSE_MS);
  });
  line.addEventListener("blur", close);
  list.addEventListener("mousedown", (event) => {
    event.preventDefault();
    const option = event.target.closest("[role=option]");
    if (option) take(option);
  });
  line.addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229 || list.hidden) return;
    const all = options();
    const now = all.findIndex((option) => option.getAttribute("aria-selected") === "true");
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const next = event.key === "ArrowDown" ? now + 1 : now < 0 ? all.length - 1 : now - 1 + all.length;
      mark(all[next % all.length]);
    } else if ((event.key === "Enter" || event.key === "Tab") && all[now]) {
      event.preventDefault();
      take(all[now]);
    } else if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  });
}

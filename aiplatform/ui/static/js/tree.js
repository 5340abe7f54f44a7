// The tree of a trace: one list of rows with levels, of which only those in sight stand in the page. Rows come from the
// server by index, and are placed here; a row's index is where it stands in the whole tree. Choosing a span fetches its
// content and replaces the address, so that back leads to the list and a copied address opens the same span.
const ROW = 30;
const AHEAD = 12;
const WINDOW = 200;
const MAX_KEPT = 4000;
const PAUSE_MS = 150;
const tree = document.getElementById("tree");
const list = document.getElementById("tree-rows");
const note = document.getElementById("hidden-spans");

let total = Number(tree?.dataset.total ?? 0);
let chosen = tree?.dataset.chosen === undefined ? -1 : Number(tree.dataset.chosen);
let kept = new Map(); // index -> element
let outline = null; // { below, errors }, by index
let shown = null; // indices in sight of the reader, in order; null: all of them
let found = null; // what the search found
let isAllFolded = false;
const foldedIds = new Set();
const openedIds = new Set();
let folded = new Set(); // indices
let flight = null;
let rowsFlight = null;
let findFlight = null;
let pause = 0;
let frame = 0;

const count = () => shown?.length ?? total;
const indexAt = (place) => (shown ? shown[place] : place);
const idOf = (index) => kept.get(index)?.dataset.span;

// Where a row stands among those shown; where it is hidden, minus one less than where it would stand.
function placeOf(index) {
  if (!shown) return index >= 0 && index < total ? index : -1;
  let low = 0;
  let high = shown.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (shown[middle] < index) low = middle + 1; else high = middle;
  }
  return shown[low] === index ? low : -low - 1;
}

async function ask(path, parameters, signal) {
  const answer = await fetch(`${tree.dataset.src}/${path}?${new URLSearchParams(parameters)}`, { signal, headers: { "hx-request": "true" } });
  const signIn = answer.headers.get("hx-redirect");
  if (signIn) { location.assign(signIn); throw new DOMException("", "AbortError"); }
  if (!answer.ok) throw new Error(String(answer.status));
  return answer;
}

function keep(elements) {
  for (const each of elements) kept.set(Number(each.dataset.i), each);
}

function ranges(indices) {
  const pieces = [];
  for (const index of indices) {
    const last = pieces.at(-1);
    if (last && last[1] === index - 1) last[1] = index; else pieces.push([index, index]);
  }
  return pieces.map(([first, end]) => (first === end ? `${first}` : `${first}-${end}`)).join(",");
}

async function fetchRows(indices, signal) {
  const answer = await ask("rows", { at: ranges(indices) }, signal);
  const holder = document.createElement("template");
  holder.innerHTML = await answer.text();
  return [...holder.content.querySelectorAll("[role=treeitem]")];
}

// Where all rows are shown, whole windows are fetched; where some are hidden, those that are missing.
function worthFetching(missing) {
  if (shown) return missing.slice(0, WINDOW);
  const from = Math.floor(missing[0] / WINDOW) * WINDOW;
  const to = Math.min(total, Math.floor(missing.at(-1) / WINDOW) * WINDOW + WINDOW, from + 2 * WINDOW);
  return Array.from({ length: to - from }, (_, index) => from + index).filter((index) => !kept.has(index));
}

async function bring(missing) {
  if (rowsFlight && missing.every((index) => rowsFlight.indices.has(index))) return;
  rowsFlight?.control.abort();
  const indices = worthFetching(missing);
  const own = { control: new AbortController(), indices: new Set(indices) };
  rowsFlight = own;
  tree.setAttribute("aria-busy", "true");
  try {
    keep(await fetchRows(indices, own.control.signal));
    if (note.textContent === note.dataset.failed) tell();
  } catch (error) {
    if (error.name === "AbortError") return;
    note.textContent = note.dataset.failed;
    rowsFlight = null;
    tree.removeAttribute("aria-busy");
    return;
  }
  if (rowsFlight === own) { rowsFlight = null; tree.removeAttribute("aria-busy"); }
  draw();
}

function forget(from, to) {
  if (kept.size <= MAX_KEPT) return;
  for (const index of kept.keys()) {
    if (kept.size <= MAX_KEPT / 2) return;
    if (index !== chosen && (index < from - WINDOW || index > to + WINDOW)) kept.delete(index);
  }
}

function inSight() {
  const from = Math.max(0, Math.floor(tree.scrollTop / ROW) - AHEAD);
  const to = Math.min(count(), Math.ceil((tree.scrollTop + tree.clientHeight) / ROW) + AHEAD);
  const places = Array.from({ length: Math.max(0, to - from) }, (_, at) => from + at);
  const own = placeOf(chosen);
  // The chosen row stays in the page: it is what assistive programs are told about.
  if (own >= 0 && own < from) places.unshift(own);
  if (own >= to) places.push(own);
  return places;
}

function draw() {
  list.style.height = `${count() * ROW}px`;
  const missing = [];
  let cursor = list.firstElementChild;
  const places = inSight();
  for (const place of places) {
    const index = indexAt(place);
    const row = kept.get(index);
    if (!row) { missing.push(index); continue; }
    row.style.top = `${place * ROW}px`;
    row.setAttribute("aria-selected", String(index === chosen));
    if (row.hasAttribute("aria-expanded")) row.setAttribute("aria-expanded", String(!folded.has(index)));
    if (row === cursor) cursor = cursor.nextElementSibling;
    else list.insertBefore(row, cursor);
  }
  while (cursor) {
    const gone = cursor;
    cursor = cursor.nextElementSibling;
    gone.remove();
  }
  const own = idOf(chosen);
  if (own && placeOf(chosen) >= 0) tree.setAttribute("aria-activedescendant", `span-${own}`);
  else tree.removeAttribute("aria-activedescendant");
  if (missing.length) bring(missing);
  else if (places.length) forget(indexAt(places[0]), indexAt(places.at(-1)));
}

function drawSoon() {
  cancelAnimationFrame(frame);
  frame = requestAnimationFrame(draw);
}

function reveal(index) {
  const place = placeOf(index);
  if (place < 0) return;
  const top = place * ROW;
  if (top < tree.scrollTop) tree.scrollTop = top;
  else if (top + ROW > tree.scrollTop + tree.clientHeight) tree.scrollTop = top + ROW - tree.clientHeight;
  kept.get(index)?.scrollIntoView({ block: "nearest" });
}

function tell() {
  const hidden = total - count();
  const errors = hidden && outline ? outline.errors.filter((index) => placeOf(index) < 0).length : 0;
  const { text, errors: withErrors } = note.dataset;
  note.textContent = hidden ? (errors ? withErrors : text).replace("{count}", hidden).replace("{errors}", errors) : "";
}

async function known() {
  if (outline) return outline;
  if (kept.size === total) {
    const rows = Array.from({ length: total }, (_, index) => kept.get(index));
    outline = { below: rows.map((row) => Number(row.dataset.below)), errors: rows.flatMap((row, index) => (row.dataset.error === undefined ? [] : [index])) };
  } else outline = await (await ask("outline", {})).json();
  return outline;
}

function* tops() {
  for (let index = 0; index < total; index += outline.below[index] + 1) yield index;
}

function show() {
  if (found) shown = found;
  else if (!folded.size) shown = null;
  else {
    shown = [];
    for (let index = 0; index < total; index += folded.has(index) ? outline.below[index] + 1 : 1) shown.push(index);
  }
  const place = placeOf(chosen);
  tell();
  draw();
  // What was chosen went out of sight with the row above it, which is chosen now.
  if (chosen >= 0 && place < 0 && count() && !found) choose(indexAt(Math.max(0, -place - 2)));
}

async function expand(index, isOpen) {
  await known();
  if (!outline.below[index]) return;
  const id = idOf(index);
  (isOpen ? openedIds : foldedIds).add(id);
  (isOpen ? foldedIds : openedIds).delete(id);
  if (isOpen) folded.delete(index); else folded.add(index);
  show();
}

function foldRows() {
  folded = new Set();
  if (!isAllFolded) return;
  const isTop = new Set(tops());
  for (let index = 0; index < total; index += 1) if (outline.below[index] && !isTop.has(index)) folded.add(index);
}

async function expandAll(isOpen) {
  await known();
  isAllFolded = !isOpen;
  foldedIds.clear();
  openedIds.clear();
  foldRows();
  show();
}

async function choose(index) {
  if (index === undefined || index < 0) return;
  chosen = index;
  reveal(index);
  draw();
  if (!kept.has(index)) {
    try { keep(await fetchRows([index])); } catch (error) { if (error.name !== "AbortError") note.textContent = note.dataset.failed; return; }
    if (chosen !== index) return;
    draw();
  }
  const url = new URL(location.href);
  url.searchParams.set("span", idOf(index));
  for (const name of ["edit", "offset"]) url.searchParams.delete(name);
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
  const place = placeOf(chosen);
  // From a row that is hidden, the step leads to the one before or after where it would stand.
  const next = place >= 0 ? place + by : -place - 1 + (by < 0 ? -1 : 0);
  return choose(indexAt(Math.min(count() - 1, Math.max(0, next))));
}

async function nextError(by) {
  const { errors, below } = await known();
  const reachable = found ? errors.filter((index) => placeOf(index) >= 0) : errors;
  if (!reachable.length) return;
  const next = by > 0 ? reachable.find((index) => index > chosen) ?? reachable[0] : reachable.findLast((index) => index < chosen) ?? reachable.at(-1);
  const above = [...folded].filter((index) => index < next && next <= index + below[index]);
  for (const index of above) {
    folded.delete(index);
    if (idOf(index)) { foldedIds.delete(idOf(index)); openedIds.add(idOf(index)); }
  }
  if (above.length) { chosen = next; show(); }
  await choose(next);
}

async function toParent(index) {
  const { below } = await known();
  let parent = index - 1;
  while (parent >= 0 && parent + below[parent] < index) parent -= 1;
  if (parent >= 0) await choose(parent);
}

function inTree(event) {
  const row = kept.get(chosen);
  const state = row?.getAttribute("aria-expanded");
  switch (event.key) {
    case "ArrowDown": step(1); return true;
    case "ArrowUp": step(-1); return true;
    case "Home": choose(indexAt(0)); return true;
    case "End": choose(indexAt(count() - 1)); return true;
    case "ArrowRight": if (state === "false") expand(chosen, true); else if (state) step(1); return true;
    case "ArrowLeft": if (state === "true") expand(chosen, false); else toParent(chosen); return true;
    case "Enter": document.getElementById("span").focus(); return true;
    default: return false;
  }
}

async function find(words) {
  findFlight?.abort();
  findFlight = new AbortController();
  if (!words) { found = null; show(); reveal(chosen); return; }
  try {
    const [answer] = await Promise.all([ask("outline", { find: words }, findFlight.signal), known()]);
    found = (await answer.json()).found;
  } catch (error) {
    if (error.name !== "AbortError") note.textContent = note.dataset.failed;
    return;
  }
  tree.scrollTop = 0;
  show();
}

// A running trace has changed: rows in sight come anew, and what was chosen and folded stays so, wherever it stands now.
async function refresh() {
  const ids = [idOf(chosen), ...foldedIds, ...openedIds].filter(Boolean);
  let answer;
  let rows;
  try {
    answer = await (await ask("outline", { places: ids.join(",") })).json();
    const at = (id) => answer.places[id];
    const now = at(idOf(chosen));
    total = answer.total;
    outline = answer;
    if (now !== undefined) chosen = now;
    foldRows();
    for (const id of foldedIds) if (at(id) !== undefined) folded.add(at(id));
    for (const id of openedIds) folded.delete(at(id));
    if (!found) { shown = null; if (folded.size) { shown = []; for (let index = 0; index < total; index += folded.has(index) ? outline.below[index] + 1 : 1) shown.push(index); } }
    rows = await fetchRows(inSight().map(indexAt).filter((index) => index < total));
  } catch (error) {
    if (error.name !== "AbortError") note.textContent = note.dataset.failed;
    return;
  }
  kept = new Map();
  keep(rows);
  list.replaceChildren();
  tell();
  draw();
}

function start() {
  keep(list.querySelectorAll("[role=treeitem]"));
  list.classList.add("placed");
  document.querySelector("[data-plain]")?.remove();
  list.style.height = `${count() * ROW}px`;
  const place = placeOf(chosen);
  if (place >= 0 && (place + 1) * ROW > tree.clientHeight) tree.scrollTop = place * ROW - tree.clientHeight / 3;
  draw();
  tree.addEventListener("scroll", drawSoon, { passive: true });
  new ResizeObserver(drawSoon).observe(tree);
  tree.addEventListener("tree-changed", refresh);
}

if (tree) {
  start();
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-next-error]")) { nextError(1); return; }
    const row = event.target.closest("#tree [role=treeitem]");
    if (!row) return;
    if (event.target.closest(".twist") && row.hasAttribute("aria-expanded")) expand(Number(row.dataset.i), row.getAttribute("aria-expanded") === "false");
    else choose(Number(row.dataset.i));
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.keyCode === 229) return;
    if (document.querySelector("dialog[open]") || event.target.closest("input, textarea, select, [contenteditable]")) return;
    let done = true;
    if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "[") expandAll(false);
    else if (event.key === "]") expandAll(true);
    else if (event.key === "n") nextError(1);
    else if (event.key === "N") nextError(-1);
    else done = event.target === tree && inTree(event);
    if (!done) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);
  document.addEventListener("input", (event) => {
    if (!event.target.matches("[data-find-span]") || event.isComposing) return;
    clearTimeout(pause);
    pause = setTimeout(() => find(event.target.value.trim()), PAUSE_MS);
  });
  document.addEventListener("compositionend", (event) => {
    if (event.target.matches("[data-find-span]")) find(event.target.value.trim());
  });
}

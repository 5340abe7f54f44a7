// Following what happens. The list: rows that are there change in place, new ones come in at the top, and wait behind a
// button while somebody reads. A running trace: facts and tree again and again until it ends. Both ask with the tag of
// what they have (304 while nothing changed), and rest while the tab is hidden.
const PERIOD_MS = 2000;
const MAX_PERIOD_MS = 30000;

async function ask(url, tag, headers = {}) {
  const answer = await fetch(url, { cache: "no-store", headers: { "hx-request": "true", ...(tag ? { "if-none-match": tag } : {}), ...headers } });
  const signIn = answer.headers.get("hx-redirect");
  if (signIn) { location.assign(signIn); return null; }
  if (!answer.ok && answer.status !== 304) throw new Error(String(answer.status));
  return answer;
}

// Calls `step` again and again: not while the tab is hidden, and ever more rarely while it fails.
function repeat(step, { onPause, onFail }) {
  let timer = null;
  let isOver = false;
  let isAsking = false;
  let period = PERIOD_MS;
  const later = () => { clearTimeout(timer); if (!isOver) timer = setTimeout(run, period); };
  async function run() {
    if (isOver || isAsking) return;
    if (document.hidden) { onPause?.(); return; }
    isAsking = true;
    try {
      if (await step() === false) isOver = true;
      period = PERIOD_MS;
    } catch {
      period = Math.min(period * 2, MAX_PERIOD_MS);
      onFail?.();
    } finally {
      isAsking = false;
      later();
    }
  }
  const seen = () => { if (document.hidden) onPause?.(); else run(); };
  document.addEventListener("visibilitychange", seen);
  run();
  return () => { isOver = true; clearTimeout(timer); document.removeEventListener("visibilitychange", seen); };
}

function followList(box) {
  const body = document.querySelector("[data-compare] tbody");
  const button = box.querySelector("[data-live]");
  const show = box.querySelector("[data-live-show]");
  const state = box.querySelector("[data-live-state]");
  const waiting = new Map();
  let tag = null;
  let stop = null;

  const rowOf = (id) => body.querySelector(`tr[data-trace="${id}"]`);

  // Somebody reads where they point, where they have walked or ticked, and where they have scrolled to.
  const isRead = () =>
    body.matches(":hover") || body.contains(document.activeElement) || body.querySelector("tr.here, input:checked") !== null ||
    document.getElementById("content").scrollTop > 40 || window.scrollY > 40;

  function update(old, row) {
    if (old.dataset.version === row.dataset.version && old.innerHTML === row.innerHTML) return;
    old.dataset.version = row.dataset.version;
    [...row.cells].forEach((cell, index) => {
      const there = old.cells[index];
      // A tick and the focus are the reader's: those cells stay as they are.
      if (index > 0 && there.innerHTML !== cell.innerHTML && !there.contains(document.activeElement)) there.innerHTML = cell.innerHTML;
    });
  }

  function bring() {
    for (const row of [...waiting.values()].reverse()) {
      row.classList.add("arrived");
      body.prepend(row);
    }
    waiting.clear();
    show.hidden = true;
    document.dispatchEvent(new CustomEvent("traces-arrived"));
  }

  async function step() {
    const answer = await ask(box.dataset.src, tag);
    if (!answer) return false;
    state.textContent = box.dataset.now;
    if (answer.status === 304) return true;
    tag = answer.headers.get("etag");
    const holder = document.createElement("template");
    holder.innerHTML = `<table><tbody>${await answer.text()}</tbody></table>`;
    const rows = [...holder.content.querySelectorAll("tr[data-trace]")];
    const fresh = new Map();
    for (const row of rows) {
      const old = rowOf(row.dataset.trace);
      if (old) update(old, row);
      else fresh.set(row.dataset.trace, row);
    }
    // Newest first, whether they waited already or came just now; a row that moved out of the first page still waits.
    for (const [id, row] of waiting) if (!fresh.has(id)) fresh.set(id, row);
    // Below the last row that is shown stand older ones, which the next page has: they are no news.
    waiting.clear();
    const known = rows.findLastIndex((row) => rowOf(row.dataset.trace));
    rows.forEach((row, index) => { if (index > known && known >= 0) fresh.delete(row.dataset.trace); });
    for (const [id, row] of fresh) waiting.set(id, row);
    if (!waiting.size) return true;
    if (!isRead()) bring();
    else {
      show.textContent = box.dataset.new.replace("{count}", waiting.size);
      show.hidden = false;
    }
    return true;
  }

  function turn(isOn) {
    button.setAttribute("aria-pressed", String(isOn));
    const url = new URL(location.href);
    if (isOn) url.searchParams.set("live", "1"); else url.searchParams.delete("live");
    history.replaceState(history.state, "", url);
    stop?.();
    stop = null;
    state.textContent = "";
    if (!isOn) return;
    stop = repeat(step, {
      onPause: () => { state.textContent = box.dataset.paused; },
      onFail: () => { state.textContent = box.dataset.lost; },
    });
  }

  button.addEventListener("click", () => turn(button.getAttribute("aria-pressed") !== "true"));
  show.addEventListener("click", () => { bring(); document.getElementById("content").scrollTo({ top: 0 }); window.scrollTo({ top: 0 }); });
  if (button.getAttribute("aria-pressed") === "true") turn(true);
}

function followTrace(facts) {
  const tree = document.getElementById("tree");
  const note = document.getElementById("trace-live");
  let tag = null;

  repeat(async () => {
    const answer = await ask(facts.dataset.src, tag);
    if (!answer) return false;
    const isGoing = answer.headers.get("x-running") === "1";
    if (answer.status !== 304) {
      tag = answer.headers.get("etag");
      const holder = document.createElement("template");
      holder.innerHTML = await answer.text();
      facts.innerHTML = holder.content.querySelector("[data-facts]").innerHTML;
      // The axis is drawn here, and the rows by whoever keeps them: what the reader chose, folded and found stays.
      document.querySelector(".tree-head [data-axis]").innerHTML = holder.content.querySelector("[data-tree] [data-axis]").innerHTML;
      tree.dispatchEvent(new CustomEvent("tree-changed"));
    }
    if (!isGoing && note) note.textContent = note.dataset.done;
    return isGoing;
  }, {});
}

function elapsed(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

const list = document.querySelector("[data-live-list]");
if (list) followList(list);
const trace = document.querySelector("[data-live-trace]");
if (trace) {
  followTrace(trace);
  // Only the figures move on: bars are drawn anew with what arrives.
  setInterval(() => {
    if (document.hidden) return;
    for (const each of document.querySelectorAll("[data-since]")) each.textContent = `${elapsed(Date.now() - Number(each.dataset.since))} …`;
  }, 1000);
}

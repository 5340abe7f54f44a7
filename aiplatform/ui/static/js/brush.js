// Dragging on a histogram chooses a time, to the millisecond, in the address. A click without dragging chooses a bar.
let drag = null;

const at = (svg, event) => {
  const box = svg.getBoundingClientRect();
  return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
};

function go(svg, from, to) {
  const start = Number(svg.dataset.from);
  const end = Number(svg.dataset.to);
  const url = new URL(location.href);
  for (const name of ["last", "after", "from", "to"]) url.searchParams.delete(name);
  url.searchParams.set("from", Math.floor(start + (end - start) * from));
  url.searchParams.set("to", Math.ceil(start + (end - start) * to));
  location.assign(url);
}

document.addEventListener("pointerdown", (event) => {
  const svg = event.target.closest("svg.columns");
  if (!svg || event.button !== 0) return;
  drag = { svg, from: at(svg, event) };
  svg.setPointerCapture(event.pointerId);
});

document.addEventListener("pointermove", (event) => {
  if (!drag) return;
  const [low, high] = [drag.from, at(drag.svg, event)].sort((a, b) => a - b);
  const mark = drag.svg.querySelector(".brush");
  mark.setAttribute("x", `${low * 100}%`);
  mark.setAttribute("width", `${(high - low) * 100}%`);
});

document.addEventListener("pointerup", (event) => {
  if (!drag) return;
  const { svg, from } = drag;
  drag = null;
  const to = at(svg, event);
  if (Math.abs(to - from) > 0.01) {
    go(svg, Math.min(from, to), Math.max(from, to));
    return;
  }
  const bars = svg.querySelectorAll("g").length;
  const index = Math.min(bars - 1, Math.floor(from * bars));
  go(svg, index / bars, (index + 1) / bars);
});

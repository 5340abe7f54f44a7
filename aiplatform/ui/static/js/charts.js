// Metric charts by ECharts: data from a JSON block beside the place, texts from the server, tooltips drawn as text so
// that no style attribute is written. Every chart has its data as a table on the page.
const SERIES = ["#6929c4", "#1192e8", "#005d5d", "#9f1853", "#fa4d56", "#198038", "#002d9c", "#ee538b", "#b28600", "#009d9a"];
const DARK_SERIES = ["#be95ff", "#33b1ff", "#08bdba", "#ff7eb6", "#fa4d56", "#6fdc8c", "#78a9ff", "#ee538b", "#d2a106", "#3ddbd9"];
const DASHES = ["solid", "solid", "dashed", "dotted", [8, 3, 2, 3], "dashed", "dotted", "solid", "dashed", "dotted"];
const MARKS = ["none", "none", "circle", "rect", "triangle", "diamond", "circle", "rect", "triangle", "diamond"];
// What stands before a direct label: the line's dash as a character, in the line's colour.
const GLYPHS = ["━━", "━━", "╍╍", "┅┅", "━╍", "╍╍", "┅┅", "━━", "╍╍", "┅┅"];
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const dark = matchMedia("(prefers-color-scheme: dark)");

const isDark = () => {
  const chosen = document.documentElement.dataset.theme;
  return chosen === "dark" || (chosen === "system" && dark.matches);
};

const ink = () => isDark()
  ? { text: "#949aa4", strong: "#ececee", line: "#292b30", ground: "#1f2125" }
  : { text: "#666a72", strong: "#1a1b1e", line: "#e4e4de", ground: "#ffffff" };

const figure = (value) => Number(value.toPrecision(3)).toLocaleString("en", { maximumSignificantDigits: 3 });
const exact = (value) => (Math.abs(value) >= 1000 || Number.isInteger(value) ? figure(value) : value.toPrecision(3));

function option(data) {
  const colours = ink();
  const palette = isDark() ? DARK_SERIES : SERIES;
  return {
    animation: false,
    aria: { enabled: true, label: { description: data.description } },
    color: palette,
    grid: { left: 8, right: 132, top: 16, bottom: 24, containLabel: true },
    tooltip: {
      trigger: "axis", renderMode: "richText", confine: true, backgroundColor: colours.ground, borderColor: colours.line,
      textStyle: { color: colours.strong, fontSize: 12 }, valueFormatter: (value) => value === undefined ? "—" : exact(value),
    },
    xAxis: {
      type: "value", name: data.axis, nameLocation: "middle", nameGap: 26, min: "dataMin", max: "dataMax", minInterval: 1,
      axisLine: { show: false }, axisTick: { show: false }, splitLine: { show: false },
      axisLabel: { color: colours.text, fontSize: 11 }, nameTextStyle: { color: colours.text, fontSize: 11 },
    },
    yAxis: {
      type: data.log ? "log" : "value", scale: true,
      axisLine: { show: false }, axisTick: { show: false }, axisLabel: { color: colours.text, fontSize: 11, formatter: figure }, splitLine: { lineStyle: { color: colours.line } },
    },
    series: data.series.map((series, index) => ({
      type: "line", name: series.name, data: series.points, showSymbol: series.points.length < 3, symbol: series.points.length < 3 ? "circle" : MARKS[index % MARKS.length],
      lineStyle: { width: 2, type: DASHES[index % DASHES.length] },
      endLabel: { show: index < 6, formatter: () => `{line|${GLYPHS[index % GLYPHS.length]}} ${series.name} ${exact(series.points.at(-1)[1])}`, color: colours.strong, fontSize: 11, rich: { line: { color: palette[index % palette.length], fontSize: 11, fontWeight: "bold" } } },
      labelLayout: { moveOverlap: "shiftY" },
    })),
  };
}

function draw(place) {
  if (!window.echarts || place.dataset.drawn) return;
  const data = JSON.parse(document.getElementById(place.dataset.chart).textContent);
  const chart = window.echarts.init(place);
  place.dataset.drawn = "yes";
  chart.setOption(option(data));
  new ResizeObserver(() => chart.resize({ animation: calm.matches ? undefined : { duration: 0 } })).observe(place);
  dark.addEventListener("change", () => chart.setOption(option(data), { notMerge: false }));
}

const drawAll = (root) => root.querySelectorAll("[data-chart]").forEach(draw);

document.addEventListener("htmx:beforeCleanupElement", (event) => {
  for (const place of event.target.querySelectorAll?.("[data-chart]") ?? []) window.echarts?.getInstanceByDom(place)?.dispose();
});
document.addEventListener("htmx:afterSwap", (event) => drawAll(event.target));
if (document.readyState === "complete") drawAll(document);
else addEventListener("load", () => drawAll(document));

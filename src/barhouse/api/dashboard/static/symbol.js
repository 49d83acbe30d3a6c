// The chart of a series: what is loaded, drawn, pointed at and exported.

import { Band } from "./chart/band.js";
import { colour, fainter, watch } from "./chart/colours.js";
import { Features } from "./chart/features.js";
import { Loading, instant } from "./chart/loading.js";
import { hatching, pinning } from "./chart/marks.js";
import { reading, shown } from "./chart/words.js";
import { CandlestickSeries, HistogramSeries, createChart } from "./vendor/lightweight-charts/lightweight-charts.mjs";

const by = (id) => document.getElementById(id);
const drawn = JSON.parse(by("drawn").textContent);
const MARGIN = 40;
const STEPS = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20 };

const chart = createChart(by("chart"), {
  autoSize: true,
  layout: { attributionLogo: false, fontSize: 11, panes: { enableResize: true } },
  timeScale: { timeVisible: drawn.minutes < 1440, secondsVisible: false, rightOffset: 3, minBarSpacing: 0.3 },
  rightPriceScale: { minimumWidth: 64 },
  crosshair: { mode: 0 },
});
const candles = chart.addSeries(CandlestickSeries, { borderVisible: false, priceLineVisible: false, autoscaleInfoProvider: sound });
const volume = chart.addSeries(HistogramSeries, { priceScaleId: "volume", priceFormat: { type: "volume" }, lastValueVisible: false, priceLineVisible: false });
volume.priceScale().applyOptions({ scaleMargins: { top: 0.84, bottom: 0 } });
candles.priceScale().applyOptions({ scaleMargins: { top: 0.06, bottom: 0.2 } });

const loading = new Loading(drawn);
const band = new Band(by("sources"), by("source-names"));
const features = new Features(chart, drawn.features, document.querySelectorAll("[data-feature]"), renewed);
let slots = [];
let places = new Map();
let stretches = [];
let marked = new Map();
let here = null;
let isBusy = false;

const hatches = hatching(() => stretches);
const pins = pinning(() => marked.values());
candles.attachPrimitive(hatches);
candles.attachPrimitive(pins);

function paint() {
  const line = { color: fainter("edge", 0.16) };
  chart.applyOptions({
    layout: { background: { color: "transparent" }, textColor: colour("quiet"), panes: { separatorColor: colour("line") } },
    grid: { vertLines: line, horzLines: line },
    timeScale: { borderColor: colour("line") },
    rightPriceScale: { borderColor: colour("line") },
  });
  candles.applyOptions({ upColor: colour("up"), downColor: colour("down"), wickUpColor: colour("up"), wickDownColor: colour("down") });
}

function draw() {
  slots = loading.slots();
  places = new Map(slots.map(({ time }, place) => [time, place]));
  stretches = absences();
  marked = marks();
  candles.setData(slots.map(({ time, bar }) => (bar && bar.open !== null ? { time, open: bar.open, high: bar.high, low: bar.low, close: bar.close } : { time })));
  const [up, down] = [fainter("up", 0.3), fainter("down", 0.3)];
  volume.setData(slots.map(({ time, bar }) => (bar ? { time, value: bar.volume ?? 0, color: bar.close >= bar.open ? up : down } : { time })));
  features.draw(slots);
  band.tell(slots);
  band.draw(chart.timeScale());
  by("features-count").textContent = features.any ? `(${features.chosen.size})` : "";
}

/* A bad tick does not flatten all the others: it is crossed at the edge */
function sound(usual) {
  const range = chart.timeScale().getVisibleLogicalRange();
  if (!range) return usual();
  const isBad = ({ time }) => marked.get(time)?.outliers.some((row) => row.anomaly_type === "outlier");
  const seen = slots.slice(Math.max(Math.floor(range.from), 0), Math.ceil(range.to) + 1).filter((slot) => slot.bar && !isBad(slot));
  const prices = seen.flatMap(({ bar }) => [bar.low, bar.high]).filter((price) => price !== null);
  return prices.length ? { priceRange: { minValue: Math.min(...prices), maxValue: Math.max(...prices) } } : usual();
}

function absences() {
  const found = [];
  slots.forEach(({ state }, place) => {
    if (!state) return;
    const last = found.at(-1);
    if (last?.state === state && last.to === place - 1) last.to = place;
    else found.push({ from: place, to: place, state });
  });
  return found;
}

function marks() {
  const found = new Map();
  for (const kind of ["outliers", "corrections"])
    for (const row of loading.marks[kind]) {
      if (!places.has(row.time)) continue;
      if (!found.has(row.time)) found.set(row.time, { time: row.time, bar: loading.bars.get(row.time), outliers: [], corrections: [] });
      found.get(row.time)[kind].push(row);
    }
  return found;
}

async function busy(work, words = "Loading…") {
  if (isBusy) return;
  isBusy = true;
  say(words);
  try {
    await work();
    say(slots.length ? "" : "No bar was known then.");
  } catch (error) {
    say(`${error.message}. `, true);
  } finally {
    isBusy = false;
  }
}

function say(words, isBad = false) {
  const state = by("chart-state");
  state.textContent = words;
  state.classList.toggle("bad", isBad);
  if (!isBad) return;
  const again = document.createElement("button");
  again.textContent = "Try again";
  again.type = "button";
  again.addEventListener("click", begin, { once: true });
  state.append(again);
}

const begin = () =>
  busy(async () => {
    await Promise.all([loading.back(undefined, features.any), loading.remember()]);
    draw();
    newest();
  });

function renewed() {
  busy(async () => {
    if (features.any && !slots.some(({ bar }) => bar && features.chosen.keys().next().value in bar)) await loading.again(true);
    draw();
  });
}

function newest() {
  chart.timeScale().setVisibleLogicalRange({ from: Math.max(slots.length - Math.min(180, chart.timeScale().width() / 5), -2), to: slots.length + 3 });
}

chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
  band.draw(chart.timeScale());
  if (!range) return;
  inView(range);
  if (range.from < MARGIN && !loading.isWhole && slots.length && !isBusy) older();
});
chart.timeScale().subscribeSizeChange(() => band.draw(chart.timeScale()));

function older(until) {
  return busy(async () => {
    const before = slots.length;
    const range = chart.timeScale().getVisibleLogicalRange();
    await loading.back(until, features.any);
    draw();
    const more = slots.length - before;
    chart.timeScale().setVisibleLogicalRange({ from: range.from + more, to: range.to + more });
  }, "Loading older bars…");
}

// What is exported is the span in view, if that is wanted
function inView(range) {
  const only = by("export-view").checked && slots.length;
  const [from, to] = [Math.max(Math.ceil(range.from), 0), Math.min(Math.floor(range.to), slots.length - 1)];
  const span = only ? { start: instant(slots[Math.min(from, slots.length - 1)].time), end: instant(slots[Math.max(to, 0)].time + 1) } : {};
  for (const each of document.querySelectorAll("[data-export]")) {
    const address = new URL(each.href);
    for (const edge of ["start", "end"]) span[edge] ? address.searchParams.set(edge, span[edge]) : address.searchParams.delete(edge);
    if (by("export-features").checked) address.searchParams.set("features", "true");
    else address.searchParams.delete("features");
    each.href = address.pathname + address.search;
  }
  by("export-span").textContent = only ? `${span.start.slice(0, 16)} to ${span.end.slice(0, 16)} UTC` : "all bars";
}
for (const id of ["export-view", "export-features"])
  by(id).addEventListener("change", () => inView(chart.timeScale().getVisibleLogicalRange() ?? { from: 0, to: 0 }));

// What is pointed at
function tell(place, isSpoken = false) {
  here = place;
  const slot = slots[place];
  by("readout").textContent = slot ? reading(slot, drawn, features.chosen) : "\u00a0";
  if (isSpoken && slot) by("spoken").textContent = `${reading(slot, drawn, features.chosen)} ${shown(marked.get(slot.time))?.textContent ?? ""}`;
}

chart.subscribeCrosshairMove(({ time, point }) => {
  tell(time === undefined ? slots.length - 1 : places.get(time));
  pop(point && pins.at(point.x), point);
});
chart.subscribeClick(({ point }) => pop(point && pins.at(point.x), point));

function pop(mark, point) {
  const box = by("told");
  const words = shown(mark);
  box.hidden = !words;
  if (!words) return;
  box.replaceChildren(words);
  const room = by("chart").clientWidth - box.offsetWidth - 8;
  box.style.left = `${Math.max(8, Math.min(point.x + 14, room))}px`;
}

by("chart").addEventListener("keydown", (event) => {
  const scale = chart.timeScale();
  const range = scale.getVisibleLogicalRange();
  if (!range || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key in STEPS) step(Math.min(Math.max((here ?? slots.length - 1) + STEPS[event.key], 0), slots.length - 1));
  else if (event.key === "Home") step(0);
  else if (event.key === "End") step(slots.length - 1);
  else if (event.key === "+" || event.key === "-") zoom(range, event.key === "+" ? 0.8 : 1.25);
  else if (event.key === "Escape") by("told").hidden = true;
  else return;
  event.preventDefault();
});

function zoom({ from, to }, share) {
  const middle = here ?? (from + to) / 2;
  chart.timeScale().setVisibleLogicalRange({ from: middle - (middle - from) * share, to: middle + (to - middle) * share });
}

function step(place) {
  const { from, to } = chart.timeScale().getVisibleLogicalRange();
  if (place < from || place > to) {
    const half = (to - from) / 2;
    chart.timeScale().setVisibleLogicalRange({ from: place - half, to: place + half });
  }
  const { time, bar } = slots[place];
  chart.setCrosshairPosition(bar?.close ?? 0, time, candles);
  tell(place, true);
  pop(marked.get(time), { x: chart.timeScale().timeToCoordinate(time) ?? 0 });
}

async function goTo(time) {
  if (time < loading.start) await older(time - loading.reach(100));
  const place = slots.findIndex((slot) => slot.time >= time);
  if (place < 0) return;
  by("chart").scrollIntoView({ block: "center" });
  by("chart").focus({ preventScroll: true });
  chart.timeScale().setVisibleLogicalRange({ from: place - 60, to: place + 60 });
  requestAnimationFrame(() => step(place));
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-goto]");
  if (button) goTo(Number(button.dataset.goto));
});
by("to-newest").addEventListener("click", newest);
by("features-open").addEventListener("click", (event) => {
  const box = by("features");
  box.hidden = !box.hidden;
  event.currentTarget.setAttribute("aria-expanded", String(!box.hidden));
});

paint();
watch(() => {
  paint();
  if (slots.length) draw();
});
begin().then(() => {
  // A link from elsewhere names the bar that it is about
  const named = Date.parse(new URLSearchParams(location.search).get("at") ?? "") / 1000;
  if (named && slots.length) goTo(named);
});

// Which features are drawn, and how: in a pane of their own or over the price. The choice is remembered.

import { HistogramSeries, LineSeries } from "../vendor/lightweight-charts/lightweight-charts.mjs";
import { SERIES, colour, fainter } from "./colours.js";

const NEXT = { "": "pane", pane: "overlay", overlay: "" };
const KEPT = "features";

export class Features {
  constructor(chart, kinds, buttons, changed) {
    Object.assign(this, { chart, kinds, buttons, changed, drawn: new Map() });
    this.chosen = new Map(Object.entries(remembered()).filter(([name]) => name in kinds));
    for (const button of buttons) button.addEventListener("click", () => this.turn(button.dataset.feature));
    this.tell();
  }

  get any() {
    return this.chosen.size > 0;
  }

  turn(name) {
    const how = NEXT[this.chosen.get(name) ?? ""];
    if (how) this.chosen.set(name, how);
    else this.chosen.delete(name);
    localStorage.setItem(KEPT, JSON.stringify(Object.fromEntries(this.chosen)));
    this.tell();
    this.changed();
  }

  tell() {
    for (const button of this.buttons) {
      const how = this.chosen.get(button.dataset.feature) ?? "";
      button.querySelector("[data-how]").textContent = how ? ` · ${how}` : "";
      button.setAttribute("aria-pressed", String(Boolean(how)));
    }
  }

  draw(slots) {
    for (const series of this.drawn.values()) this.chart.removeSeries(series);
    this.drawn.clear();
    let pane = 0;
    [...this.chosen].forEach(([name, how], place) => {
      const at = how === "pane" ? (pane += 1) : 0;
      const series = this.kinds[name] ? this.words(name, slots, how, at) : this.line(name, slots, how, at, place);
      this.drawn.set(name, series);
    });
    this.chart.panes().forEach((each, place) => each.setStretchFactor(place ? 0.22 : 1));
  }

  line(name, slots, how, pane, place) {
    const options = { color: colour(SERIES[place % SERIES.length]), lineWidth: 1.5, title: name, priceLineVisible: false };
    const near = name === "rolling_mean_10" ? "right" : `over-${name}`;
    const series = this.chart.addSeries(LineSeries, how === "overlay" ? { ...options, priceScaleId: near } : options, pane);
    series.setData(broken(slots.map(({ time, bar }) => (isNumber(bar?.[name]) ? { time, value: bar[name] } : { time })), fainter(SERIES[place % SERIES.length], 0)));
    return series;
  }

  words(name, slots, how, pane) {
    const options = { title: name, priceLineVisible: false, lastValueVisible: false, priceFormat: { type: "custom", minMove: 1, formatter: () => "" } };
    const series = this.chart.addSeries(HistogramSeries, how === "overlay" ? { ...options, priceScaleId: `over-${name}` } : options, pane);
    const height = how === "overlay" ? { top: 0.94, bottom: 0 } : { top: 0.3, bottom: 0 };
    series.priceScale().applyOptions({ scaleMargins: height });
    series.setData(slots.map(({ time, bar }) => (bar?.[name] ? { time, value: 1, color: colour(tone(bar[name])) } : { time })));
    return series;
  }
}

/* The library draws on over what is not there: a line takes its colour from where it comes from */
function broken(points, unseen) {
  return points.map((point, place) => ("value" in point && !("value" in (points[place + 1] ?? point)) ? { ...point, color: unseen } : point));
}

function tone(word) {
  if (["up", "bullish", "uptrend"].includes(word)) return "good";
  if (["down", "bearish", "downtrend"].includes(word)) return "bad";
  if (["high", "expanded"].includes(word)) return "warn";
  return ["low", "compressed"].includes(word) ? "accent" : "edge";
}

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(KEPT) ?? "{}");
  } catch {
    return {};
  }
}

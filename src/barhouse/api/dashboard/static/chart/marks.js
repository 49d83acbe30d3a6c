// What is drawn over the candles: gaps hatched, outliers crossed, corrections pinned.

import { colour, fainter } from "./colours.js";

const STEP = 7;
const NEAR = 9;
const PIN = 10;

const drawing = (draw) => ({ draw: (target) => target.useMediaCoordinateSpace(draw) });

class Layer {
  constructor(draw, order) {
    this.draw = draw;
    this.order = order;
  }
  attached({ chart, series, requestUpdate }) {
    Object.assign(this, { chart, series, renew: requestUpdate });
  }
  paneViews() {
    return [{ zOrder: () => this.order, renderer: () => drawing((scope) => this.draw(this, scope)) }];
  }
}

function hatch(context, left, right, height) {
  context.save();
  context.beginPath();
  context.rect(left, 0, right - left, height);
  context.clip();
  context.beginPath();
  for (let x = left - (left % STEP) - height; x < right; x += STEP) {
    context.moveTo(x, height);
    context.lineTo(x + height, 0);
  }
  context.stroke();
  context.restore();
}

/* Stretches of absent bars: {from, to (logical), state} */
export function hatching(stretches) {
  return new Layer(({ chart }, { context, mediaSize }) => {
    const scale = chart.timeScale();
    const half = scale.options().barSpacing / 2;
    context.lineWidth = 1;
    for (const { from, to, state } of stretches()) {
      const left = scale.logicalToCoordinate(from) - half;
      const right = scale.logicalToCoordinate(to) + half;
      if (right < 0 || left > mediaSize.width) continue;
      context.fillStyle = fainter(`absent-${state}`, 0.12);
      context.strokeStyle = fainter(`absent-${state}`, 0.55);
      context.fillRect(left, 0, right - left, mediaSize.height);
      hatch(context, Math.max(left, 0), Math.min(right, mediaSize.width), mediaSize.height);
    }
  }, "bottom");
}

function cross(context, x, y) {
  context.strokeStyle = colour("bad");
  context.lineWidth = 2.5;
  context.beginPath();
  context.moveTo(x - 5, y - 5);
  context.lineTo(x + 5, y + 5);
  context.moveTo(x + 5, y - 5);
  context.lineTo(x - 5, y + 5);
  context.stroke();
}

function pin(context, x, foot) {
  context.strokeStyle = fainter("pin", 0.6);
  context.fillStyle = colour("pin");
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(x, PIN);
  context.lineTo(x, foot);
  context.stroke();
  context.beginPath();
  context.moveTo(x - 5, 1);
  context.lineTo(x + 5, 1);
  context.lineTo(x, PIN);
  context.fill();
}

/* Outliers and corrections: {time, bar, outliers, corrections}; `placed` tells where each was drawn */
export function pinning(marked) {
  const layer = new Layer(({ chart, series, placed }, { context, mediaSize }) => {
    placed.length = 0;
    const within = (y) => Math.min(Math.max(y, 6), mediaSize.height - 6);
    for (const mark of marked()) {
      const x = chart.timeScale().timeToCoordinate(mark.time);
      if (x === null || x < -NEAR || x > mediaSize.width + NEAR) continue;
      if (mark.corrections.length) pin(context, x, within(series.priceToCoordinate(mark.bar?.high ?? 0) ?? 0));
      for (const { evidence, anomaly_type: kind } of mark.outliers) {
        const price = evidence?.field === "volume" ? mark.bar?.close : (evidence?.value ?? mark.bar?.close);
        if (kind === "real_move" || price === null || price === undefined) continue;
        cross(context, x, within(series.priceToCoordinate(price) ?? 0));
      }
      placed.push({ x, mark });
    }
  }, "top");
  layer.placed = [];
  layer.at = (x) => layer.placed.find((each) => Math.abs(each.x - x) < NEAR)?.mark;
  return layer;
}

// The source of each stretch, as a band under the time axis, and its key.

import { SERIES, colour } from "./colours.js";

export class Band {
  constructor(canvas, names) {
    this.canvas = canvas;
    this.names = names;
    this.sources = [];
    this.stretches = [];
  }

  /* Neighbouring bars of one source are one stretch: {from, to (logical), source} */
  tell(slots) {
    this.stretches = [];
    slots.forEach(({ bar }, place) => {
      if (!bar) return;
      const source = bar.source ?? "unknown";
      const last = this.stretches.at(-1);
      if (last?.source === source && last.to === place - 1) last.to = place;
      else this.stretches.push({ from: place, to: place, source });
      if (!this.sources.includes(source)) this.sources.push(source);
    });
    this.key();
  }

  colour(source) {
    return SERIES[this.sources.indexOf(source) % SERIES.length];
  }

  key() {
    this.names.replaceChildren(
      ...this.sources.map((source) => {
        const each = document.createElement("span");
        const swatch = document.createElement("i");
        swatch.className = `swatch ${this.colour(source)}`;
        each.append(swatch, source);
        return each;
      }),
    );
  }

  draw(scale) {
    const { canvas } = this;
    const ratio = devicePixelRatio;
    const width = canvas.clientWidth;
    if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(canvas.clientHeight * ratio);
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    const half = scale.options().barSpacing / 2;
    for (const { from, to, source } of this.stretches) {
      const left = Math.max(scale.logicalToCoordinate(from) - half, 0);
      const right = Math.min(scale.logicalToCoordinate(to) + half, scale.width());
      if (right <= left) continue;
      context.fillStyle = colour(this.colour(source));
      context.fillRect(left, 0, right - left, canvas.clientHeight);
    }
  }
}

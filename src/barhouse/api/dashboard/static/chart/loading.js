// Bars of one series as they are scrolled to, with what is absent between them and what was done to them.

const AT_ONCE = 500;
const PAGE = 20000;
const FURTHER = 5;
/* Of the time by the clock, the share in which a bar begins */
const DENSITY = { always: 1, daily: 0.68, intraday: 0.19 };

export async function told(path, query = {}) {
  const said = Object.entries(query).filter(([, value]) => value !== null && value !== undefined);
  const answer = await fetch(`${path}?${new URLSearchParams(said)}`, { headers: { Accept: "application/json" } });
  if (answer.ok) return answer.json();
  const words = await answer.json().catch(() => ({}));
  throw new Error(words.detail ?? `The server answered ${answer.status}`);
}

const seconds = (instant) => Date.parse(instant) / 1000;
export const instant = (epoch) => new Date(epoch * 1000).toISOString().replace(".000Z", "Z");

export class Loading {
  constructor(drawn) {
    this.drawn = drawn;
    this.path = encodeURIComponent(drawn.symbol);
    this.length = drawn.minutes * 60;
    this.first = seconds(drawn.first);
    this.start = this.end = seconds(drawn.last) + this.length;
    this.clear();
    this.marks = { outliers: [], corrections: [] };
  }

  clear() {
    this.bars = new Map();
    this.absent = new Map();
  }

  get isWhole() {
    return this.start <= this.first;
  }

  /* So far back by the clock that some hundred bars begin in it */
  reach(count = AT_ONCE) {
    const { always_open: always, minutes } = this.drawn;
    const share = always || minutes >= 10080 ? DENSITY.always : minutes >= 1440 ? DENSITY.daily : DENSITY.intraday;
    return Math.ceil((count * this.length) / share);
  }

  async back(until = this.start - this.reach(), features = false) {
    const start = Math.max(Math.min(until, this.start), this.first);
    await this.between(start, this.start, features);
    this.start = start;
  }

  async again(features) {
    const { start, end } = this;
    this.clear();
    await this.between(start, end, features);
  }

  async between(start, end, features) {
    const span = { ...this.drawn.asked, start: instant(start), end: instant(end) };
    const [bars, absences] = await Promise.all([
      told(`/api/v1/historical/${this.path}`, { ...span, limit: PAGE, features }),
      told(`/dashboard/absences/${this.path}`, { ...span, adjust: null }),
    ]);
    for (const bar of bars.data) this.bars.set(seconds(bar.time), bar);
    for (const [state, times] of absences.gaps)
      for (const time of times) if (!this.bars.has(time)) this.absent.set(time, state);
  }

  /* What is wrong with bars and what was corrected; as known at an instant, what was known then */
  async remember() {
    const { timeframe, asset_class, as_of } = this.drawn.asked;
    const then = as_of ? Date.parse(as_of) : Infinity;
    const [outliers, corrections] = await Promise.all([
      this.pages("/api/v1/data/anomalies", { symbol: this.drawn.symbol, timeframe, asset_class }),
      this.pages(`/api/v1/data/corrections/${this.path}`, { timeframe, asset_class }),
    ]);
    const stands = (row) => Date.parse(row.created_at) <= then && (row.resolved_at ? Date.parse(row.resolved_at) > then : true);
    this.marks.outliers = outliers
      .filter((row) => row.data_point_time && !["gap", "no_trade", "stale"].includes(row.anomaly_type) && stands(row))
      .map((row) => ({ ...row, time: seconds(row.data_point_time) }));
    this.marks.corrections = corrections
      .filter((row) => Date.parse(row.correction_timestamp) <= then)
      .map((row) => ({ ...row, time: seconds(row.timestamp) }));
  }

  async pages(path, query) {
    const rows = [];
    let cursor = null;
    for (let page = 0; page < FURTHER; page += 1) {
      const answer = await told(path, { ...query, limit: 1000, cursor });
      rows.push(...answer.data);
      cursor = answer.next_cursor;
      if (!cursor) break;
    }
    return rows;
  }

  /* Every slot that is loaded, oldest first: {time, bar} or {time, state} */
  slots() {
    const every = [...this.bars].map(([time, bar]) => ({ time, bar }));
    for (const [time, state] of this.absent) every.push({ time, state });
    return every.sort((left, right) => left.time - right.time);
  }
}

// What is said of a bar, a gap or a mark when it is pointed at.

const ABSENT = {
  missing: "missing: it was read, and came without this bar",
  failed: "absent: every source that was asked failed",
  vendor_empty: "absent: the vendor has none",
  quarantined: "absent: what came is in quarantine",
  no_trade: "nobody traded",
  unasked: "nobody was asked yet",
  unreachable: "out of every source's reach",
  later: "the bar came later",
};

const number = (value) => (value === null || value === undefined ? "–" : Number(value).toLocaleString("en", { maximumSignificantDigits: 8 }));

export function when(time, { minutes }) {
  const text = new Date(time * 1000).toISOString();
  return minutes < 1440 ? `${text.slice(0, 10)} ${text.slice(11, 16)} UTC` : text.slice(0, 10);
}

/* One line of a slot: its prices, where they come from, and the features that are drawn */
export function reading({ time, bar, state }, drawn, chosen) {
  const local = drawn.minutes < 1440 && drawn.zone !== "UTC" ? ` (${clock(time, drawn.zone)})` : "";
  if (!bar) return `${when(time, drawn)}${local}: ${ABSENT[state] ?? state}`;
  const prices = ["open", "high", "low", "close"].map((name) => `${name[0].toUpperCase()} ${number(bar[name])}`);
  const more = [...chosen.keys()].filter((name) => name in bar).map((name) => `${name} ${typeof bar[name] === "string" ? bar[name] : number(bar[name])}`);
  return [`${when(time, drawn)}${local}`, ...prices, `V ${number(bar.volume)}`, bar.source ?? "unknown source", ...more].join("  ");
}

function clock(time, zone) {
  const parts = { timeZone: zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZoneName: "short" };
  return new Date(time * 1000).toLocaleString("en-GB", parts);
}

function line(words, className = "") {
  const paragraph = document.createElement("p");
  paragraph.textContent = words;
  paragraph.className = className;
  return paragraph;
}

/* What befell a bar, as paragraphs; nothing where nothing did */
export function shown(mark) {
  if (!mark) return null;
  const box = document.createElement("div");
  for (const row of mark.corrections) {
    box.append(line(`${row.field_corrected}: ${named(row.old_value)} → ${named(row.new_value)}`, "pinned"));
    const why = row.reason.replaceAll("_", " ") + (row.note ? `: ${row.note}` : "");
    box.append(line(`${why}; ${row.corrected_by}, ${row.correction_timestamp.slice(0, 16).replace("T", " ")} UTC`, "quiet"));
  }
  for (const row of mark.outliers) {
    box.append(line(`${row.anomaly_type.replaceAll("_", " ")}, ${row.severity}`, "crossed"));
    box.append(line(row.description ?? "", "quiet"));
  }
  return box;
}

const named = (value) => (typeof value === "string" ? value : number(value));

// The calendar of a series: what a day holds when it is pointed at, and the stretch that is taken from it.

const by = (id) => document.getElementById(id);
const { runs, weekly, words } = JSON.parse(by("drawn").textContent);
const calendar = by("calendar");
const [PITCH, CELL, LEFT, TOP, DAY] = [13, 11, 36, 16, 86_400_000];
const SVG = "http://www.w3.org/2000/svg";
const years = [...calendar.querySelectorAll(".year")];
const stretches = [...document.querySelectorAll("#stretches tbody tr")];
const STEPS = { ArrowUp: -1, ArrowDown: 1, ArrowLeft: -7, ArrowRight: 7, PageUp: -364, PageDown: 364 };
const [oldest, newest] = [runs[0]?.[0], runs.at(-1)?.[1]];
let here = null;

const text = (time) => new Date(time).toISOString().slice(0, 10);
const weekday = (time) => (new Date(time).getUTCDay() + 6) % 7;
const begin = (year) => Date.UTC(year, 0, 1);

function place(time) {
  const year = new Date(time).getUTCFullYear();
  const number = Math.floor((time - begin(year)) / DAY);
  if (weekly) return { year, x: LEFT + PITCH * Math.floor(number / 7), y: TOP };
  return { year, x: LEFT + PITCH * Math.floor((number + weekday(begin(year))) / 7), y: TOP + PITCH * weekday(time) };
}

function pointed(event) {
  const drawing = event.target.closest?.(".year");
  if (!drawing) return null;
  const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(drawing.getScreenCTM().inverse());
  const [week, row, year] = [Math.floor((x - LEFT) / PITCH), Math.floor((y - TOP) / PITCH), Number(drawing.dataset.year)];
  if (week < 0 || row < 0 || row > 6) return null;
  const first = begin(year);
  if (weekly) return row ? null : first + week * 7 * DAY + ((7 - weekday(first)) % 7) * DAY;
  const time = first + (week * 7 + row - weekday(first)) * DAY;
  return new Date(time).getUTCFullYear() === year ? time : null;
}

function held(day) {
  return runs.find(([first, last]) => first <= day && day <= last);
}

function said(time) {
  const day = text(time);
  const run = held(day);
  if (!run) return day < oldest || day > newest ? `${day}: nothing is known` : `${day}: closed`;
  const [, , state, present, due] = run;
  return `${weekly ? "Week of " : ""}${day}: ${words[state] ?? state}, ${present.toLocaleString("en")} of ${due.toLocaleString("en")} ${due === 1 ? "bar" : "bars"}`;
}

function frame(time, name) {
  const { year, x, y } = place(time);
  const drawing = years.find((each) => Number(each.dataset.year) === year);
  if (!drawing) return;
  const box = document.createElementNS(SVG, "rect");
  for (const [key, value] of Object.entries({ x: x - 1, y: y - 1, width: CELL + 2, height: CELL + 2, class: name })) box.setAttribute(key, value);
  drawing.append(box);
}

function clear(name) {
  for (const box of calendar.querySelectorAll(`.${name}`)) box.remove();
}

function point(time) {
  here = time;
  clear("here");
  frame(time, "here");
  by("day").textContent = said(time);
}

function stretch(day) {
  return stretches.find((row) => row.dataset.first <= day && day <= row.dataset.last);
}

/* The stretch that a day belongs to, or the day alone, goes into the form */
function take(time) {
  const day = text(time);
  const row = held(day) && stretch(day);
  const [first, last] = row ? [row.dataset.first, row.dataset.last] : [day, day];
  for (const each of stretches) each.classList.toggle("chosen", each === row);
  clear("chosen");
  for (let each = Date.parse(first); each <= Date.parse(last); each += DAY) if (held(text(each)) && (!weekly || weekday(each) === 0)) frame(each, "chosen");
  const form = by("backfill");
  if (!form) return;
  form.elements.start.value = first;
  form.elements.through.value = weekly ? text(Date.parse(last) + 6 * DAY) : last;
  form.elements.refresh.checked = row ? "read" in row.dataset : Boolean(held(day));
  by("day").textContent = `${said(time)}. Chosen: ${first}${last === first ? "" : ` to ${last}`}; Backfill asks for it.`;
}

calendar.addEventListener("pointermove", (event) => {
  const time = pointed(event);
  if (time !== null && time !== here) point(time);
});
calendar.addEventListener("click", (event) => {
  const time = pointed(event);
  if (time === null) return;
  point(time);
  take(time);
});
calendar.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const now = here ?? Date.parse(newest);
  if (event.key in STEPS) point(within(now + (weekly ? Math.sign(STEPS[event.key]) * Math.max(7, Math.abs(STEPS[event.key])) : STEPS[event.key]) * DAY));
  else if (event.key === "Home") point(Date.parse(oldest));
  else if (event.key === "End") point(Date.parse(newest));
  else if (event.key === "Enter") {
    take(now);
    by("backfill")?.querySelector("button").focus();
  } else return;
  event.preventDefault();
});
calendar.addEventListener("focus", () => here ?? (newest && point(Date.parse(newest))));

const within = (time) => Math.min(Math.max(time, Date.parse(oldest)), Date.parse(newest));

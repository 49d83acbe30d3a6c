// What all pages share: theme, toasts, questions, and what is said while the server is away.

const LASTING = 6000;
const AWAY = "The server is away; what you see is as it was. This goes on by itself.";
const CLOSED = "The warehouse is away; what you see is as it was. This goes on by itself.";

const by = (id) => document.getElementById(id);

function turn() {
  const root = document.documentElement;
  const isDark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
  document.dispatchEvent(new CustomEvent("theme"));
}

export function toast(words, isBad = false) {
  const note = document.createElement("div");
  note.className = isBad ? "toast bad" : "toast";
  if (isBad) note.setAttribute("role", "alert");
  const text = document.createElement("span");
  text.textContent = words;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "plain close";
  close.setAttribute("aria-label", "Dismiss");
  close.textContent = "×";
  note.append(text, close);
  by("toasts").append(note);
}

function offline(words) {
  const banner = by("offline");
  if (banner.hidden || banner.textContent !== words) banner.textContent = words;
  banner.hidden = false;
}

function online() {
  by("offline").hidden = true;
}

function isPoll(ctx) {
  return ctx?.sourceEvent?.type === "every";
}

function ask(event) {
  const { ctx, issueRequest, dropRequest } = event.detail;
  event.preventDefault();
  const dialog = by("sure");
  by("sure-words").textContent = ctx.confirm;
  dialog.returnValue = "no";
  dialog.addEventListener("close", () => (dialog.returnValue === "yes" ? issueRequest() : dropRequest()), { once: true });
  dialog.showModal();
}

function renew() {
  for (const live of document.querySelectorAll("[hx-trigger*='every']")) htmx.trigger(live, "every", {}, false);
}

function place() {
  const there = document.querySelector("dialog[open]") ?? document.body;
  if (by("toasts").parentElement !== there) there.append(by("toasts"));
}

by("theme").addEventListener("click", turn);
// On a phone not all pages fit; the one that is seen does
document.querySelector(".pages [aria-current]")?.scrollIntoView({ inline: "nearest", block: "nearest" });

// A toast goes by itself; one that tells of a fault stays until it is dismissed. An open dialog hides all that is not
// in it, so toasts are shown there
new MutationObserver((changes) => {
  place();
  for (const node of changes.flatMap((change) => [...change.addedNodes]))
    if (node.classList?.contains("toast") && !node.classList.contains("bad")) setTimeout(() => node.remove(), LASTING);
}).observe(by("toasts"), { childList: true });
by("toasts").addEventListener("click", (event) => event.target.closest(".close")?.parentElement.remove());

document.addEventListener("close", place, true);

document.addEventListener("htmx:confirm", (event) => event.detail.ctx.confirm && ask(event));
// Nobody looks: do not ask. What comes back into view is renewed at once
document.addEventListener("htmx:before:request", (event) => {
  if (document.hidden && isPoll(event.detail.ctx)) event.preventDefault();
});
document.addEventListener("visibilitychange", () => document.hidden || renew());
document.addEventListener("htmx:after:request", (event) => {
  const status = event.detail.ctx.response.status;
  if (status === 502 || status === 503 || status === 504) offline(CLOSED);
  else online();
});
document.addEventListener("htmx:error", (event) => {
  const { ctx, error } = event.detail;
  const isCut = error?.name === "TypeError" || error?.name === "AbortError";
  if (!ctx || ctx.response || !isCut) return;
  offline(AWAY);
  if (!isPoll(ctx) && ctx.sourceEvent?.type !== "load") toast("The server did not answer; nothing was changed", true);
});
addEventListener("offline", () => offline(AWAY));
addEventListener("online", renew);
// <button data-opens="id"> opens that dialog, <button data-closes> closes its own
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-opens], [data-closes]");
  if (button?.dataset.opens) by(button.dataset.opens).showModal();
  else button?.closest("dialog").close();
});
// Lists that are filtered as one types need no request: <input data-filters="#list"> hides what has not the words
document.addEventListener("input", (event) => {
  const list = event.target.dataset?.filters && document.querySelector(event.target.dataset.filters);
  if (!list) return;
  const words = event.target.value.trim().toLowerCase();
  for (const each of list.children) each.hidden = !(each.dataset.words ?? each.textContent).toLowerCase().includes(words);
});

// A job that runs tells by server-sent events that it has changed; then the page renews what it shows.

const place = document.getElementById("job");
const SOON = 700;
let source;
let waiting;

function told() {
  waiting ??= setTimeout(() => {
    waiting = undefined;
    htmx.trigger(document.body, "told");
  }, SOON);
}

function end() {
  source?.close();
  source = undefined;
}

function follow() {
  if (source || !place.querySelector("[data-live]")) return;
  source = new EventSource(`/api/v1/enrichment/jobs/${place.dataset.job}/events`);
  source.addEventListener("progress", told);
  source.addEventListener("end", () => {
    told();
    end();
  });
}

follow();
addEventListener("pagehide", end);
addEventListener("pageshow", follow);

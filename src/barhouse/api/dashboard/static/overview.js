// The map of freshness: which rows are shown, and where a cell leads.

let shown = "";

const rows = () => document.querySelectorAll("#heat-rows > li");

function show(kind) {
  shown = kind;
  for (const button of document.querySelectorAll(".legend [data-show]"))
    button.setAttribute("aria-pressed", String(button.dataset.show === shown));
  narrow();
}

// A row is shown that has the words, and a cell of the kind that was chosen
function narrow() {
  const words = document.getElementById("heat-words").value.trim().toLowerCase();
  for (const row of rows())
    row.hidden =
      !row.firstElementChild.textContent.toLowerCase().includes(words) ||
      (shown !== "" && !row.getElementsByClassName(shown).length);
}

document.addEventListener("click", (event) => {
  const chosen = event.target.closest("[data-show]");
  if (chosen) show(chosen.dataset.show);
  const cell = event.target.closest("#heat-rows .c");
  if (cell) location.href = `${cell.parentElement.firstElementChild.href}&timeframe=${cell.textContent}`;
});
document.getElementById("heat-words").addEventListener("input", narrow);
// What was renewed knows nothing of what was chosen
document.addEventListener("htmx:after:swap", () => show(shown));

// Lists in which several rows are chosen: a box for all, how many there are, and buttons that need one.

const among = (form, choice) => [...form.elements].filter((each) => each.matches(choice));

function renew(form) {
  const boxes = among(form, "[name=id]");
  const chosen = boxes.filter((box) => box.checked).length;
  for (const every of among(form, "[data-every]")) {
    every.checked = chosen > 0 && chosen === boxes.length;
    every.indeterminate = chosen > 0 && chosen < boxes.length;
    every.disabled = boxes.length === 0;
  }
  for (const count of form.querySelectorAll("[data-count]")) count.textContent = chosen ? `${chosen} chosen` : "none chosen";
  for (const button of among(form, "[data-needs-choice]")) button.disabled = chosen === 0;
}

function renewAll() {
  document.querySelectorAll("form[data-chosen]").forEach(renew);
}

document.addEventListener("change", (event) => {
  const form = event.target.form;
  if (!form?.matches("[data-chosen]")) return;
  if (event.target.matches("[data-every]")) for (const box of among(form, "[name=id]")) box.checked = event.target.checked;
  renew(form);
});
document.addEventListener("htmx:after:swap", renewAll);
renewAll();

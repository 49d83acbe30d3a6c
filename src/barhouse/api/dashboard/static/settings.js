// A new key is copied by a press, since nobody can show it again.
import { toast } from "./frame.js";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const field = document.querySelector(button.dataset.copy);
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    toast("Copied");
  } catch {
    toast("Copy it by hand: it is marked", true);
  }
});

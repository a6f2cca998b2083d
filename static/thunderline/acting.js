// What operators do on a page: a question before what destroys, time to undo, values beside sliders.
"use strict";

// --- A question before what destroys ---

const sure = document.getElementById("sure");

document.addEventListener("htmx:confirm", (event) => {
  if (!event.detail.question || !sure) return;
  event.preventDefault();
  sure.querySelector("p").textContent = event.detail.question;
  sure.querySelector("[value=yes]").textContent = event.detail.elt.textContent.trim();
  sure.addEventListener("close", () => {
    if (sure.returnValue === "yes") event.detail.issueRequest(true);
    sure.returnValue = "";
  }, { once: true });
  sure.showModal();
});

// --- A menu closes when one looks elsewhere, and once something is chosen ---

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target) || event.target.closest("details.menu button")) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// --- Values beside sliders ---

document.addEventListener("input", (event) => {
  if (event.target.type === "range") event.target.parentElement.querySelector("output").value = event.target.value;
});

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

// --- What is sent again is done once ---

// The same form or button has the same key until its answer has come: an answer that was lost is asked for once more.
document.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.verb !== "post") return;
  const asked = event.detail.elt;
  asked.dataset.once ??= Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join("-");
  event.detail.parameters.once = asked.dataset.once;
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.xhr.status) delete event.detail.elt.dataset.once;
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

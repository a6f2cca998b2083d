// The pages of who looks after the system: what is asked before something is switched off, and the tail of events.
"use strict";

// --- What is asked first ---

const asked = document.getElementById("confirm");
let asker = null;

document.addEventListener("htmx:beforeRequest", (event) => {
  if (asked && event.detail.target === asked) asker = event.detail.elt.id;
});
document.addEventListener("htmx:afterSwap", (event) => {
  if (asked && event.detail.target === asked && !asked.open) asked.showModal();
});
asked?.addEventListener("click", (event) => {
  if (event.target === asked || event.target.closest("[data-close]")) asked.close();
});
// Whatever came of it is told below the dialog, which would cover it.
asked?.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.requestConfig.verb === "post") asked.close();
});
// The button may have been drawn anew meanwhile.
asked?.addEventListener("close", () => document.getElementById(asker)?.focus({ preventScroll: true }));

// --- Domains that begin and end are shown at once ---

for (const box of document.querySelectorAll("[data-follow]")) {
  for (const topic of box.dataset.follow.split(" ")) {
    live.follow(topic, { onBatch: () => htmx.trigger(document.body, "refresh") });
  }
}

// --- The tail of events ---

const tail = document.getElementById("tail");
const pause = document.getElementById("pause");
let paused = false;

pause?.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", paused);
  pause.textContent = paused ? "Go on" : "Pause";
  document.getElementById("tail-state").textContent = paused ? "Paused: what comes is shown when you go on" : "Goes on by itself";
  if (!paused) htmx.trigger(document.body, "refresh");
});

if (tail) {
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (paused && event.detail.elt.id === "poll") event.preventDefault();
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target !== tail) return;
    while (tail.childElementCount > Number(tail.dataset.most)) tail.lastElementChild.remove();
    const empty = document.querySelector(".tail-empty");
    if (empty) empty.hidden = tail.childElementCount > 0;
  });
}

// --- An event's tree ---

for (const word of ["htmx:responseError", "htmx:sendError"]) {
  document.addEventListener(word, (event) => {
    if (event.detail.target?.id !== "tree") return;
    event.detail.target.replaceChildren();
    document.getElementById("tree-failed").hidden = false;
  });
}

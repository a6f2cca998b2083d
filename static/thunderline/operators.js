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

// --- The tail of events ---

const tail = document.getElementById("tail");
const pause = document.getElementById("pause");
const place = () => document.getElementById("tail-position");
let [paused, following] = [false, null];

function line({ payload, seq }) {
  const row = document.getElementById("tail-row").content.cloneNode(true).firstElementChild;
  row.id = `e-${seq}`;
  Object.assign(row.querySelector("time"), { dateTime: payload.at, title: new Date(payload.at).toLocaleString("en-GB") });
  Object.assign(row.querySelector(".verb"), { href: `/events/${seq}/`, title: payload.topic, textContent: payload.verb });
  row.querySelector(".said").textContent = payload.text;
  const where = row.querySelector(".where");
  where.textContent = payload.actor;
  if (payload.zone_id) {
    const zone = Object.assign(document.createElement("a"), { href: `/zones/${payload.zone_id}/`, textContent: payload.zone });
    where.prepend(zone, " · ");
  }
  return row;
}

const gap = () => document.getElementById("tail-gap").content.cloneNode(true).firstElementChild;

/** Lines that came, newest first; what the page has already (a poll brought it while the line was cut) is left out. */
function show(events) {
  const fresh = events.filter(({ seq }) => seq > Number(place().value));
  if (!fresh.length) return;
  tail.prepend(...fresh.map((each) => (each.event === "told" ? line(each) : gap())).reverse());
  place().value = fresh.at(-1).seq;
  trim();
}

function trim() {
  while (tail.childElementCount > Number(tail.dataset.most)) tail.lastElementChild.remove();
  const empty = document.querySelector(".tail-empty");
  if (empty) empty.hidden = tail.childElementCount > 0;
  tellTimes();
}

function followTail() {
  following = live.follow("events:tail", {
    from: Number(place().value),
    params: { pattern: tail.dataset.pattern, stream: tail.dataset.stream },
    onBatch: show,
    onResync: ({ seq }) => {
      tail.prepend(gap());
      place().value = seq;
    },
  });
}

pause?.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", paused);
  pause.textContent = paused ? "Go on" : "Pause";
  document.getElementById("tail-state").textContent = paused ? "Paused: what comes is shown when you go on" : "Goes on by itself";
  if (paused) {
    following.stop();
  } else {
    followTail();
    htmx.trigger(document.body, "refresh");
  }
});

if (pause) {
  followTail();
  // Only while no line brings them.
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt.id === "poll" && (paused || live.state === "live")) event.preventDefault();
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target === tail) trim();
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

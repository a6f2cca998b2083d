// What htmx leaves to the page: relative times, details that stay open, focus that stays put, and word of a lost server.
"use strict";

const shownAt = document.body.dataset.now;
// The server's clock counts: this machine's may be wrong.
const ahead = shownAt ? Date.parse(shownAt) - Date.now() : 0;

function relative(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 5) return "just now";
  if (s < 60) return `${s} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ago`;
  return `${Math.floor(s / 86400)} d ago`;
}

function tellTimes() {
  const now = Date.now() + ahead;
  for (const time of document.querySelectorAll("time[datetime]")) {
    const text = relative(now - Date.parse(time.dateTime));
    if (time.textContent !== text) time.textContent = text;
  }
}

// --- Polls ---

const isPoll = (event) => event.detail.elt && event.detail.elt.id === "poll";

// Nobody looks: ask for nothing.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (isPoll(event) && document.hidden) event.preventDefault();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) htmx.trigger(document.body, "refresh");
});

let open = new Set();
let focused = null;

document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const old = event.detail.target;
  open = new Set([...old.querySelectorAll("details[open]")].map((details) => details.id));
  const active = document.activeElement;
  focused = active && active.id && old.contains(active) ? active.id : null;
});

document.addEventListener("htmx:oobAfterSwap", () => {
  for (const id of open) {
    const details = document.getElementById(id);
    if (details) details.open = true;
  }
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  tellTimes();
});

// --- A server that does not answer ---

const lost = document.getElementById("lost");
let answeredAt = Date.now();

document.addEventListener("htmx:afterRequest", (event) => {
  if (!isPoll(event)) return;
  const answered = event.detail.xhr.status > 0 && event.detail.xhr.status < 500;
  if (answered) {
    answeredAt = Date.now();
  } else {
    document.getElementById("lost-since").dateTime = new Date(answeredAt + ahead).toISOString();
    tellTimes();
  }
  lost.hidden = answered;
});

// --- A notice goes by itself ---

let noticeTimer = 0;
document.addEventListener("htmx:oobAfterSwap", (event) => {
  if (event.detail.target.id !== "notice") return;
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => document.getElementById("notice").replaceChildren(), 8000);
});

document.addEventListener("htmx:afterSwap", tellTimes);
setInterval(tellTimes, 1000);
tellTimes();

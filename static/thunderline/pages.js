// What htmx leaves to the page: relative times, what stays open, chosen, focused and scrolled, what is typed and sent,
// and word of a lost server.
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
let chosen = [];
let scrolled = [];
let focused = null;

document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const old = event.detail.target;
  open = new Set([...old.querySelectorAll("details[open]")].map((details) => details.id));
  chosen = [...old.querySelectorAll("input:checked")].map((input) => input.id);
  scrolled = [...old.querySelectorAll(".scroller")].map((box) => [box.id, box.scrollTop]);
  const active = document.activeElement;
  focused = active && active.id && old.contains(active) ? active.id : null;
});

document.addEventListener("htmx:oobAfterSwap", () => {
  for (const id of open) {
    const details = document.getElementById(id);
    if (details) details.open = true;
  }
  // One that cannot be chosen any more stays chosen too: what is being written must not go another way unnoticed.
  for (const id of chosen) {
    const input = document.getElementById(id);
    if (input) input.checked = true;
  }
  for (const [id, top] of scrolled) {
    const box = document.getElementById(id);
    if (box) box.scrollTop = top;
  }
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  tellTimes();
});

// --- Talking ---

const sayText = document.getElementById("say-text");

sayText?.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  if (sayText.value.trim()) sayText.form.requestSubmit();
});

let sent = "";

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt.id === "say") sent = sayText.value;
});

document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.elt.id !== "say" || !event.detail.successful) return;
  // What was typed meanwhile is kept.
  if (sayText.value === sent) sayText.value = "";
  const box = document.getElementById("talk-scroller");
  if (box) box.scrollTop = 0; // its end: there is the newest
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

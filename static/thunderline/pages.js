// What htmx leaves to the page: relative times, what stays open, chosen, focused and scrolled, what is typed and sent.
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
  const days = Math.floor(s / 86400);
  if (days < 60) return `${days} d ago`;
  return days < 730 ? `${Math.floor(days / 30.44)} months ago` : `${Math.floor(days / 365.25)} years ago`;
}

function tellTimes() {
  const now = Date.now() + ahead;
  for (const time of document.querySelectorAll("time[datetime]")) {
    const text = relative(now - Date.parse(time.dateTime));
    if (time.textContent !== text) time.textContent = text;
  }
}

// --- What changed ---

const isPoll = (event) => event.detail.elt && event.detail.elt.id === "poll";

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

// --- Memories ---

const memoryForm = document.getElementById("memory-form");

// A name that is clicked is asked for in the box, so that one sees what was asked and can go on from there.
memoryForm?.closest("section").addEventListener("click", (event) => {
  const name = event.target.closest("[data-ask]");
  if (!name || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const box = document.getElementById("memory-search");
  box.value = name.dataset.ask;
  box.focus({ preventScroll: true });
  memoryForm.scrollIntoView({ block: "nearest" });
  memoryForm.requestSubmit();
});

const isSearch = (event) => event.detail.elt === memoryForm;

document.addEventListener("htmx:sendError", (event) => {
  if (isSearch(event)) document.getElementById("memories-lost").hidden = false;
});
document.addEventListener("htmx:afterOnLoad", (event) => {
  if (isSearch(event)) document.getElementById("memories-lost").hidden = true;
});

// --- A notice goes by itself ---

// One with a button stays longer, and as long as somebody is at it.
let noticeTimer = 0;
if (document.querySelector("#notice:not(:empty)")) letNoticeGo();
function letNoticeGo() {
  clearTimeout(noticeTimer);
  const notice = document.getElementById("notice");
  noticeTimer = setTimeout(() => {
    if (notice.matches(":hover, :focus-within")) letNoticeGo();
    else notice.replaceChildren();
  }, notice.querySelector("button") ? 20000 : 8000);
}
document.addEventListener("htmx:oobAfterSwap", (event) => {
  if (event.detail.target.id === "notice") letNoticeGo();
});

document.addEventListener("htmx:afterSwap", tellTimes);
setInterval(tellTimes, 1000);
tellTimes();

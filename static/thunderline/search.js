// The box that searches everything: "/" or Ctrl+K goes there, arrows choose, Enter opens, Escape closes.
"use strict";

{
  const input = document.getElementById("everything");
  const box = document.getElementById("everything-box");
  const list = document.getElementById("everything-found");
  const told = () => document.getElementById("everything-told");

  const options = () => [...list.querySelectorAll("[role=option]")];
  const chosen = () => list.querySelector("[aria-selected=true]");

  function choose(option) {
    chosen()?.setAttribute("aria-selected", "false");
    option?.setAttribute("aria-selected", "true");
    option?.scrollIntoView({ block: "nearest" });
    if (option) input.setAttribute("aria-activedescendant", option.id);
    else input.removeAttribute("aria-activedescendant");
  }

  function show(open) {
    box.hidden = !open;
    input.setAttribute("aria-expanded", String(open && options().length > 0));
    list.hidden = !options().length;
    if (!open) choose(null);
  }

  function step(by) {
    const all = options();
    if (!all.length) return;
    const at = all.indexOf(chosen());
    choose(all[at < 0 ? (by > 0 ? 0 : all.length - 1) : (at + by + all.length) % all.length]);
  }

  // Somebody who types into something else types a slash.
  const typing = (target) => target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);

  document.addEventListener("keydown", (event) => {
    const asked = event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey;
    const slash = event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !typing(event.target);
    if (!input || !(asked || slash)) return;
    event.preventDefault();
    input.focus();
    input.select();
  });

  input?.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (box.hidden && input.value.trim()) show(true);
      else step(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Enter" && !box.hidden && chosen()) {
      event.preventDefault();
      location.assign(chosen().dataset.address);
    } else if (event.key === "Escape" && !box.hidden) {
      event.preventDefault(); // what was typed stays; pressed again, it goes
      show(false);
    }
  });

  input?.addEventListener("input", () => {
    if (input.value.trim()) return;
    list.replaceChildren();
    told().textContent = "";
    show(false);
  });
  input?.addEventListener("focus", () => {
    if (input.value.trim() && options().length) show(true);
  });
  input?.form.addEventListener("submit", (event) => {
    if (!input.value.trim()) event.preventDefault();
  });

  list?.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (!option) return;
    if (event.ctrlKey || event.metaKey) open(option.dataset.address);
    else location.assign(option.dataset.address);
  });
  list?.addEventListener("mousedown", (event) => event.preventDefault()); // the box keeps the focus
  document.addEventListener("click", (event) => {
    if (box && !box.hidden && !input.form.contains(event.target)) show(false);
  });
  input?.form.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !input.form.contains(event.relatedTarget)) show(false);
  });

  const isOurs = (event) => event.detail.elt === input;
  // An answer to what is no longer asked, as the box is empty now, is let go; what went wrong is told below.
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target === list && (!input.value.trim() || event.detail.isError)) event.detail.shouldSwap = false;
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (!isOurs(event)) return;
    if (!input.value.trim()) {
      event.preventDefault();
    } else if (box.hidden) {
      list.replaceChildren();
      told().textContent = "Searching…";
      show(true);
    }
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target === list && document.activeElement === input) show(true);
  });
  for (const name of ["htmx:sendError", "htmx:responseError"]) {
    document.addEventListener(name, (event) => {
      if (!isOurs(event)) return;
      list.replaceChildren();
      told().textContent = event.detail.xhr?.status === 429 ? "Too many questions at once: wait a moment." : "No answer. Search again in a moment.";
      show(true);
    });
  }
}

// When a page asks for those of its panels that changed: when it hears that something did, and with some heartbeats for what
// nobody tells of (sizes, who is connected). Only while its line is cut, or the heart silent, it asks every two seconds.
//
// `data-follow` of an element names the topics, with blanks between, whose events mean that something changed.
"use strict";

{
  const SILENT_MS = 5000;
  const BEATS = 5;
  let beatAt = 0;

  const refresh = () => htmx.trigger(document.body, "refresh");
  const pushed = () => live.state === "live" && Date.now() - beatAt < SILENT_MS;

  function beaten(events) {
    const silent = Date.now() - beatAt > SILENT_MS;
    beatAt = Date.now();
    if (silent || events.some(({ payload }) => payload.count % BEATS === 0)) refresh();
  }

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (!isPoll(event)) return;
    const periodic = !event.detail.requestConfig.triggeringEvent;
    if (document.hidden || (periodic && pushed())) event.preventDefault();
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (isPoll(event)) live.polled(event.detail.xhr.status > 0 && event.detail.xhr.status < 500);
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) refresh();
  });

  if (document.querySelector("#poll.panels")) live.follow("system:domain_tick", { onBatch: beaten });
  for (const box of document.querySelectorAll("[data-follow]")) {
    for (const topic of box.dataset.follow.split(" ")) live.follow(topic, { onBatch: refresh });
  }
}

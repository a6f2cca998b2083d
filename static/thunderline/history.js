// Charts of a zone or an agent, from what the server kept and what arrives; and word to the panels that something did.
"use strict";

{
  const CHARTS = {
    agent: [
      { title: "Stats", of: (told) => told, range: [0, 100], lines: [
        { name: "energy", colour: "--energy" }, { name: "creativity", colour: "--bad" }, { name: "focus", colour: "--knowledge" },
        { name: "social", colour: "--good" }, { name: "exploration", colour: "--materials" }] },
      { title: "Mood", of: (told) => told, range: [-1, 1], digits: 2, lines: [{ name: "mood", colour: "--accent" }] },
    ],
    zone: [
      { title: "Stores", of: (told) => told.resources, range: [0, 100], lines: [
        { name: "food", colour: "--food" }, { name: "materials", colour: "--materials" }, { name: "energy", colour: "--energy" },
        { name: "knowledge", colour: "--knowledge" }] },
      { title: "Events a minute", of: (told) => told.activity, range: [0, null], lines: [
        { name: "ticks", colour: "--accent" }, { name: "other", colour: "--warn" }] },
    ],
  };
  const AGAIN_MS = 3000;
  const REFRESH_MS = 1500;
  const LEAST_S = 10;

  const box = document.querySelector("[data-history]");
  const shown = [];
  let [asking, asked, timer] = [false, 0, 0];

  function drawn(kind) {
    box.replaceChildren();
    for (const { title, range, digits = 0, lines } of CHARTS[kind]) {
      const figure = document.createElement("figure");
      figure.className = "chart";
      box.append(figure);
      shown.push({ figure, options: { title, range, digits, lines, span: 0 }, chart: null });
    }
  }

  // A chart shows so many seconds; once there are more, another takes its place.
  function fill(one, { at, values }) {
    const needed = at.length ? at[at.length - 1] - at[0] : 0;
    if (!one.chart || needed > one.options.span) {
      one.chart?.destroy();
      one.options.span = Math.max(LEAST_S, needed * 1.1);
      one.chart = charts.draw(one.figure, one.options);
    }
    one.chart.fill(at, one.options.lines.map((line) => values[line.name] ?? []));
  }

  async function ask() {
    clearTimeout(timer);
    timer = 0;
    asking = true;
    try {
      const answer = await fetch(box.dataset.history, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(answer.statusText);
      const told = await answer.json();
      if (!shown.length) drawn(box.dataset.kind);
      CHARTS[box.dataset.kind].forEach((chart, i) => fill(shown[i], chart.of(told)));
    } catch {
      if (!shown.length) box.firstElementChild.textContent = "No answer yet; asking again.";
      timer = setTimeout(ask, AGAIN_MS);
    } finally {
      [asking, asked] = [false, Date.now()];
    }
  }

  // Something happened: ask again, but not all the time, and not while nobody looks.
  function later() {
    if (!timer && !asking && !document.hidden) timer = setTimeout(ask, Math.max(0, asked + AGAIN_MS - Date.now()));
  }

  // --- What arrives ---

  let [told, following, zone] = [0, null, null];

  function refreshPanels() {
    if (told || document.hidden) return;
    told = setTimeout(() => {
      told = 0;
      htmx.trigger(document.body, "refresh");
    }, REFRESH_MS);
  }

  function arrived(events) {
    const { agent } = box.dataset;
    if (agent && !events.some(({ payload }) => payload.agent_id === agent || payload.target_id === agent)) return;
    later();
    refreshPanels();
  }

  // An agent goes from zone to zone, and its page with it.
  function followZone() {
    const here = box.dataset.zone ?? document.getElementById("where")?.dataset.zone;
    if (!here || here === zone) return;
    following?.stop();
    zone = here;
    following = live.follow(`zone:${zone}`, { from: null, onBatch: arrived, onResync: () => { later(); refreshPanels(); } });
  }

  if (box) {
    ask();
    followZone();
    document.addEventListener("htmx:oobAfterSwap", followZone);
    document.addEventListener("visibilitychange", later);
    if (!box.dataset.agent) setInterval(later, 60000); // a minute's events are counted when it is over
  }
}

// Pointing at the map: what the mouse is over, what is clicked or reached with the keyboard, and what is told of it.
"use strict";

const pointing = (() => {
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const figure = (value, digits, unit) => charts.figure(value, digits, unit);

  function element(name, properties = {}, ...inside) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...inside);
    return made;
  }

  /** The zone that lies nearest in a direction from another; the other itself where there is none. */
  function towards(zones, from, [dx, dy]) {
    let [best, cost] = [from, Infinity];
    zones.forEach((zone, i) => {
      const [x, y] = [zone.x - zones[from].x, zone.y - zones[from].y];
      const along = x * dx + y * dy;
      const aside = Math.abs(x * dy - y * dx);
      if (i === from || along <= 0 || aside > 2.5 * along) return;
      if (along + 2 * aside < cost) [best, cost] = [i, along + 2 * aside];
    });
    return best;
  }

  function make(map, box) {
    const { state, canvas } = map;
    const over = box.querySelector("#map-over");
    const chosen = box.querySelector("#map-chosen");
    const said = box.querySelector("#map-said");
    let follows = false;
    let shown = "";

    // --- What is told ----------------------------------------------------------------------------------------

    const zoneWords = (zone) => `${zone.name}: ${zone.agents} of ${zone.capacity} agents, ${figure(zone.temperature, 0, "°C")}, entropy ${figure(zone.entropy, 2, "")}`;

    const agentWords = (i) => `${state.names[i]} in ${state.zones[state.zone[i]].name}: ${state.active[i] ? state.activity[i] || "waking" : "at rest"}, ${figures.moodWord(state.mood[i])}`;

    const words = ({ zone, agent }) => (agent >= 0 ? agentWords(agent) : zone >= 0 ? zoneWords(state.zones[zone]) : "");

    function row(term, value) {
      return element("div", {}, element("dt", { textContent: term }), element("dd", { textContent: value }));
    }

    function zoneCard(zone) {
      return [
        element("h3", {}, element("a", { href: `/zones/${zone.id}/`, textContent: zone.name })),
        element("dl", { className: "figures" },
          row("Agents", `${zone.agents} of ${zone.capacity}`), row("Temperature", figure(zone.temperature, 0, "°C")),
          row("Entropy", figure(zone.entropy, 2, "")),
          ...figures.RESOURCES.map((name) => row(name[0].toUpperCase() + name.slice(1), `${figure(zone[name], 0, "")} of 100`))),
        ...(zone.closed ? [element("p", { className: "error", textContent: "closed" })] : []),
      ];
    }

    function agentCard(i) {
      const zone = state.zones[state.zone[i]];
      const follow = element("button", { type: "button", textContent: follows ? "Let go" : "Follow" });
      follow.setAttribute("aria-pressed", follows);
      follow.addEventListener("click", () => {
        follows = !follows;
        tell();
      });
      return [
        element("h3", {}, element("a", { href: `/agents/${state.ids[i]}/`, textContent: state.names[i] })),
        element("p", { className: "facts" }, "in ", element("a", { href: `/zones/${zone.id}/`, textContent: zone.name })),
        element("dl", { className: "figures" },
          row("Does", state.active[i] ? state.activity[i] || "waking" : "at rest"),
          row("Mood", figures.moodWord(state.mood[i])), row("Energy", `${figure(state.energy[i], 0, "")} of 100`)),
        follow,
      ];
    }

    /** The card of what is chosen; only when it says something else than it does already. */
    function tell() {
      const { zone, agent } = map.chosen;
      const parts = agent >= 0 ? agentCard(agent) : zone >= 0 ? zoneCard(state.zones[zone]) : [];
      const text = parts.map((part) => part.textContent).join("|") + follows;
      if (text === shown) return;
      shown = text;
      const focused = chosen.contains(document.activeElement) ? document.activeElement.tagName : null;
      chosen.replaceChildren(...parts);
      chosen.hidden = !parts.length;
      if (focused) chosen.querySelector(focused.toLowerCase())?.focus({ preventScroll: true });
    }

    function choose(zone, agent, { moves = false } = {}) {
      if (map.chosen.agent !== agent) follows = false;
      Object.assign(map.chosen, { zone, agent });
      tell();
      said.textContent = words(map.chosen);
      if (moves) see();
      map.redraw();
    }

    /** What is chosen comes into the window when it is not in it. */
    function see() {
      const { zone, agent } = map.chosen;
      if (zone < 0 && agent < 0) return;
      const [x, y] = agent >= 0 ? [state.px[agent], state.py[agent]] : [state.zones[zone].x, state.zones[zone].y];
      const [left, top] = map.view.apply([x, y]);
      const out = left < 30 || top < 30 || left > canvas.clientWidth - 30 || top > canvas.clientHeight - 30;
      if (out || agent >= 0) map.centre(x, y, agent >= 0 ? 1.2 : 0);
    }

    function open() {
      const { zone, agent } = map.chosen;
      if (agent >= 0) location.assign(`/agents/${state.ids[agent]}/`);
      else if (zone >= 0) location.assign(`/zones/${state.zones[zone].id}/`);
    }

    // --- Mouse and finger ------------------------------------------------------------------------------------

    function hover(event) {
      if (event.pointerType !== "mouse") return;
      const found = map.at(event.offsetX, event.offsetY);
      canvas.classList.toggle("points", found.agent >= 0 || found.zone >= 0);
      over.hidden = found.agent < 0 && found.zone < 0;
      over.textContent = words(found);
      over.style.left = `${Math.min(event.offsetX + 14, canvas.clientWidth - over.offsetWidth - 8)}px`;
      over.style.top = `${event.offsetY > canvas.clientHeight - 60 ? event.offsetY - 40 : event.offsetY + 16}px`;
      if (found.agent === map.over.agent && found.zone === map.over.zone) return;
      Object.assign(map.over, found);
      map.redraw();
    }

    canvas.addEventListener("pointermove", hover);
    canvas.addEventListener("pointerleave", () => {
      over.hidden = true;
      Object.assign(map.over, { zone: -1, agent: -1 });
      map.redraw();
    });
    canvas.addEventListener("click", (event) => {
      const { zone, agent } = map.at(event.offsetX, event.offsetY);
      choose(agent >= 0 ? state.zone[agent] : zone, agent);
    });
    canvas.addEventListener("dblclick", open);
    box.querySelector(".zoom").addEventListener("click", (event) => {
      const { zoom: way } = event.target.dataset;
      if (way === "fit") map.fit();
      else if (way) map.nearer(way === "in" ? 1.5 : 1 / 1.5);
    });

    // --- Keyboard --------------------------------------------------------------------------------------------

    /** The next agent, or the one before, of the zone that is chosen. */
    function step(by) {
      const zone = Math.max(0, map.chosen.zone);
      const here = [];
      for (let i = 0; i < state.n; i++) if (state.there[i] && state.zone[i] === zone) here.push(i);
      if (!here.length) return;
      const at = here.indexOf(map.chosen.agent);
      const next = at < 0 ? (by > 0 ? 0 : here.length - 1) : (at + by + here.length) % here.length;
      choose(zone, here[next], { moves: true });
    }

    canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !state.zones.length) return;
      const way = ARROWS[event.key];
      if (way) choose(map.chosen.zone < 0 ? 0 : towards(state.zones, map.chosen.zone, way), -1, { moves: true });
      else if (event.key === ".") step(1);
      else if (event.key === ",") step(-1);
      else if (event.key === "Enter") open();
      else if (event.key === "Escape") choose(map.chosen.agent >= 0 ? map.chosen.zone : -1, -1);
      else if (event.key === "+" || event.key === "=") map.nearer(1.5);
      else if (event.key === "-") map.nearer(1 / 1.5);
      else if (event.key === "0") map.fit();
      else return;
      event.preventDefault();
    });

    return {
      /** Something happened: the card tells how it is now, and who is followed stays in the middle. */
      refresh() {
        const { agent } = map.chosen;
        if (agent >= 0) map.chosen.zone = state.zone[agent];
        tell();
        if (follows && agent >= 0) map.centre(state.px[agent], state.py[agent], 1.2);
      },
    };
  }

  return { make };
})();

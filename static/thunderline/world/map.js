// The map: the land (ways, zones, names) is painted when it changes or is looked at from elsewhere; people are copied onto
// it for every frame while somebody moves. What lies outside the window is left out.
"use strict";

const worldMap = (() => {
  const NAMED_FROM = 15; // pixels of a zone's radius from which its name is written
  const BUTTONS = 48; // pixels at the right that the buttons take
  const FONT = "system-ui, -apple-system, sans-serif";

  function make(canvas, state) {
    const pen = canvas.getContext("2d", { alpha: false });
    const land = document.createElement("canvas");
    const landPen = land.getContext("2d", { alpha: false });
    let [width, height, dpr] = [0, 0, 1];
    let of = figures.colours();
    let sheets = [];
    let view = d3.zoomIdentity;
    let [landStale, asked, framed] = [true, false, true];
    const map = {
      state, canvas, frames: 0, spent_ms: 0, shade: "temperature",
      chosen: { zone: -1, agent: -1 }, over: { zone: -1, agent: -1 },
      redraw, repaint, renew, fit, nearer, centre, at, sheetFor: () => figures.fitting(sheets, view.k), onView: () => {},
      get view() {
        return view;
      },
    };

    // --- Looking ---------------------------------------------------------------------------------------------

    const zoom = d3.zoom().scaleExtent([0.05, 12]).filter((event) => {
      // The page scrolls by wheel and by one finger; the map takes what is meant for it.
      if (event.type === "wheel") return event.ctrlKey || event.metaKey || document.activeElement === canvas;
      if (event.type.startsWith("touch")) return event.touches.length > 1;
      return !event.ctrlKey && !event.button;
    }).on("zoom", (event) => {
      view = event.transform;
      if (event.sourceEvent) framed = false;
      map.onView();
      repaint();
    });
    const eye = d3.select(canvas).call(zoom).on("dblclick.zoom", null);
    const calm = matchMedia("(prefers-reduced-motion: reduce)");
    const gently = () => (calm.matches || document.hidden ? eye : eye.transition().duration(350));

    function fit(by = gently()) {
      if (!state.zones.length || !width) return;
      const edge = (sign, axis, room) => Math.max(...state.zones.map((zone) => sign * zone[axis] + zone.r + room));
      const box = { left: -edge(-1, "x", 14), right: edge(1, "x", 14), top: -edge(-1, "y", 14), bottom: edge(1, "y", 32) };
      const free = width - BUTTONS;
      const k = Math.min(3, free / (box.right - box.left), height / (box.bottom - box.top));
      framed = true;
      by.call(zoom.transform, d3.zoomIdentity
        .translate((free - k * (box.left + box.right)) / 2, (height - k * (box.top + box.bottom)) / 2).scale(k));
    }

    /** The world anew; what is chosen stays chosen, if it is still there. */
    function renew(drawn) {
      const [zone, agent] = [state.zones[map.chosen.zone]?.id, state.ids[map.chosen.agent]];
      state.renew(drawn);
      map.chosen = { zone: state.zoneOf.get(zone) ?? -1, agent: state.known.get(agent) ?? -1 };
      map.over = { zone: -1, agent: -1 };
      repaint();
    }

    function nearer(factor) {
      framed = false;
      gently().call(zoom.scaleBy, factor);
    }

    function centre(x, y, least = 0) {
      framed = false;
      const k = Math.max(view.k, least);
      gently().call(zoom.transform, d3.zoomIdentity.translate(width / 2 - k * x, height / 2 - k * y).scale(k));
    }

    /** What is at a place of the canvas: a zone, and the agent that is nearest, −1 where there is none. */
    function at(left, top) {
      const x = (left - view.x) / view.k;
      const y = (top - view.y) / view.k;
      const { px, py, there, n, zones } = state;
      const reach = Math.max(6, figures.fitting(sheets, view.k).size * 0.6) / view.k;
      let [agent, nearest] = [-1, reach * reach];
      for (let i = 0; i < n; i++) {
        const apart = (px[i] - x) * (px[i] - x) + (py[i] - y) * (py[i] - y);
        if (apart < nearest && there[i]) [agent, nearest] = [i, apart];
      }
      return { agent, zone: zones.findIndex((zone) => Math.hypot(zone.x - x, zone.y - y) <= zone.r + 6) };
    }

    // --- Drawing ---------------------------------------------------------------------------------------------

    function resize() {
      const [wider, higher] = [canvas.clientWidth - width, canvas.clientHeight - height];
      [width, height] = [canvas.clientWidth, canvas.clientHeight];
      dpr = Math.min(2, devicePixelRatio || 1);
      for (const each of [canvas, land]) {
        each.width = Math.max(1, Math.round(width * dpr));
        each.height = Math.max(1, Math.round(height * dpr));
      }
      sheets = figures.sheets(dpr, of);
      if (framed) fit(eye);
      else eye.call(zoom.transform, view.translate(wider / 2 / view.k, higher / 2 / view.k)); // the middle stays there
      repaint();
    }

    function colour() {
      of = figures.colours();
      sheets = figures.sheets(dpr, of);
      repaint();
    }

    function redraw() {
      if (asked || document.hidden) return;
      asked = true;
      requestAnimationFrame(frame);
    }

    function repaint() {
      landStale = true;
      redraw();
    }

    function frame(now) {
      asked = false;
      const begun = performance.now();
      state.advance(now);
      if (state.painted) [landStale, state.painted] = [true, false];
      if (landStale) paintLand();
      pen.setTransform(1, 0, 0, 1, 0, 0);
      pen.drawImage(land, 0, 0);
      drawPeople();
      drawMarks();
      state.changed = false;
      map.frames++;
      map.spent_ms += performance.now() - begun;
      if (state.moving) redraw();
    }

    const inView = (zone) => {
      const [x, y, r] = [zone.x * view.k + view.x, zone.y * view.k + view.y, (zone.r + 12) * view.k];
      return x + r > 0 && y + r > 0 && x - r < width && y - r < height;
    };

    function paintLand() {
      landStale = false;
      landPen.setTransform(1, 0, 0, 1, 0, 0);
      landPen.fillStyle = of.paper;
      landPen.fillRect(0, 0, land.width, land.height);
      landPen.setTransform(dpr * view.k, 0, 0, dpr * view.k, dpr * view.x, dpr * view.y);
      for (const [a, b, share] of state.ways) paintWay(state.zones[a], state.zones[b], share);
      for (const zone of state.zones) if (inView(zone)) figures.zone(landPen, zone, view.k, map.shade, of);
      landPen.setTransform(dpr, 0, 0, dpr, 0, 0);
      landPen.textAlign = "center";
      landPen.textBaseline = "top";
      landPen.font = `12px ${FONT}`;
      for (const zone of state.zones) if (zone.r * view.k >= NAMED_FROM && inView(zone)) paintName(zone);
    }

    function paintWay(a, b, share) {
      landPen.beginPath();
      landPen.moveTo(a.x, a.y);
      landPen.lineTo(b.x, b.y);
      landPen.lineWidth = (0.8 + 4 * share) / Math.sqrt(view.k);
      landPen.strokeStyle = of.track;
      landPen.stroke();
    }

    function paintName(zone) {
      const longest = Math.max(6, Math.round((zone.r * view.k) / 3.2));
      const text = zone.name.length > longest ? `${zone.name.slice(0, longest - 1)}…` : zone.name;
      const [x, y] = [zone.x * view.k + view.x, (zone.y + zone.r) * view.k + view.y + 2 * figures.ringWidth(view.k) * view.k + 4];
      landPen.lineWidth = 3;
      landPen.strokeStyle = of.paper;
      landPen.strokeText(text, x, y);
      landPen.fillStyle = of.ink;
      landPen.fillText(text, x, y);
    }

    function drawPeople() {
      const { canvas: sheet, cell, size } = figures.fitting(sheets, view.k);
      const { px, py, mood, active, there, n } = state;
      const { k, x: dx, y: dy } = view;
      const half = cell / 2;
      for (let i = 0; i < n; i++) {
        if (there[i] === 0) continue;
        const x = px[i] * k + dx;
        const y = py[i] * k + dy;
        if (x < -size || y < -size || x > width + size || y > height + size) continue;
        const step = figures.moodStep(mood[i]);
        pen.drawImage(sheet, step * cell, active[i] ? 0 : cell, cell, cell, (x * dpr - half) | 0, (y * dpr - half) | 0, cell, cell);
      }
    }

    function drawMarks() {
      pen.setTransform(dpr, 0, 0, dpr, 0, 0);
      mark(map.over, of.quiet, 1.5);
      mark(map.chosen, of.accent, 2.5);
    }

    function mark({ zone, agent }, ink, line) {
      pen.strokeStyle = ink;
      pen.lineWidth = line;
      if (agent >= 0) {
        const { size } = figures.fitting(sheets, view.k);
        ring(state.px[agent], state.py[agent], 0, size * 0.7 + 3);
        const [x, y] = [state.px[agent] * view.k + view.x, state.py[agent] * view.k + view.y - size * 0.7 - 8];
        pen.textAlign = "center";
        pen.textBaseline = "bottom";
        pen.font = `600 12px ${FONT}`;
        pen.lineWidth = 3;
        pen.strokeStyle = of.paper;
        pen.strokeText(state.names[agent], x, y);
        pen.fillStyle = of.ink;
        pen.fillText(state.names[agent], x, y);
      } else if (zone >= 0) {
        const place = state.zones[zone];
        ring(place.x, place.y, place.r, 7);
      }
    }

    function ring(x, y, r, room) {
      pen.beginPath();
      pen.arc(x * view.k + view.x, y * view.k + view.y, r * view.k + room, 0, 7);
      pen.stroke();
    }

    new ResizeObserver(resize).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", colour);
    document.addEventListener("visibilitychange", redraw);
    resize();
    return map;
  }

  return { make };
})();

// Lines over time, drawn by uPlot in the page's colours.
//
//   const chart = charts.draw(box, {
//     title: "Ticks a second", unit: "/s", digits: 0, span: 600, range: [0, null],
//     lines: [{ name: "ticks", colour: "--accent" }],
//   });
//   chart.fill([seconds…], [[values…]]);   chart.destroy();
//
// `box` is an empty <figure class="chart">. Times are seconds since 1970, ascending; `span` is how many seconds are kept
// and shown; `range` is the least and the greatest value shown, null: as they come. A value may be null: a gap. The latest
// value stands in the caption, and all is told in words to who cannot see it. Where uPlot was not installed the caption
// is all there is.
"use strict";

const charts = (() => {
  const MOST = 3600; // points of a line
  const DRAWN_MS = 250;
  const TOLD_MS = 5000;
  const HEIGHT = 120;
  const all = new Set();

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  /** A number as people read it: its thousands set apart, no more digits than asked for, its unit behind it. */
  function figure(value, digits, unit) {
    if (value === null || value === undefined || Number.isNaN(value)) return "–";
    const whole = value.toLocaleString("en-GB", { maximumFractionDigits: digits, minimumFractionDigits: 0 });
    const text = whole.replaceAll(",", "\u202f").replace("-", "−");
    return unit ? `${text}${unit.startsWith("/") || unit === "%" ? "\u202f" : "\u00a0"}${unit}` : text;
  }

  const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString("en-GB");

  function draw(box, { title, unit = "", digits = 0, span = 600, range = [null, null], lines }) {
    const caption = document.createElement("figcaption");
    const name = document.createElement("span");
    const latest = document.createElement("b");
    name.textContent = title;
    caption.append(name, latest);
    const area = document.createElement("div");
    area.className = "plot";
    area.setAttribute("role", "img");
    box.replaceChildren(caption, area);
    const data = [[], ...lines.map(() => [])];
    let [plot, timer, tellTimer, toldAt, hovered] = [null, 0, 0, 0, null];

    function trim() {
      const [times] = data;
      const oldest = times[times.length - 1] - span;
      let gone = Math.max(0, times.length - MOST);
      while (times[gone] < oldest) gone++;
      // In one go, and not for every point: to shift an array by one costs its length.
      if (gone > 60 || times.length > MOST) for (const each of data) each.splice(0, gone);
    }

    function later() {
      if (!timer) timer = setTimeout(refresh, DRAWN_MS);
    }

    function refresh() {
      timer = 0;
      caption.classList.toggle("past", hovered !== null);
      const at = hovered ?? data[0].length - 1;
      const values = lines.map((line, i) => {
        const text = figure(data[i + 1][at], digits, unit);
        return lines.length > 1 ? `${line.name} ${text}` : text;
      });
      latest.textContent = at < 0 ? "nothing yet" : values.join(" · ") + (hovered === null ? "" : ` at ${clock(data[0][at])}`);
      if (hovered === null) plot?.setData(data);
      // Nobody is told every quarter of a second, but whatever came last is.
      clearTimeout(tellTimer);
      tellTimer = setTimeout(tell, Math.max(0, toldAt + TOLD_MS - Date.now()));
    }

    function tell() {
      if (data[0].length) toldAt = Date.now();
      area.setAttribute("aria-label", told());
    }

    function told() {
      if (!data[0].length) return `${title}: nothing yet`;
      const parts = lines.map((line, i) => {
        const values = data[i + 1].filter((value) => value !== null);
        if (!values.length) return `${line.name}: nothing yet`;
        const [least, most] = values.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]);
        return `${line.name} now ${figure(values[values.length - 1], digits, unit)}, between ${figure(least, digits, unit)} and ${figure(most, digits, unit)}`;
      });
      const minutes = Math.round((data[0][data[0].length - 1] - data[0][0]) / 60);
      return `${title} over ${minutes < 1 ? "less than a minute" : `${minutes} min`}: ${parts.join("; ")}`;
    }

    function options() {
      const ink = () => colour("--quiet");
      const grid = { stroke: () => colour("--line"), width: 1 };
      return {
        width: Math.max(60, area.clientWidth), height: HEIGHT, legend: { show: false }, padding: [6, 24, 0, 0],
        cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
        scales: {
          x: { time: true, range: (_, least, most) => shown(least, most, span) },
          y: { range: (_, least, most) => within(least, most, range) },
        },
        axes: [
          {
            stroke: ink, grid: { show: false }, ticks: { show: false }, size: 22, space: 70, font: "11px system-ui, sans-serif",
            values: (_, times, axis, space, step) => times.map((time) => clock(time).slice(0, step < 60 ? 8 : 5)),
          },
          {
            stroke: ink, grid, ticks: { show: false }, size: 46, space: 34, font: "11px system-ui, sans-serif",
            values: (_, values) => values.map((value) => figure(value, 3, "")),
          },
        ],
        series: [
          {},
          ...lines.map((line) => ({
            label: line.name, stroke: () => colour(line.colour), width: 1.5, points: { show: false }, spanGaps: false,
            dash: line.dash,
          })),
        ],
        hooks: {
          setCursor: [({ cursor }) => {
            const { idx, left } = cursor;
            hovered = left >= 0 && idx !== null ? idx : null;
            later();
          }],
        },
      };
    }

    if (window.uPlot) {
      plot = new uPlot(options(), data, area);
    } else {
      area.hidden = true;
    }
    const sized = new ResizeObserver(() => plot && area.clientWidth && plot.setSize({ width: area.clientWidth, height: HEIGHT }));
    sized.observe(area);
    refresh();
    tell();

    const chart = {
      fill(times, rows) {
        data[0] = [...times];
        lines.forEach((_, i) => (data[i + 1] = [...rows[i]]));
        trim();
        later();
      },
      repaint: () => plot?.redraw(false, true),
      destroy() {
        clearTimeout(timer);
        clearTimeout(tellTimer);
        sized.disconnect();
        plot?.destroy();
        all.delete(chart);
        box.replaceChildren();
      },
    };
    all.add(chart);
    return chart;
  }

  /** The time that is in view: a minute at least, up to now where there is nothing yet. */
  function shown(least, most, span) {
    const end = most ?? Date.now() / 1000;
    return [Math.min(Math.max(least ?? end, end - span), end - 60), end];
  }

  /** Some air above and below what is shown; a flat line lies in the middle. */
  function within(least, most, [floor, ceiling]) {
    const [low, high] = [least ?? 0, most ?? 1];
    const air = (high - low || Math.abs(high) || 1) * 0.15;
    return [floor ?? low - air, ceiling ?? high + air];
  }

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const chart of all) chart.repaint();
  });

  return { draw, figure };
})();

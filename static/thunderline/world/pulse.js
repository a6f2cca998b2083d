// The pulse: what number the heartbeat and the world have, how fast it goes and how long ago the last beat was; and the
// lines of the last hour, of which the server has another point after each ten beats.
"use strict";

const pulse = (() => {
  const HOUR = 3600;
  const SILENT_S = 5;
  const GATHERED = 10; // beats a point, as the server has them
  const GLIMPSE_S = 10; // over how long the rate is taken: agents tick in bursts

  /** `more` fetches the lines again and hands them to `fill`. */
  function make(panel, state, more) {
    const lines = {
      ticks_per_s: draw("ticks", { title: "Ticks", unit: "/s", digits: 1, range: [0, null], lines: [{ name: "ticks", colour: "--accent" }] }),
      took_ms: draw("took", { title: "A tick, due to done", unit: "ms", digits: 0, range: [0, null], lines: [{ name: "took", colour: "--warn" }] }),
      mood: draw("mood", { title: "Mood, −1 to 1", digits: 2, range: [-1, 1], lines: [{ name: "mood", colour: "--good" }] }),
      energy: draw("energy", { title: "Energy", unit: "%", digits: 0, range: [0, 100], lines: [{ name: "energy", colour: "--energy" }] }),
    };
    let beat = null;
    const counted = new Array(GLIMPSE_S).fill(0); // agents' ticks of the latest seconds
    let [second, seconds] = [0, 0];

    function draw(name, options) {
      return charts.draw(document.getElementById(`chart-${name}`), { span: HOUR, ...options });
    }

    function show(name, text) {
      const place = panel().querySelector(`[data-pulse="${name}"]`);
      if (place && place.textContent !== text) place.textContent = text;
    }

    function beats(events) {
      for (const { payload } of events) {
        const at = Date.parse(payload.timestamp);
        if (beat) payload.interval_ms = at - beat.at;
        beat = { ...payload, at };
        if (payload.count % GATHERED === 1) more(); // by the next beat it is written
      }
      render();
      const dot = panel().querySelector(".dot");
      dot.classList.remove("beating");
      void dot.offsetWidth; // so that it begins anew
      dot.classList.add("beating");
    }

    function render() {
      show("tick", charts.figure(state.world.tick, 0, ""));
      show("rate", charts.figure(rate(), 1, "/s"));
      if (!beat) return;
      const age = Math.max(0, (Date.now() + ahead - beat.at) / 1000);
      show("beat", charts.figure(beat.count, 0, ""));
      show("age", age < 90 ? `${age.toFixed(1)} s ago` : relative(age * 1000));
      show("latency", charts.figure(beat.latency_ms, 1, "ms"));
      show("domains", `${beat.active_domains} active`);
      const silent = age > SILENT_S;
      const word = panel().querySelector(".state");
      const text = silent ? `Silent for ${age < 90 ? `${Math.round(age)} s` : relative(age * 1000).replace(" ago", "")}` : "Beating";
      if (word.textContent.trim() !== text) word.textContent = text;
      panel().querySelector(".dot").classList.toggle("silent", silent);
      if (silent) panel().querySelector(".dot").classList.remove("beating");
    }

    const rate = () => (seconds ? counted.reduce((sum, each) => sum + each, 0) / Math.min(seconds, GLIMPSE_S) : null);

    setInterval(render, 500);
    setInterval(() => {
      if (live.state !== "live") return;
      seconds++;
      second = (second + 1) % GLIMPSE_S;
      counted[second] = 0;
    }, 1000);

    return {
      beats, render,
      ticked: () => counted[second]++,
      /** The lines as the server has them. */
      fill({ at, ...values }) {
        for (const [name, line] of Object.entries(lines)) line.fill(at, [values[name]]);
      },
    };
  }

  return { make };
})();

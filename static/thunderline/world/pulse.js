// The pulse: what number the heartbeat and the world have, how fast it goes and how long ago the last beat was; and the
// lines of the last hour, which begin with what the server remembers and go on with what comes.
"use strict";

const pulse = (() => {
  const HOUR = 3600;
  const SILENT_S = 5;
  const GATHERED = 5; // beats a point, as the server has them
  const GLIMPSE_S = 10; // over how long the rate is taken: agents tick in bursts

  function make(panel, state) {
    const lines = {
      ticks: draw("ticks", { title: "Ticks", unit: "/s", digits: 1, range: [0, null], lines: [{ name: "ticks", colour: "--accent" }] }),
      latency: draw("latency", { title: "Heartbeat sent in", unit: "ms", digits: 1, range: [0, null], lines: [{ name: "sent in", colour: "--warn" }] }),
      mood: draw("mood", { title: "Mood, −1 to 1", digits: 2, range: [-1, 1], lines: [{ name: "mood", colour: "--good" }] }),
      energy: draw("energy", { title: "Energy", unit: "%", digits: 0, range: [0, 100], lines: [{ name: "energy", colour: "--energy" }] }),
    };
    let beat = null;
    const gathered = []; // milliseconds of beats that make one point
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
        gathered.push(payload.latency_ms);
        if (payload.count % GATHERED) continue;
        lines.latency.push(at / 1000, [gathered.reduce((sum, each) => sum + each, 0) / gathered.length]);
        gathered.length = 0;
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

    function people() {
      let [n, mood, energy] = [0, 0, 0];
      for (let i = 0; i < state.n; i++) {
        if (!state.there[i] || !state.active[i]) continue;
        n++;
        mood += state.mood[i];
        energy += state.energy[i];
      }
      return n ? [mood / n, energy / n] : [null, null];
    }

    setInterval(render, 500);
    setInterval(() => {
      if (live.state !== "live") return;
      seconds++;
      second = (second + 1) % GLIMPSE_S;
      const now = (Date.now() + ahead) / 1000;
      if (seconds % GLIMPSE_S === 0) {
        const [mood, energy] = people();
        lines.ticks.push(now, [rate()]);
        lines.mood.push(now, [mood]);
        lines.energy.push(now, [energy]);
      }
      counted[second] = 0;
    }, 1000);

    return {
      beats, render,
      ticked: () => counted[second]++,
      /** The lines from the beginning, as the server has them. */
      fill({ beats: kept, world }) {
        lines.latency.fill(kept.at, [kept.latency_ms]);
        lines.ticks.fill(world.at, [world.ticks_per_s]);
        lines.mood.fill(world.at, [world.mood]);
        lines.energy.fill(world.at, [world.energy]);
      },
    };
  }

  return { make };
})();

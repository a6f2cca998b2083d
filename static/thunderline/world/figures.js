// What stands on the map: people as little figures in the colour and with the face of their mood, painted once for each
// size and copied from there; zones as discs with rings for what they store. Colours are the page's own.
"use strict";

const figures = (() => {
  const SIZES = [5, 8, 12, 18, 26, 38]; // pixels a figure is high
  const MOODS = 7;
  const RESOURCES = ["food", "materials", "energy", "knowledge"];
  const WORDS = [[0.6, "elated"], [0.25, "cheerful"], [-0.1, "even"], [-0.4, "low"], [-0.7, "gloomy"]];

  const moodWord = (mood) => WORDS.find(([least]) => mood >= least)?.[1] ?? "desolate";

  /** Which of seven faces a mood has, 3 for an even one: small moods are moods too. */
  function moodStep(mood) {
    const size = Math.abs(mood);
    const way = mood < 0 ? -1 : 1;
    return 3 + way * (size < 0.1 ? 0 : size < 0.25 ? 1 : size < 0.6 ? 2 : 3);
  }

  function colours() {
    const style = getComputedStyle(document.documentElement);
    const of = (name) => style.getPropertyValue(name).trim();
    const names = ["paper", "card", "ink", "quiet", "line", "track", "accent", "good", "bad", "cold", "hot", "chaos", ...RESOURCES];
    const found = Object.fromEntries(names.map((name) => [name, of(`--${name}`)]));
    found.moods = Array.from({ length: MOODS }, (_, i) => {
      const share = (2 * i) / (MOODS - 1) - 1;
      return mixed(of("--even"), share < 0 ? found.bad : found.good, Math.abs(share));
    });
    return found;
  }

  const parts = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

  /** Between two colours `#rrggbb`. */
  function mixed(from, to, share) {
    const [a, b] = [parts(from), parts(to)];
    return `#${a.map((value, i) => Math.round(value + (b[i] - value) * share).toString(16).padStart(2, "0")).join("")}`;
  }

  /** A sheet of figures for a size: a column a mood; the second row those at rest. */
  function sheet(size, scale, of) {
    const cell = Math.ceil(size * scale) + 2;
    const canvas = document.createElement("canvas");
    canvas.width = cell * MOODS;
    canvas.height = cell * 2;
    const pen = canvas.getContext("2d");
    for (let mood = 0; mood < MOODS; mood++) {
      for (const rests of [0, 1]) {
        pen.save();
        pen.translate((mood + 0.5) * cell, (rests + 0.5) * cell);
        pen.scale(scale, scale);
        pen.globalAlpha = rests ? 0.4 : 1;
        figure(pen, size, mood, of);
        pen.restore();
      }
    }
    return { canvas, cell, size };
  }

  function figure(pen, size, mood, of) {
    pen.fillStyle = of.moods[mood];
    pen.strokeStyle = of.card;
    pen.lineWidth = Math.max(0.6, size / 16);
    if (size < 8) {
      pen.beginPath();
      pen.arc(0, 0, size / 2, 0, 7);
      pen.fill();
      return;
    }
    const head = size * 0.27;
    pen.beginPath(); // shoulders
    pen.ellipse(0, size * 0.46, size * 0.36, size * 0.42, 0, Math.PI, 0);
    pen.closePath();
    pen.fill();
    pen.stroke();
    pen.beginPath();
    pen.arc(0, -size * 0.18, head, 0, 7);
    pen.fill();
    pen.stroke();
    if (size < 18) return;
    const bend = ((2 * mood) / (MOODS - 1) - 1) * head * 0.5; // the corners of the mouth go up or down
    pen.strokeStyle = pen.fillStyle = of.card;
    pen.lineWidth = size / 22;
    pen.beginPath();
    pen.moveTo(-head * 0.45, -size * 0.1 - bend * 0.4);
    pen.quadraticCurveTo(0, -size * 0.1 + bend, head * 0.45, -size * 0.1 - bend * 0.4);
    pen.stroke();
    for (const side of [-1, 1]) {
      pen.beginPath();
      pen.arc(side * head * 0.38, -size * 0.24, size / 26, 0, 7);
      pen.fill();
    }
  }

  function sheets(scale, of) {
    return SIZES.map((size) => sheet(size, scale, of));
  }

  /** Which sheet fits a zoom: figures grow more slowly than the land. */
  function fitting(all, k) {
    const wanted = Math.max(5, Math.min(38, 13 * Math.pow(k, 0.85)));
    return all.reduce((best, each) => (Math.abs(each.size - wanted) < Math.abs(best.size - wanted) ? each : best));
  }

  /** The colour of a zone's ground by the measure that is shown. */
  function ground(zone, shade, of) {
    if (shade === "temperature") {
      const share = Math.max(-1, Math.min(1, (zone.temperature - 20) / 30));
      return mixed(of.card, share < 0 ? of.cold : of.hot, 0.75 * Math.abs(share));
    }
    if (shade === "entropy") return mixed(of.card, of.chaos, 0.8 * zone.entropy);
    return of.card;
  }

  /** Of the rings around a zone, on the map. */
  const ringWidth = (k) => Math.max(2.2, 3.4 / k);

  function zone(pen, place, k, shade, of) {
    pen.beginPath();
    pen.arc(place.x, place.y, place.r, 0, 7);
    pen.fillStyle = ground(place, shade, of);
    pen.fill();
    pen.lineWidth = (place.closed ? 3 : 1) / k;
    pen.strokeStyle = place.closed ? of.bad : of.line;
    pen.stroke();
    if (place.r * k < 12) return;
    const [width, gap] = [ringWidth(k), 0.08];
    pen.lineWidth = width;
    RESOURCES.forEach((name, i) => {
      const begin = -Math.PI / 2 + (i * Math.PI) / 2 + gap;
      const whole = Math.PI / 2 - 2 * gap;
      pen.beginPath();
      pen.arc(place.x, place.y, place.r + width, begin, begin + whole);
      pen.strokeStyle = of.track;
      pen.stroke();
      if (place[name] < 1) return;
      pen.beginPath();
      pen.arc(place.x, place.y, place.r + width, begin, begin + (whole * place[name]) / 100);
      pen.strokeStyle = of[name];
      pen.stroke();
    });
  }

  return { colours, sheets, fitting, zone, moodWord, moodStep, ringWidth, RESOURCES };
})();

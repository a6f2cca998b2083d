// Where memories of a picture lie, how ties bend, and which names fit: from figures to figures, without the page.
"use strict";

const layout = (() => {
  const RING = 130;
  const ROOM = 34;
  const TICKS = 200;
  const CHARACTER = 6.8;
  const LINE = 15;

  const radius = (node) => (node.depth === 0 ? 13 : 6) + 8 * node.importance;

  /** Puts `x` and `y` on nodes: the middle at 0, the others in rings by their distance. Edges' ends become nodes. */
  function place(nodes, edges) {
    const rings = [];
    for (const node of nodes) (rings[node.depth] ??= []).push(node);
    const reach = [0];
    for (let depth = 1; depth < rings.length; depth++) {
      // As far out as all of a ring have room beside one another.
      reach.push(Math.max(reach[depth - 1] + RING, (rings[depth].length * ROOM) / (2 * Math.PI)));
    }
    begin(nodes, edges, reach);
    d3.forceSimulation(nodes)
      .force("ties", d3.forceLink(edges).id((node) => node.id).strength((edge) => 0.03 * edge.strength).distance(60))
      .force("apart", d3.forceManyBody().strength(-150).distanceMax(500))
      .force("ring", d3.forceRadial((node) => reach[node.depth]).strength(0.8))
      .force("room", d3.forceCollide((node) => radius(node) + 9))
      .stop()
      .tick(TICKS);
    bend(edges);
  }

  /** All around the middle, each near the one that it is most strongly tied to of those a step nearer. */
  function begin(nodes, edges, reach) {
    const byId = new Map(nodes.map((node) => [node.id, node]));
    const below = new Map(nodes.map((node) => [node.id, []]));
    const placed = new Set();
    for (const edge of edges) { // the strongest first
      const [a, b] = [byId.get(edge.source), byId.get(edge.target)];
      const [near, far] = a.depth < b.depth ? [a, b] : [b, a];
      if (far.depth !== near.depth + 1 || placed.has(far.id)) continue;
      placed.add(far.id);
      below.get(near.id).push(far);
    }
    const leaves = (node) => Math.max(1, below.get(node.id).reduce((sum, one) => sum + leaves(one), 0));
    const spread = (node, from, to) => {
      const angle = (from + to) / 2;
      node.x = reach[node.depth] * Math.cos(angle);
      node.y = reach[node.depth] * Math.sin(angle);
      const share = (to - from) / leaves(node);
      for (const one of below.get(node.id)) {
        const next = from + share * leaves(one);
        spread(one, from, next);
        from = next;
      }
    };
    if (nodes.length) {
      spread(nodes[0], 0, 2 * Math.PI);
      Object.assign(nodes[0], { x: 0, y: 0, fx: 0, fy: 0 });
    }
  }

  /** Ties between the same two lie beside one another: `bend` is how far a tie's middle is off the straight line. */
  function bend(edges) {
    const between = new Map();
    for (const edge of edges) {
      const key = [edge.source.id, edge.target.id].sort().join();
      if (!between.has(key)) between.set(key, []);
      between.get(key).push(edge);
    }
    for (const same of between.values()) {
      same.forEach((edge, i) => {
        const side = edge.source.id < edge.target.id ? 1 : -1;
        edge.bend = side * (i - (same.length - 1) / 2) * 26;
      });
    }
  }

  /** The path of a tie between places. */
  function path(edge, at) {
    const [a, b] = [at(edge.source), at(edge.target)];
    if (!edge.bend) return `M${a.x} ${a.y}L${b.x} ${b.y}`;
    const length = Math.hypot(b.x - a.x, b.y - a.y) || 1;
    const x = (a.x + b.x) / 2 - ((b.y - a.y) / length) * edge.bend;
    const y = (a.y + b.y) / 2 + ((b.x - a.x) / length) * edge.bend;
    return `M${a.x} ${a.y}Q${x} ${y} ${b.x} ${b.y}`;
  }

  /** The beginning of a text, at a word's end. */
  function beginning(text, longest) {
    const flat = text.replace(/\s+/g, " ").trim();
    if (flat.length <= longest) return flat;
    const cut = flat.slice(0, longest);
    return `${cut.slice(0, Math.max(cut.lastIndexOf(" "), longest / 2)).replace(/[\s,.;:]+$/, "")}…`;
  }

  const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;

  /** Ids of nodes whose names can be written below them at a scale without one lying on another or on a node. */
  function named(nodes, scale, longest) {
    const taken = nodes.map((node) => {
      const r = radius(node) * scale;
      const [x, y] = [node.x * scale, node.y * scale];
      return { id: node.id, left: x - r, right: x + r, top: y - r, bottom: y + r };
    });
    const found = new Set();
    for (const node of [...nodes].sort((a, b) => a.depth - b.depth || b.importance - a.importance)) {
      const half = (beginning(node.content, longest).length * CHARACTER) / 2;
      const [x, top] = [node.x * scale, (node.y + radius(node)) * scale + 2];
      const box = { id: node.id, left: x - half, right: x + half, top, bottom: top + LINE };
      if (taken.some((other) => other.id !== node.id && meet(box, other))) continue;
      taken.push({ ...box, id: null });
      found.add(node.id);
    }
    return found;
  }

  /** The node that lies nearest in a direction, `[dx, dy]` of −1 to 1, from another; itself when there is none. */
  function towards(nodes, from, [dx, dy]) {
    let [best, cost] = [from, Infinity];
    for (const node of nodes) {
      const [x, y] = [node.x - from.x, node.y - from.y];
      const along = x * dx + y * dy;
      const aside = Math.abs(x * dy - y * dx);
      if (node === from || along <= 0 || aside > 2 * along) continue;
      if (along + 2 * aside < cost) [best, cost] = [node, along + 2 * aside];
    }
    return best;
  }

  /** The box around all nodes. */
  function bounds(nodes) {
    const of = (sign, axis) => Math.max(...nodes.map((node) => sign * node[axis] + radius(node)));
    return { left: -of(-1, "x"), right: of(1, "x"), top: -of(-1, "y"), bottom: of(1, "y") };
  }

  /** Pixels that a name of so many characters needs on either side of its memory. */
  const half = (longest) => (longest * CHARACTER) / 2;

  return { place, path, beginning, named, towards, bounds, radius, half, LINE };
})();

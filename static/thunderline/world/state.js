// What the map and the lines know of a world: zones as objects, agents as columns of numbers, so that thousands of them
// cost no memory while they move. It begins with what the server drew and goes on with the events of `world:<id>`.
"use strict";

const worldState = (() => {
  const WITHIN_MS = 700; // how long a way within a zone takes, and one to another zone
  const BETWEEN_MS = 1600;
  const MOST = 20_000;
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  const TRIED = 24; // zones up to which several beginnings are tried

  /**
   * Where zones lie: neighbours near each other, none over another, few ways across one another. Always the same for the
   * same zones.
   */
  function layOut(zones, ways) {
    for (const zone of zones) zone.r = 16 + 2.4 * Math.sqrt(Math.min(2500, Math.max(9, zone.capacity)));
    const strides = zones.length > TRIED ? [1] : [1, 2, 3, 5, 7, 11].filter((each) => each === 1 || zones.length % each);
    let [best, least] = [null, Infinity];
    for (const stride of strides) {
      const tried = zones.map(({ r }) => ({ r }));
      settle(tried, ways, stride);
      const tangles = tangled(tried, ways);
      if (tangles < least) [best, least] = [tried, tangles];
    }
    zones.forEach((zone, i) => Object.assign(zone, { x: best[i].x, y: best[i].y }));
  }

  /** Let zones find their places from a ring, in which the next is so many places on. */
  function settle(zones, ways, stride) {
    const far = Math.max(...zones.map((zone) => zone.r), 1);
    zones.forEach((zone, i) => {
      const turn = (2 * Math.PI * ((i * stride) % zones.length)) / zones.length;
      Object.assign(zone, { x: Math.cos(turn) * far * zones.length * 0.5, y: Math.sin(turn) * far * zones.length * 0.32 });
    });
    const ties = ways.map(([source, target]) => ({ source, target }));
    d3.forceSimulation(zones)
      .force("ties", d3.forceLink(ties).distance((tie) => tie.source.r + tie.target.r + 34))
      .force("apart", d3.forceManyBody().strength(-9 * far).distanceMax(14 * far))
      .force("room", d3.forceCollide((zone) => zone.r + 28).iterations(2))
      .force("x", d3.forceX().strength(0.03))
      .force("y", d3.forceY().strength(0.05))
      .stop()
      .tick(zones.length > 300 ? 120 : 300);
  }

  /** How many ways cross each other or run under a zone that they do not lead to. */
  function tangled(zones, ways) {
    const side = (a, b, c) => Math.sign((b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x));
    let found = 0;
    ways.forEach(([a, b], i) => {
      for (const [c, d] of ways.slice(i + 1)) {
        if (new Set([a, b, c, d]).size < 4) continue;
        const [p, q, r, s] = [zones[a], zones[b], zones[c], zones[d]];
        if (side(p, q, r) !== side(p, q, s) && side(r, s, p) !== side(r, s, q)) found++;
      }
      zones.forEach((zone, n) => {
        if (n !== a && n !== b && apart(zones[a], zones[b], zone) < zone.r + 6) found++;
      });
    });
    return found;
  }

  /** Of a point from the line between two others. */
  function apart(a, b, c) {
    const [dx, dy] = [b.x - a.x, b.y - a.y];
    const share = Math.max(0, Math.min(1, ((c.x - a.x) * dx + (c.y - a.y) * dy) / (dx * dx + dy * dy || 1)));
    return Math.hypot(a.x + share * dx - c.x, a.y + share * dy - c.y);
  }

  const COLUMNS = {
    zone: Int32Array, mood: Float32Array, energy: Float32Array, active: Uint8Array, there: Uint8Array,
    x: Float32Array, y: Float32Array, // 0–100, within the zone
    px: Float32Array, py: Float32Array, // on the map, now
    fromX: Float32Array, fromY: Float32Array,
    since: Float64Array, takes: Float32Array, // of the way it is on; takes 0: it stands
  };

  function make(found) {
    let [zones, zoneOf, known, capacity] = [[], null, null, 0];
    const state = { apply, advance, placeX, placeY, renew };
    renew(found);

    /** Everything as the server has drawn it: nobody is on the way. Zones that are the same as before stay where they lie. */
    function renew({ world, zones: drawn, ways, agents }) {
      const before = new Map(zones.map(({ id, x, y, r }) => [id, { x, y, r }]));
      if (drawn.length === before.size && drawn.every(({ id }) => before.has(id))) {
        for (const zone of drawn) Object.assign(zone, before.get(zone.id));
      } else {
        layOut(drawn, ways);
      }
      zones = drawn;
      zoneOf = new Map(zones.map((zone, i) => [zone.id, i]));
      known = new Map(agents.id.map((id, i) => [id, i]));
      capacity = Math.max(64, Math.ceil(agents.id.length * 1.25));
      Object.assign(state, {
        world, zones, ways, zoneOf, known, n: agents.id.length, moving: 0, changed: true, painted: true,
        ids: agents.id, names: agents.name, activity: agents.activity,
      });
      for (const [name, Kind] of Object.entries(COLUMNS)) state[name] = new Kind(capacity);
      for (let i = 0; i < state.n; i++) {
        state.zone[i] = agents.zone[i];
        state.mood[i] = agents.mood100[i] / 100;
        state.energy[i] = agents.energy[i];
        state.active[i] = agents.active[i];
        state.there[i] = 1;
        state.x[i] = agents.x10[i] / 10;
        state.y[i] = agents.y10[i] / 10;
        state.px[i] = placeX(i);
        state.py[i] = placeY(i);
      }
    }

    function grow() {
      capacity *= 2;
      for (const name of Object.keys(COLUMNS)) {
        const larger = new state[name].constructor(capacity);
        larger.set(state[name]);
        state[name] = larger;
      }
    }

    // Zones are square and drawn round: the square is bent into the disc, so that it is full and nobody stands outside.
    function placeX(i) {
      const zone = zones[state.zone[i]];
      const u = state.x[i] / 50 - 1;
      const v = state.y[i] / 50 - 1;
      return zone.x + u * Math.sqrt(1 - (v * v) / 2) * 0.92 * zone.r;
    }

    function placeY(i) {
      const zone = zones[state.zone[i]];
      const u = state.x[i] / 50 - 1;
      const v = state.y[i] / 50 - 1;
      return zone.y + v * Math.sqrt(1 - (u * u) / 2) * 0.92 * zone.r;
    }

    /** The number of an agent; one that is not known yet is born here. */
    function numberOf(payload, zone) {
      const before = known.get(payload.agent_id);
      if (before !== undefined || state.n >= MOST) return before;
      if (state.n === capacity) grow();
      const i = state.n++;
      known.set(payload.agent_id, i);
      state.ids[i] = payload.agent_id;
      state.names[i] = payload.name;
      state.activity[i] = "";
      state.zone[i] = zone;
      state.active[i] = 1;
      state.energy[i] = 100;
      state.x[i] = state.y[i] = 50;
      state.px[i] = placeX(i);
      state.py[i] = placeY(i);
      return i;
    }

    /** Set off from where it is to where it stands now. */
    function go(i, takes) {
      if (calm.matches || document.hidden) {
        state.px[i] = placeX(i);
        state.py[i] = placeY(i);
        state.takes[i] = 0;
      } else {
        state.fromX[i] = state.px[i];
        state.fromY[i] = state.py[i];
        state.since[i] = performance.now();
        state.takes[i] = takes;
        state.moving++;
      }
      state.changed = true;
    }

    function ticked(payload, zone) {
      const i = numberOf(payload, zone);
      if (i === undefined) return;
      const far = state.zone[i] !== zone;
      const moves = far || Math.abs(state.x[i] - payload.x) > 0.05 || Math.abs(state.y[i] - payload.y) > 0.05;
      state.mood[i] = payload.mood;
      state.energy[i] = payload.energy;
      state.activity[i] = payload.activity;
      state.active[i] = state.there[i] = 1;
      state.changed = true;
      if (!moves) return;
      state.zone[i] = zone;
      state.x[i] = payload.x;
      state.y[i] = payload.y;
      go(i, far ? BETWEEN_MS : WITHIN_MS);
    }

    function entered(payload, zone) {
      const i = numberOf(payload, zone);
      if (i === undefined) return;
      zones[zone].agents = (zones[zone].agents ?? 0) + (state.there[i] && state.zone[i] === zone ? 0 : 1);
      const far = state.zone[i] !== zone;
      state.there[i] = 1;
      state.zone[i] = zone;
      if (far) go(i, BETWEEN_MS);
      state.changed = true;
    }

    function left(payload, zone) {
      const i = known.get(payload.agent_id);
      zones[zone].agents = Math.max(0, zones[zone].agents - 1);
      // Who has somewhere to go is on the way; who has not was archived.
      if (i !== undefined && payload.destination === null && state.zone[i] === zone) state.there[i] = 0;
      state.changed = true;
    }

    const HOW = {
      agent_ticked: ticked,
      agent_entered: entered,
      agent_left: left,
      agent_moved({ agent_id, position }, zone) {
        const i = known.get(agent_id);
        if (i === undefined || state.zone[i] !== zone) return;
        state.x[i] = position.x;
        state.y[i] = position.y;
        go(i, WITHIN_MS);
      },
      agent_changed({ agent_id, what, now }) {
        const i = known.get(agent_id);
        if (i === undefined || what !== "lifecycle") return;
        state.active[i] = now === "active" ? 1 : 0;
        if (now === "archived") state.there[i] = 0;
        state.changed = true;
      },
      environment_tick({ properties, resources, entropy, thermal }, zone) {
        Object.assign(zones[zone], properties, resources, { entropy, thermal });
        state.changed = state.painted = true;
      },
      climate_changed({ entropy, thermal }, zone) {
        Object.assign(zones[zone], { entropy, thermal });
        state.changed = state.painted = true;
      },
      resource_changed({ new_resources }, zone) {
        Object.assign(zones[zone], new_resources);
        state.changed = state.painted = true;
      },
    };

    function apply({ event, payload }) {
      const how = HOW[event];
      const zone = zoneOf.get(payload.zone_id);
      if (!how || zone === undefined) return;
      if (payload.tick > state.world.tick) state.world.tick = payload.tick;
      if (payload.world_tick > state.world.tick) state.world.tick = payload.world_tick;
      how(payload, zone);
    }

    /** Put everybody where they are at this moment. Allocates nothing: it is done for every frame. */
    function advance(now) {
      if (!state.moving) return;
      const { px, py, fromX, fromY, since, takes, n } = state;
      let moving = 0;
      for (let i = 0; i < n; i++) {
        if (takes[i] === 0) continue;
        const share = (now - since[i]) / takes[i];
        if (share >= 1) {
          takes[i] = 0;
          px[i] = placeX(i);
          py[i] = placeY(i);
        } else {
          const eased = share < 0 ? 0 : share * share * (3 - 2 * share);
          px[i] = fromX[i] + (placeX(i) - fromX[i]) * eased;
          py[i] = fromY[i] + (placeY(i) - fromY[i]) * eased;
          moving++;
        }
      }
      state.moving = moving;
    }

    return state;
  }

  return { make };
})();

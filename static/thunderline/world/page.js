// The page of a world: fetches the map and the last hour, then follows what happens and tells the parts of the page.
"use strict";

(() => {
  const box = document.getElementById("watch");
  const waits = document.getElementById("map-waits");
  const polls = document.getElementById("polls-live");
  const panel = () => document.getElementById("panel-heart");
  const AGAIN_MS = 3000;
  const TOLD_MS = 500;

  if (!window.d3 || !window.Phoenix) {
    waits.textContent = "The map cannot be drawn: its libraries were not installed. The zones are listed below.";
    return;
  }

  async function fetched(address) {
    const answer = await fetch(address, { headers: { Accept: "application/json" } });
    if (!answer.ok || answer.redirected) throw new Error(`answer ${answer.status}`);
    return answer.json();
  }

  async function begin() {
    let found;
    try {
      found = await fetched(box.dataset.map);
    } catch {
      waits.textContent = "The map could not be fetched. It is asked for again by itself; the zones are listed below.";
      setTimeout(begin, AGAIN_MS);
      return;
    }
    waits.hidden = found.zones.length > 0;
    waits.textContent = found.zones.length ? "" : "There is no zone in this world yet.";
    watch(found);
  }

  function watch(found) {
    const canvas = document.getElementById("map-canvas");
    const state = worldState.make(found);
    const map = worldMap.make(canvas, state);
    const pointer = pointing.make(map, document.getElementById("map"));
    const stories = feed.make(document.getElementById("feed"), found.zones);
    const line = () => fetched(box.dataset.pulse).then(beats.fill).catch(() => setTimeout(line, AGAIN_MS));
    const beats = pulse.make(panel, state, line);
    line();
    // Read by who measures.
    window.watching = { map, state, stories };

    let following = null;
    follow(found.position);

    function follow(from) {
      following = live.follow(`world:${box.dataset.world}`, { from, onBatch: happened, onResync: renew });
    }

    function happened(events) {
      for (const event of events) {
        state.apply(event);
        stories.take(event);
        if (event.event === "agent_ticked") beats.ticked();
      }
      if (state.changed) map.redraw();
    }

    /** It was away for longer than can be made up for: go on from the world as it is now. */
    async function renew() {
      following.stop();
      let drawn;
      try {
        drawn = await fetched(box.dataset.map);
      } catch {
        setTimeout(renew, AGAIN_MS);
        return;
      }
      map.renew(drawn);
      stories.meet(drawn.zones);
      line();
      polls.value = ""; // the stories that were missed come with the panels
      htmx.trigger(document.body, "refresh");
      told();
      follow(drawn.position);
    }

    live.follow("system:domain_tick", { onBatch: beats.beats });
    setInterval(() => {
      if (!document.hidden) pointer.refresh();
    }, TOLD_MS);

    document.getElementById("map-shades").addEventListener("change", ({ target }) => {
      map.shade = target.value;
      for (const scale of document.querySelectorAll("[data-shade]")) scale.hidden = scale.dataset.shade !== target.value;
      map.repaint();
    });
    const told = () => (polls.value = live.state === "live" ? "1" : "");
    document.addEventListener("live:state", told);
    document.addEventListener("htmx:oobAfterSwap", ({ detail }) => {
      if (detail.target.id === "panel-heart") beats.render();
      if (detail.target.id === "panel-stories") stories.read();
    });
    told();
  }

  begin();
})();

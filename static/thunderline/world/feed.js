// Stories as they happen. Nobody reads hundreds a second: each second the latest few that fit the filters are told, and
// how many there were besides. What is kept is bounded, and so is what is shown, however long the page is open.
"use strict";

const feed = (() => {
  const KEPT = 500;
  const SHOWN = 60;
  const A_SECOND = 3;

  const KINDS = {
    agent_ticked: ({ narrative, action, name, agent_id }) => ({ text: narrative, kind: action, name, agent: agent_id }),
    environment_tick: ({ narrative, happening }) => narrative && { text: narrative, kind: happening ?? "environment" },
    said: ({ text, name, agent_id }) => ({ text: `“${text}”`, kind: "said", name, agent: agent_id }),
    broadcast: ({ text, name, agent_id }) => text && { text: `“${text}”`, kind: "broadcast", name, agent: agent_id },
    notice_written: ({ text, author }) => ({ text: `“${text}”`, kind: "notice", name: author }),
  };

  function make(box, zones) {
    const [zoneBox, kindBox, agentBox] = ["zone", "kind", "agent"].map((name) => box.querySelector(`#feed-${name}`));
    const scroller = box.querySelector("#feed-told");
    const newer = box.querySelector("#feed-newer");
    const pause = box.querySelector("#feed-pause");
    const rest = box.querySelector("#feed-rest");
    const nameOf = new Map();
    const kinds = new Set();
    let kept = []; // oldest first
    let waiting = []; // not told yet
    let unseen = 0;
    let held = false;
    let newest = 0; // position of the newest story that the list has from the server

    const list = () => box.querySelector("ol.stories");
    const fits = (story) => (!zoneBox.value || story.zone === zoneBox.value) && (!kindBox.value || story.kind === kindBox.value)
      && (!agentBox.value || story.name?.toLowerCase().includes(agentBox.value.trim().toLowerCase()));

    function element(name, properties = {}, ...inside) {
      const made = Object.assign(document.createElement(name), properties);
      made.append(...inside);
      return made;
    }

    function item(story) {
      const time = element("time", { dateTime: new Date(story.at).toISOString(), title: new Date(story.at).toLocaleString("en-GB") });
      time.textContent = relative(Date.now() + ahead - story.at);
      const who = story.agent ? element("a", { href: `/agents/${story.agent}/`, textContent: story.name }) : story.name;
      const where = element("a", { href: `/zones/${story.zone}/`, textContent: nameOf.get(story.zone) });
      return element("li", {}, element("p", { textContent: story.text }),
        element("p", { className: "meta" }, ...(who ? [who, " in "] : ["in "]), where, ` · ${story.kind.replaceAll("_", " ")} · `, time));
    }

    function know(kind) {
      if (kinds.has(kind) || kinds.size > 200) return;
      kinds.add(kind);
      const option = element("option", { value: kind, textContent: kind.replaceAll("_", " ") });
      const after = [...kindBox.options].slice(1).find((each) => each.value > kind) ?? null;
      kindBox.insertBefore(option, after);
    }

    function take({ event, payload, seq, at }) {
      const story = seq > newest && KINDS[event]?.(payload);
      if (!story || !nameOf.has(payload.zone_id)) return;
      waiting.push({ ...story, zone: payload.zone_id, at: at * 1000 });
      if (waiting.length > 2 * KEPT) waiting.splice(0, waiting.length - KEPT);
    }

    /** Once a second: tell some of what came. */
    function tell() {
      if (!waiting.length) return;
      const came = waiting;
      waiting = [];
      for (const story of came) know(story.kind);
      kept.push(...came.slice(-KEPT));
      if (kept.length > KEPT) kept.splice(0, kept.length - KEPT);
      const fitting = came.filter(fits);
      if (held || scroller.scrollTop > 40) {
        unseen += fitting.length;
        newer.textContent = `${charts.figure(unseen, 0, "")} newer`;
        newer.hidden = !unseen;
        return;
      }
      const some = fitting.slice(-A_SECOND);
      list().querySelector(".empty")?.remove();
      list().prepend(...some.reverse().map(item));
      while (list().children.length > SHOWN) list().lastElementChild.remove();
      const left = fitting.length - some.length;
      rest.hidden = !left;
      rest.textContent = left ? `and ${charts.figure(left, 0, "")} more in the last second: choose a zone, a kind or an agent to read them all` : "";
    }

    /** The list anew, from what is kept. */
    function render() {
      const stories = kept.filter(fits).slice(-SHOWN).reverse();
      const none = element("li", { className: "empty", textContent: "Nothing like this has been told lately." });
      list().replaceChildren(...(stories.length ? stories.map(item) : [none]));
      unseen = 0;
      newer.hidden = true;
      rest.hidden = true;
    }

    /** Zones that stories may be of. */
    function meet(some) {
      for (const { id, name } of some) {
        if (!nameOf.has(id)) zoneBox.append(element("option", { value: id, textContent: name }));
        nameOf.set(id, name);
      }
    }

    /** What the server wrote is where the feed begins, and where it goes on after polls wrote it meanwhile. */
    function read() {
      kept = [];
      for (const each of [...list().querySelectorAll("li[data-zone]")].reverse()) {
        const { zone, kind, agent, name } = each.dataset;
        const at = Date.parse(each.querySelector("time").dateTime);
        kept.push({ text: each.firstElementChild.textContent, kind, zone, agent, name, at });
        know(kind);
        newest = Math.max(newest, Number(each.dataset.position));
      }
    }

    meet(zones);
    read();
    box.querySelector("#feed-filters").hidden = pause.hidden = false;
    box.querySelector("#feed-filters").addEventListener("submit", (event) => event.preventDefault());
    box.querySelector("#feed-filters").addEventListener("input", render);
    newer.addEventListener("click", () => {
      scroller.scrollTop = 0;
      render();
    });
    pause.addEventListener("click", () => {
      held = !held;
      pause.textContent = held ? "Go on" : "Hold";
      pause.setAttribute("aria-pressed", held);
      if (!held) render();
    });
    setInterval(tell, 1000);
    return {
      take, read, meet,
      get size() {
        return kept.length + waiting.length;
      },
    };
  }

  return { make };
})();

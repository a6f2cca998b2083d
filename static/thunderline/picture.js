// The picture of what is around a memory: SVG that is dragged, zoomed and gone through with the keyboard. The list
// beside it has the same memories as links; what is chosen in the picture follows the link of the list, and when the
// list has come, the picture goes over to it.
"use strict";

(() => {
  const box = document.getElementById("picture");
  const list = document.getElementById("around");
  const svg = box.querySelector(".canvas svg");
  const waits = box.querySelector(".waits");
  const glimpse = box.querySelector(".glimpse");
  box.hidden = false;
  if (!window.d3) {
    waits.textContent = "The picture cannot be drawn: its library was not installed. The list has the same.";
    return;
  }

  const make = (name, attributes = {}, parent = null) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    parent?.append(made);
    return made;
  };
  const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches || document.hidden;
  const world = make("g", {}, svg);
  const ties = make("g", { class: "ties", "aria-hidden": "true" }, world);
  const dots = make("g", { class: "dots-of" }, world);

  let nodes = [];
  let edges = [];
  let drawn = new Map(); // id → the group of a memory
  let lines = []; // paths, as `edges`
  let places = new Map(); // where memories lay last
  let current = null; // the memory that the keyboard is on
  let chosenHere = false;
  let touched = false;
  let asking = null;

  // --- Looking -----------------------------------------------------------------------------------------------

  let framed = true; // all is in view, and stays so when the window changes
  const zoom = d3.zoom().scaleExtent([0.15, 5]).on("zoom", (event) => {
    world.setAttribute("transform", event.transform);
    svg.style.setProperty("--k", event.transform.k);
    if (event.sourceEvent) framed = false;
  }).on("end", name);
  const view = d3.select(svg).call(zoom);
  const moving = () => (still() ? view : view.transition().duration(350));

  const longest = () => (svg.clientWidth < 560 ? 16 : 26);

  function fit(at = moving()) {
    if (!nodes.length || !svg.clientWidth) return;
    const of = layout.bounds(nodes);
    const [wide, high] = [svg.clientWidth - 2 * layout.half(longest()), svg.clientHeight - 3 * layout.LINE];
    const k = Math.min(1.5, wide / (of.right - of.left), high / (of.bottom - of.top));
    const x = (svg.clientWidth - k * (of.left + of.right)) / 2;
    const y = (svg.clientHeight - layout.LINE - k * (of.top + of.bottom)) / 2;
    framed = true;
    at.call(zoom.transform, d3.zoomIdentity.translate(x, y).scale(k));
  }

  function nearer(factor) {
    framed = false;
    moving().call(zoom.scaleBy, factor);
  }

  function name() {
    const fitting = layout.named(nodes, d3.zoomTransform(svg).k, longest());
    for (const node of nodes) {
      const group = drawn.get(node.id);
      if (!group) continue;
      group.classList.toggle("unnamed", !fitting.has(node.id));
      group.querySelector("text").textContent = layout.beginning(node.content, longest());
    }
  }

  box.querySelector(".zoom").addEventListener("click", (event) => {
    const { zoom: way } = event.target.dataset;
    if (way === "fit") fit();
    else if (way) nearer(way === "in" ? 1.4 : 1 / 1.4);
  });
  new ResizeObserver(() => framed && fit(view)).observe(svg);

  // --- Drawing -----------------------------------------------------------------------------------------------

  function draw(found) {
    nodes = found.nodes;
    edges = found.edges.map((edge) => ({ ...edge }));
    const from = places;
    layout.place(nodes, edges);
    places = new Map(nodes.map((node) => [node.id, { x: node.x, y: node.y }]));
    current = nodes[0];
    ties.replaceChildren();
    dots.replaceChildren();
    lines = edges.map((edge) => tie(edge));
    drawn = new Map(nodes.map((node) => [node.id, dot(node)]));
    legend(found);
    show(current);
    waits.hidden = true;
    const frame = (share) => {
      const at = (node) => between(from.get(node.id) ?? node, node, share);
      edges.forEach((edge, i) => lines[i].setAttribute("d", layout.path(edge, at)));
      for (const node of nodes) {
        const { x, y } = at(node);
        drawn.get(node.id).setAttribute("transform", `translate(${x} ${y})`);
      }
    };
    move(from.size && !still() ? frame : null, frame);
    fit(from.size ? moving() : view);
    name();
    if (chosenHere) drawn.get(current.id).focus({ preventScroll: true });
    chosenHere = false;
  }

  const between = (a, b, share) => ({ x: a.x + (b.x - a.x) * share, y: a.y + (b.y - a.y) * share });

  let moves = 0;
  function move(frame, last) {
    const mine = ++moves;
    const begun = performance.now();
    const step = (now) => {
      if (mine !== moves) return;
      const share = Math.min(1, (now - begun) / 400);
      frame(share * (2 - share));
      if (share < 1) requestAnimationFrame(step);
    };
    if (frame) requestAnimationFrame(step);
    last(frame ? 0 : 1);
  }

  function tie(edge) {
    const line = make("path", { class: `tie ${edge.relation}`, "stroke-width": (0.8 + 4 * edge.strength).toFixed(2) }, ties);
    const words = box.querySelector(`[data-relation="${edge.relation}"]`)?.textContent.trim() ?? edge.relation;
    make("title", {}, line).textContent = `${words}, ${Math.round(100 * edge.strength)} %`;
    return line;
  }

  function dot(node) {
    const group = make("g", {
      class: `memory ${node.kind}${node.depth ? "" : " root"}`, tabindex: node.depth ? -1 : 0, role: "link",
      "aria-label": node.content, "data-id": node.id,
    }, dots);
    const r = layout.radius(node);
    make("circle", { class: "reach", r: Math.max(r + 6, 16) }, group);
    make("circle", { class: `dot-of ${node.kind}`, r }, group);
    make("text", { y: r, "aria-hidden": "true" }, group);
    return group;
  }

  function legend(found) {
    const there = (key, values) => {
      for (const item of box.querySelectorAll(`[data-${key}]`)) item.hidden = !values.has(item.dataset[key]);
    };
    there("relation", new Set(found.edges.map((edge) => edge.relation)));
    there("kind", new Set(found.nodes.map((node) => node.kind)));
    const left = found.ties - found.edges.length;
    box.querySelector(".more-ties").textContent = left ? `${left} weaker ties are left out.` : "";
  }

  // --- A memory that is looked at ----------------------------------------------------------------------------

  function show(node) {
    const about = document.createElement("p");
    about.className = "meta";
    const time = document.createElement("time");
    time.dateTime = node.at;
    time.title = new Date(node.at).toLocaleString();
    const beside = edges.filter((edge) => edge.source === node || edge.target === node).length;
    about.append(`${node.depth ? node.kind : `In the middle · ${node.kind}`} · `, time, ` · ${beside} ${beside === 1 ? "tie" : "ties"} here`);
    const text = document.createElement("p");
    text.className = "remembered";
    text.textContent = node.content;
    glimpse.replaceChildren(about, text);
    if (node.depth) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "Put it in the middle";
      button.addEventListener("click", () => go(node));
      glimpse.append(button);
    }
    tellTimes();
    const near = new Set([node.id]);
    edges.forEach((edge, i) => {
      const its = edge.source === node || edge.target === node;
      lines[i].classList.toggle("its", its);
      if (its) near.add(edge.source.id).add(edge.target.id);
    });
    for (const each of nodes) drawn.get(each.id).classList.toggle("far", !near.has(each.id));
    svg.classList.toggle("looks", node.depth > 0);
  }

  function go(node) {
    if (!node.depth) return;
    chosenHere = true;
    list.querySelector(`[data-memory="${node.id}"]`)?.click();
  }

  const nodeOf = (event) => {
    const id = event.target.closest?.(".memory")?.dataset.id;
    return nodes.find((node) => node.id === id);
  };

  svg.addEventListener("pointerdown", (event) => (touched = event.pointerType === "touch"), true);
  svg.addEventListener("pointerover", (event) => {
    const node = event.pointerType === "mouse" && nodeOf(event);
    if (node) show(node);
  });
  svg.addEventListener("pointerleave", () => current && !touched && show(current));
  svg.addEventListener("click", (event) => {
    const node = nodeOf(event);
    if (!node) return;
    // A finger does not hover: the first touch shows, and the button goes there.
    if (touched) stand(node);
    else go(node);
  });
  svg.addEventListener("focusin", (event) => {
    const node = nodeOf(event);
    if (node) stand(node);
  });

  /** The keyboard goes on from here, and what it is on is in view. */
  function stand(node) {
    drawn.get(current.id).setAttribute("tabindex", -1);
    current = node;
    drawn.get(node.id).setAttribute("tabindex", 0);
    show(node);
    const [x, y] = d3.zoomTransform(svg).apply([node.x, node.y]);
    const out = x < 20 || y < 20 || x > svg.clientWidth - 20 || y > svg.clientHeight - 20;
    if (out) moving().call(zoom.translateTo, node.x, node.y);
  }

  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  svg.addEventListener("keydown", (event) => {
    if (!current || event.ctrlKey || event.metaKey || event.altKey) return;
    const way = ARROWS[event.key];
    if (way && event.shiftKey) moving().call(zoom.translateBy, -60 * way[0], -60 * way[1]);
    else if (way) drawn.get(layout.towards(nodes, current, way).id).focus({ preventScroll: true });
    else if (event.key === "Enter" || event.key === " ") go(current);
    else if (event.key === "+" || event.key === "=") nearer(1.4);
    else if (event.key === "-") nearer(1 / 1.4);
    else if (event.key === "0") fit();
    else return;
    event.preventDefault();
  });

  // --- Fetching ----------------------------------------------------------------------------------------------

  async function load() {
    const address = list.querySelector("[data-graph]")?.dataset.graph;
    if (!address) return;
    asking?.abort();
    const mine = (asking = new AbortController());
    try {
      const answer = await fetch(address, { signal: mine.signal, headers: { Accept: "application/json" } });
      if (!answer.ok || answer.redirected) throw new Error(`answer ${answer.status}`);
      const found = await answer.json();
      if (mine === asking) draw(found);
    } catch (error) {
      if (error.name === "AbortError") return;
      waits.hidden = false;
      waits.textContent = "The picture could not be fetched. The list has the same; load the page again for the picture.";
    }
  }

  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target !== list) return;
    if (!chosenHere) document.getElementById("middle")?.focus({ preventScroll: true });
    load();
  });
  load();
})();

// The page's one line to the server: topics of the socket are followed through the Phoenix client, and what was missed
// while the line was cut comes by itself. Whether the page is up to date is told in the bar `#lost` and in the header.
//
//   const following = live.follow("world:…", { from: seq, params: {}, onBatch, onState, onResync, onRefused });
//   following.stop();
//
// `onBatch(events)` gets lists of `{event, seq, payload}`, each event once and in order. `from` is the number that what
// the page shows already is of; without it one begins with what comes. Every answer to a join goes to `onState(answer)`.
// `onResync(answer)`: more was missed than can be sent; fetch the state anew. `onRefused({reason, message})`: the server
// lets nobody in here who asks again. `document` hears "live:state" whenever `live.state` changes.
"use strict";

const live = (() => {
  const HIDDEN_MS = 60_000; // a tab that nobody looks at lets go of the line, and catches up when it is looked at
  const PATIENCE_MS = 1000; // a cut that is mended sooner is not told
  const TOLD_MS = 4000;
  const FINAL = new Set([
    "access_denied", "invalid_payload", "invalid_zone_id", "invalid_world_id", "not_found", "too_many_topics",
    "unmatched topic", "world_not_found", "zone_not_found",
  ]);
  const WORDS = { live: "Live", "catching up": "Catching up", lost: "Lost", waiting: "" };

  const bar = document.getElementById("lost");
  const sign = document.getElementById("live");
  const followed = new Map(); // topic → Topic
  let socket = null;
  let state = "waiting";
  let heardAt = Date.now();
  let cutAt = null;
  let resting = false;
  let pollsFail = false;
  let tellTimer = 0;
  let failed = false;
  let told = false;

  // --- What is told ------------------------------------------------------------------------------------------

  function now() {
    if (pollsFail) return "lost";
    if (!socket || !followed.size || resting) return "waiting";
    if (!socket.isConnected()) return state === "waiting" && !failed ? "waiting" : "lost";
    return [...followed.values()].every((topic) => topic.settled) ? "live" : "catching up";
  }

  function look() {
    const is = now();
    if (is === state) return;
    const was = state;
    state = is;
    document.documentElement.dataset.live = is;
    if (sign) sign.textContent = WORDS[is];
    if (is !== "live") cutAt ??= heardAt;
    clearTimeout(tellTimer);
    if (is === "live" || is === "waiting") {
      if (told) say("Up to date again.", TOLD_MS);
      told = false;
      if (is === "live") cutAt = null;
    } else if (told) {
      say(sentence(is));
    } else {
      tellTimer = setTimeout(() => {
        told = true;
        say(sentence(state));
      }, was === "waiting" ? 3 * PATIENCE_MS : PATIENCE_MS);
    }
    document.dispatchEvent(new CustomEvent("live:state", { detail: { state: is, since: cutAt } }));
  }

  function sentence(is) {
    const since = document.createElement("time");
    since.dateTime = new Date((cutAt ?? heardAt) + ahead).toISOString();
    return is === "lost"
      ? ["No answer from Thunderline. What you see is from ", since, "; this page goes on trying."]
      : ["Thunderline answers: catching up with what happened since ", since, "."];
  }

  function say(words, ms = 0) {
    bar.hidden = false; // before the words: what appears with its words already there is not read out
    bar.classList.toggle("mended", ms > 0);
    bar.firstElementChild.replaceChildren(...[words].flat());
    tellTimes();
    clearTimeout(say.timer);
    if (ms) say.timer = setTimeout(() => (bar.hidden = true), ms);
  }

  // --- Following ---------------------------------------------------------------------------------------------

  class Topic {
    constructor(name, params, from) {
      this.name = name;
      this.seq = from;
      this.settled = false;
      this.followers = new Set();
      this.channel = socket.channel(name, () => ({
        ...params, batch: true, caught_up: true, ...(this.seq === null ? {} : { since: this.seq }),
      }));
      this.channel.on("batch", ({ events }) => this.take(events));
      this.channel.on("caught_up", ({ seq }) => {
        this.seq = seq;
        this.settled = true;
        look();
      });
      this.channel.onError(() => this.cut());
      this.channel.join()
        .receive("ok", (answer) => this.joined(answer))
        .receive("error", (why) => this.refused(why));
    }

    joined(answer) {
      if (this.seq === null || answer.resync) this.seq = answer.seq;
      for (const each of this.followers) {
        if (answer.resync) each.onResync?.(answer);
        each.onState?.(answer);
      }
      look();
    }

    refused(why) {
      if (!FINAL.has(why.reason)) return; // the client asks again
      followed.delete(this.name);
      this.channel.leave();
      for (const each of this.followers) each.onRefused?.(why);
      look();
    }

    cut() {
      this.settled = false;
      look();
    }

    take(events) {
      const fresh = this.seq === null ? events : events.filter((event) => event.seq > this.seq);
      if (!fresh.length) return;
      this.seq = fresh[fresh.length - 1].seq;
      for (const each of this.followers) each.onBatch?.(fresh);
    }
  }

  function connect() {
    if (socket || !window.Phoenix) return;
    socket = new Phoenix.Socket("/socket", {
      heartbeatIntervalMs: 5000, // twice that is how long a dead line is not noticed
      // Everybody comes back after a restart: not all at the same moment.
      reconnectAfterMs: (tries) => ([150, 500, 1000, 2000][tries - 1] ?? 4000) * (0.75 + Math.random() / 2),
      rejoinAfterMs: (tries) => [500, 1000, 2000][tries - 1] ?? 5000,
    });
    socket.onOpen(() => {
      failed = false;
      look();
    });
    socket.onClose(look);
    socket.onError(() => {
      failed = true;
      look();
    });
    socket.onMessage(() => (heardAt = Date.now()));
    socket.connect();
  }

  function follow(name, { from = null, params = {}, ...follower }) {
    connect();
    if (!socket) return { channel: null, seq: from, stop() {} };
    const before = followed.get(name);
    const topic = before ?? new Topic(name, params, from);
    followed.set(name, topic);
    topic.followers.add(follower);
    // Others began earlier: what they have had already is not sent again.
    if (before && from !== null && topic.seq > from) follower.onResync?.({ seq: topic.seq });
    look();
    return {
      channel: topic.channel,
      get seq() {
        return topic.seq;
      },
      stop() {
        topic.followers.delete(follower);
        if (topic.followers.size || followed.get(name) !== topic) return;
        followed.delete(name);
        topic.channel.leave();
        look();
      },
    };
  }

  // --- What the page tells -----------------------------------------------------------------------------------

  function polled(answered) {
    if (answered) heardAt = Date.now();
    pollsFail = !answered;
    look();
  }

  function rest() {
    resting = true;
    cutAt = heardAt;
    socket.disconnect();
    look();
  }

  let hideTimer = 0;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hideTimer);
    if (!socket) return;
    if (document.hidden) {
      hideTimer = setTimeout(rest, HIDDEN_MS);
    } else if (resting) {
      resting = false;
      socket.connect();
    }
  });
  addEventListener("online", () => {
    if (!socket || socket.isConnected() || document.hidden) return;
    socket.disconnect(); // or it would wait for its next try
    socket.connect();
  });

  return {
    follow, polled,
    get state() {
      return state;
    },
  };
})();

// The real Phoenix client, unmodified, for tests in Python: tests/phoenix.py starts this and speaks with it.
//
// Each line of standard input is a command {"id", "do", …}; each is answered by one line {"id", "ok"} or {"id", "error"}.
// Whatever happens without being asked for is a line {"told", …}, in the order in which the client saw it.
// Ends with its input.

import {createInterface} from "node:readline"
import {Presence, Socket} from "phoenix"
import WebSocket from "ws"

const channels = []
let socket = null

const say = (line) => process.stdout.write(JSON.stringify(line) + "\n")

// With headers that a browser would send by itself: its cookies and its origin. Not Node 20's own WebSocket: it does not
// tell of a connection that could not be made, so that the client never tries again.
const transport = (headers) => class extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols, {headers: headers ?? {}})
  }
}

const outcome = (push) => new Promise((resolve) => {
  for (const status of ["ok", "error", "timeout"]) {
    push.receive(status, (response) => resolve({status, response: response ?? {}}))
  }
})

const commands = {
  // Answers once the first connection is open; how it goes on after that is told.
  connect: ({url, params, options, headers}) => new Promise((resolve) => {
    socket = new Socket(url, {...options, params, transport: transport(headers)})
    socket.onOpen(() => { say({told: "open"}); resolve({}) })
    socket.onClose(({code, reason}) => say({told: "close", code, reason}))
    socket.onError((error) => say({told: "error", error: String(error?.message ?? error)}))
    socket.connect()
  }),

  // `resume`: as an application does that wants every event once, each rejoin asks for what came after the last one seen.
  join: ({topic, params, resume, timeout}) => {
    let last = params.since ?? null
    const channel = socket.channel(topic, () => resume && last !== null ? {...params, since: last} : params)
    const number = channels.length
    const kept = {channel, presence: new Presence(channel)}
    channels.push(kept)
    const see = (seq) => { if (Number.isInteger(seq)) last = seq }
    channel.onMessage = (event, payload) => {
      if (event === "phx_reply" || event.startsWith("chan_reply_")) return payload
      say({told: "event", channel: number, event, payload})
      if (event === "batch") payload.events.forEach(({seq}) => see(seq)); else see(payload?.seq)
      return payload
    }
    kept.presence.onJoin((key, before, now) => say({told: "came", channel: number, key, metas: now.metas}))
    kept.presence.onLeave((key, now, gone) => say({told: "went", channel: number, key, metas: gone.metas}))
    kept.presence.onSync(() => say({told: "synced", channel: number, keys: kept.presence.list((key) => key)}))
    const push = channel.join(timeout)
    push.receive("ok", (response) => {
      if (last === null || response.resync) see(response.seq)
      say({told: "joined", channel: number, response})
    })
    push.receive("error", (response) => say({told: "refused", channel: number, response}))
    return outcome(push).then((answer) => {
      if (answer.status !== "ok") channel.leave() // it would try again for ever
      return {channel: number, ...answer}
    })
  },

  push: ({channel, event, payload, timeout}) => outcome(channels[channel].channel.push(event, payload, timeout)),
  leave: ({channel, timeout}) => outcome(channels[channel].channel.leave(timeout)),
  presence: ({channel}) => channels[channel].presence.list((key, {metas}) => ({key, metas})),
  state: ({channel}) => channels[channel].channel.state,
  disconnect: () => new Promise((resolve) => socket.disconnect(() => resolve({}))),

  // Source as an application has it. `heard(name)` makes a callback whose calls are told; `location` is where a page would be.
  run: ({source, names, location}) => {
    Object.assign(globalThis, {location, WebSocket})
    const heard = (name) => (payload) => say({told: "heard", name, payload})
    new Function("Socket", "heard", ...Object.keys(names), source)(Socket, heard, ...Object.values(names))
    return {}
  },
}

for await (const line of createInterface({input: process.stdin})) {
  const {id, do: verb, ...words} = JSON.parse(line)
  new Promise((resolve) => resolve(commands[verb](words))).then(
    (ok) => say({id, ok}),
    (error) => say({id, error: error.stack ?? String(error)}),
  )
}
process.exit(0)

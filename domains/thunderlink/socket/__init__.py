"""The socket at `/socket/websocket`: Phoenix Channels v2, so that its clients work as they are.

`connection` is one client, `wire` what goes over the line, `channel` what a topic can do, and `topics` those that show
the log. `feeds` reads each watched stream once a process and hands it to all who watch; `hub` is what a web process has
once. Doors for what clients push are declared where their domain lives, as subclasses of `channel.Channel`.
"""

"""The running system: one supervisor (supervisord) for the embedded servers and the processes of the
application.

- `programs`: what runs, and in which order it starts and stops
- `configuration`: the same as supervisord reads it
- `supervisor`: supervisord as a process, and what it can be asked
- `system`: `manage.py up` from the first check to the last process's end
- `checks`: what can be seen to fail before anything is started
- `logs`, `terminal`: the log files as one stream on the terminal
- `operator_account`: the first account
- `child`: the first thing each program runs
- `reload`: restarts the application when its source changes"""

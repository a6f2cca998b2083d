"""One agent on its way between instances: with memories, mods, messages and history, in one file with a checksum.

    format    the lines of an agent file: what each may say
    reading   the file as a whole: checksum, order, what refers to what; record by record
    exporting a living agent → file
    importing file → a living agent, in one transaction
    command   `manage.py agents export` and `import`

Whatever the agent has lived through, no more than some thousand lines of it are in memory at once.
"""

"""World files: a whole world in one YAML file. Read, checked, compared with what lives, applied, written again.

    reading   YAML text → `WorldFile`, or every mistake with its place
    schema    what a world file may say
    checks    what must hold across the whole file
    planning  file and living world → what would change (no writes)
    loading   applying a plan, resetting and deleting, one transaction each
    rows      changing the agents of a world, many at once
    exporting a living world → file

What a file states, it rules: loading sets it. What it leaves out stays as somebody has set it since, unless the file
stated it the last time that it was loaded; then it goes back to its default. What lives (stats, mood, progress,
memories, ticks, places, the weather) comes from the file only at birth and at a reset.
"""

"""Who did what to which object, from where, before and after. Written by triggers, whatever writes; see `triggers`."""

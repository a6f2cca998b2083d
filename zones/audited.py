"""Worlds and zones as people set them up, not as they live."""

from domains.audit import watch

watch("worlds", "name", "description", "owner_id", "access", "seed", "status", "rate")
watch("worlds_members", "world_id", "user_id")
watch("pac_zones", "world_id", "owner_id", "name", "description", "capacity", "permissions", "closed", "movement_cost",
      "interaction_range", "regeneration", "spawning", "environment_interval")  # fmt: skip
watch("zone_neighbours", "zone_id", "other_id", "permeability")

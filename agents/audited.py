"""What agents are, not what happens to them: columns that ticks set are in the tick log."""

from domains.audit import watch

watch("pac_agents", "world_id", "name", "description", "lifecycle", "openness", "conscientiousness", "extraversion",
      "agreeableness", "neuroticism", "capabilities", "reasoner", "model", "temperature", "max_tokens",
      "system_prompt", "narrator", "movement_range", "tick_interval")  # fmt: skip
watch("pac_mods", "agent_id", "name", "kind", "effects", "expires_tick", "active")
watch("mind_endpoints", "name", "base_url", "model", "tier", "structured", "enabled", "timeout_s", "max_tries",
      "max_in_flight", "max_tokens", secret=["api_key"])  # fmt: skip
watch("mind_prices", "model", "prompt", "completion")
watch("mind_spending_caps", "scope", "target_id", "period", "measure", "most")
watch("mind_prompt_templates", "version", "system", "user", "active", "author", "note")
watch("mind_switch", "calls_allowed", "by", "reason")

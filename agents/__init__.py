"""PAC agents: what they are, how they perceive, decide, act, remember and tell their story."""

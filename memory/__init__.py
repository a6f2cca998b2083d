"""The vault: what agents remember, how it is embedded, and how it is found again."""

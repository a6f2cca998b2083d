"""Security: users now; keys, roles, audit and limits join them here."""

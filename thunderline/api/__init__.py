"""REST, `/api/v1`: one file per resource, each of thin views over the apps' actions and queries.

What all have in common: `door` (who may, in whose name), `requests` (what was sent, checked), `replies`, `problems`
(RFC 9457), `pages` (keyset cursors), `versions` (ETag and If-Match), `repeats` (Idempotency-Key), `operations` (what
is said of each in the OpenAPI document). Nothing here decides anything about worlds, agents or memories.
"""

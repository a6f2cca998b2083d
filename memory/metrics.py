from __future__ import annotations

from prometheus_client import Counter

stores = Counter("thunderline_memory_stores_total", "Memories stored")
searches = Counter("thunderline_memory_searches_total", "Searches of an agent's memories")

from __future__ import annotations

from prometheus_client import Counter

stores = Counter("thunderline_memory_stores_total", "Memories stored")
merges = Counter("thunderline_memory_merges_total", "Memories stored into an equal one of the same agent")
echoes = Counter("thunderline_memory_echoes_total", "Memories dropped for repeating what was just recalled")
searches = Counter("thunderline_memory_searches_total", "Searches of an agent's memories")
searches_across = Counter("thunderline_memory_searches_across_total", "Searches of all agents' memories at once")
recalls = Counter("thunderline_memory_recalls_total", "Recalls by agents")
recall_hits = Counter("thunderline_memory_recall_hits_total", "Recalls by agents that brought something of use")
embedded = Counter("thunderline_memory_embedded_total", "Memories embedded after they were stored")
embedding_failed = Counter(
    "thunderline_memory_embedding_failed_total", "Embeddings that failed, by class of error", ["error_class"]
)
forgotten = Counter("thunderline_memory_forgotten_total", "Memories removed")
near_duplicates = Counter("thunderline_memory_near_duplicates_total", "Memories that upkeep merged into others")
summaries = Counter("thunderline_memory_summaries_total", "Episodes that were summed up, by what did it", ["by"])
pruned = Counter("thunderline_memory_pruned_total", "Memories that upkeep removed, by reason", ["reason"])

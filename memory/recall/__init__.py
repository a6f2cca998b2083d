"""Finding again what an agent remembers: pure functions over all its memories. No database, no clock, no model.

How a score comes about. Arrays are `[memories]`, oldest first; `signatures.unpack` gives what the words need:

1. `question.parse`: the words that carry meaning, the spans of time that are named, the kind of answer that is wanted.
2. `words`, 0 to about 1: BM25 in which each word of the question stands for its near words too (`lexicon`, `bm25`).
   How many memories hold a word is counted in the same pass, so there are no statistics that could drift.
3. `meaning`, −1 to 1: cosine to the words' vectors, each weighed by its rarity among this agent's memories (`meaning`).
4. `text` = words + ½·meaning. What was said before counts half as much as the memory itself, what was said after a
   quarter, each step further half of that; the best of an episode counts a fifth for all of it (`neighbours`).
5. What the text cannot say: the person named in the question said it, it was said near the time named, it holds a time
   or a number where one is asked for, it is itself only a question; and, lightly, recency, importance and ties.

`ranking.score` does 2 to 5. The parts are on one scale and do not depend on how many memories there are, so a plain
weighted sum fuses them (`fuse.Weights`), and the parts of a score add up to it. Figures: `docs/adr/0014-recall.md`.
"""

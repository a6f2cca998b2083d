"""How agents think with models: who is asked what, by which process, at what cost, and how the answer comes back.

`service` is the process (`manage.py reasoner`); it takes `thoughts` under a lease, asks through `client`, and applies
what comes back through the engine. `prompts` and `answers` are the pure ends: facts to question, text to decision.
`budget` and `endpoints` say what may be asked at all. No model is called within a transaction.
"""

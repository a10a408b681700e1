"""SQL over one object: the dialect of SelectObjectContent, and the process that runs it (docs/SELECT.md).

Nothing here is imported by a worker that nobody asks to select; the engine is by its own process alone.
"""

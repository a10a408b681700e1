"""Versions of objects that are not the current one: where they lie, how they come there, how they go."""

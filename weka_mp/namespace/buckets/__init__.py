"""Buckets: directories at the store's root, and what tells one from a later one of its name."""

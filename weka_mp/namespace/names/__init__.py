"""Keys and the names that they have on disk."""

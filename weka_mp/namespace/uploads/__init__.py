"""Uploads in parts, from their first request to the object that they become."""

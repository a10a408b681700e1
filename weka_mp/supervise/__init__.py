"""Processes of one service: the supervisor, its children, and the framed messages between them."""

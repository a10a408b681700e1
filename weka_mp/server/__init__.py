"""The S3 view's outer half: sockets, connections, bodies and limits, on trio.

What a request means is decided in `gateway`.
"""

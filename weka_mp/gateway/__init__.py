"""The S3 view's inner half: an S3 operation becomes a namespace call, and its result a response value.

Synchronous and without sockets: `server` runs it, inline or in a thread.
"""

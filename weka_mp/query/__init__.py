"""AWS's query protocol, as STS and IAM speak it, over what administration knows. Synchronous, without I/O of
its own: a request whose signature is good in, an XML document out. `operations` is where to begin.
"""

"""Measuring: the same work on several endpoints and directories, interleaved, beside the machine's floors.

Figures of different runs of a shared machine cannot be compared; those of one run can. So every target does
every step of every round in turn, and the floors (a raw loopback server, nginx, the backing file system)
are targets like the others.
"""

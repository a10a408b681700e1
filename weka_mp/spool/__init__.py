"""What waits on this node's disk for its receiver: lines that outlive whoever wrote them.

A `SpoolWriter` in each process appends, the one `SpoolReader` gives out batches and remembers how far the
receiver has them, a `Shipper` delivers them to a webhook with patience.
"""

from weka_mp.spool.reader import Batch, SpoolReader
from weka_mp.spool.shipping import Shipper
from weka_mp.spool.writer import SpoolWriter

__all__ = ["Batch", "Shipper", "SpoolReader", "SpoolWriter"]

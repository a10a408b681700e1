"""The logs of requests that buckets keep in other buckets: lines as AWS writes them, in spools of this node
until they are delivered as objects (docs/decisions/019-bucket-logging.md).
"""

from weka_mp.bucket_logs.book import LogBook
from weka_mp.bucket_logs.delivery import LogDelivery
from weka_mp.bucket_logs.line import Entry, encode
from weka_mp.bucket_logs.origin import Origin

__all__ = ["Entry", "LogBook", "LogDelivery", "Origin", "encode"]

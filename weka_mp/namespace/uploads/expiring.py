"""Uploads in parts that a rule of their bucket's lifecycle gave up."""

from __future__ import annotations

from collections.abc import Sequence

from weka_mp.errors import UploadMissing
from weka_mp.lifecycle import Rule, abort_of
from weka_mp.namespace.uploads.area import UploadArea
from weka_mp.namespace.uploads.listing import UploadsQuery, list_uploads
from weka_mp.values import BucketName

__all__ = ["abort_due"]


def abort_due(
    area: UploadArea, bucket: BucketName, rules: Sequence[Rule], now_ns: int, day_ns: int
) -> int:
    """Abort those that were begun too long ago, whatever goes on in them. Returns how many. now_ns: no later
    than it is, since the epoch; day_ns: what stands for a day.

    Raises BucketMissing.
    """
    if not any(rule.enabled and rule.abort_days is not None for rule in rules):
        return 0
    count, after = 0, (b"", "")
    while True:
        page = list_uploads(area, bucket, UploadsQuery(after=after))
        for upload in page.items:
            expiry = abort_of(rules, upload.key, upload.initiated_ns, day_ns)  # type: ignore[union-attr]
            if expiry is None or expiry.at_ns > now_ns:
                continue
            try:
                area.abort(bucket, upload.key, upload.upload_id)  # type: ignore[union-attr]
            except UploadMissing:
                continue  # ended meanwhile
            count += 1
        if page.next_after is None:
            return count
        after = page.next_after

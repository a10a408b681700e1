"""The XML document of tags in replies. Source: GetObjectTagging and GetBucketTagging of the S3 API."""

from __future__ import annotations

from collections.abc import Iterable

from weka_mp.s3.xml_elements import document
from weka_mp.s3.xml_text import escape

__all__ = ["tagging"]


def tagging(tags: Iterable[tuple[str, str]]) -> bytes:
    """Keys with their values, in the order given."""
    rows = (f"<Tag><Key>{escape(key)}</Key><Value>{escape(value)}</Value></Tag>" for key, value in tags)
    return document("Tagging", ["<TagSet>", *rows, "</TagSet>"])

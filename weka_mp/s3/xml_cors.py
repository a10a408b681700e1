"""The XML document of GetBucketCors. Source: the S3 API reference."""

from __future__ import annotations

from collections.abc import Iterable

from weka_mp.s3.cors import CorsRule
from weka_mp.s3.xml_elements import document
from weka_mp.s3.xml_text import escape

__all__ = ["cors_configuration"]


def _each(element: str, values: Iterable[str]) -> str:
    return "".join(f"<{element}>{escape(value)}</{element}>" for value in values)


def cors_configuration(rules: Iterable[CorsRule]) -> bytes:
    """The rules as they were put."""
    return document("CORSConfiguration", [_rule(rule) for rule in rules])


def _rule(rule: CorsRule) -> str:
    age = "" if rule.max_age is None else f"<MaxAgeSeconds>{rule.max_age}</MaxAgeSeconds>"
    name = "" if rule.id is None else f"<ID>{escape(rule.id)}</ID>"
    return (
        f"<CORSRule>{name}{_each('AllowedMethod', rule.methods)}{_each('AllowedOrigin', rule.origins)}"
        f"{_each('AllowedHeader', rule.headers)}{_each('ExposeHeader', rule.exposed)}{age}</CORSRule>"
    )

"""What the doctor says of each primitive."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from weka_mp.cli.diagnosis import primitive_findings
from weka_mp.store.interface import Primitives

ALL = Primitives(
    xattrs=True,
    xattr_bytes=60_000,
    unnamed_files=True,
    rename_noreplace=True,
    hard_links=True,
    reflink=True,
    copy_range=True,
    leases=True,
    ofd_locks=True,
    fine_times=True,
    change_grain_ns=0,
    file_handles=True,
    seek_hole=True,
    fallocate=True,
    immutable=True,
    immutable_stops=True,
)


def test_every_primitive_is_named() -> None:
    names = {finding.name for finding in primitive_findings(ALL)}
    assert names == {field.name for field in fields(Primitives)} - {"change_grain_ns"} | {"change_grain"}
    assert {finding.state for finding in primitive_findings(ALL)} == {"ok"}


@pytest.mark.parametrize(
    "field", [field.name for field in fields(Primitives) if field.type in (bool, "bool")]
)
def test_each_lack_has_a_cost_and_some_forbid_the_use(field: str) -> None:
    findings = {finding.name: finding for finding in primitive_findings(replace(ALL, **{field: False}))}
    assert findings[field].value == "no" and findings[field].cost
    assert findings[field].state == ("unusable" if field in ("xattrs", "ofd_locks") else "note")


def test_little_room_for_attributes_is_noted() -> None:
    findings = {finding.name: finding for finding in primitive_findings(replace(ALL, xattr_bytes=3500))}
    assert (findings["xattr_bytes"].state, findings["xattr_bytes"].value) == ("note", "3500")

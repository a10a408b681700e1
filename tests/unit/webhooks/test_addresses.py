"""Which addresses a webhook may reach, in every spelling that leads there."""

from __future__ import annotations

import pytest

from weka_mp.webhooks.addresses import refusal
from weka_mp.webhooks.target import Target, TargetRefused, parse_target

REFUSED = [
    "169.254.169.254", "169.254.170.2", "169.254.1.1", "0.0.0.0", "0.1.2.3", "224.0.0.1", "239.1.1.1",
    "255.255.255.255", "240.0.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192",
    "::", "fe80::1", "fe80::1%eth0", "febf::1", "fec0::1", "ff02::1", "fd00:ec2::254", "fd20:ce::254",
    "100::1",
    "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "::ffff:0.0.0.0", "::ffff:224.0.0.1",  # mapped
    "::169.254.169.254",  # compatible
    "::ffff:0:169.254.169.254", "::ffff:0:0:0",  # IPv4-translated
    "64:ff9b::169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe",  # NAT64
    "2002:a9fe:a9fe::1",  # 6to4
    "2001:0:a9fe:a9fe::1", "2001:0:4136:e378:8000:63bf:5601:5601",  # Teredo: server, and client (inverted)
    "2001:db8::5efe:169.254.169.254", "2001:db8::200:5efe:169.254.169.254",  # ISATAP
]  # fmt: skip
ALLOWED = [
    "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "8.8.8.8",
    "100.64.0.1", "fd00::1", "2001:db8::1", "2606:4700::1111", "64:ff9b::808:808", "192.0.2.1",
    "::ffff:0:10.0.0.1",
]  # fmt: skip


@pytest.mark.parametrize("address", REFUSED)
def test_refused(address: str) -> None:
    assert refusal(address) is not None


@pytest.mark.parametrize("address", ALLOWED)
def test_allowed(address: str) -> None:
    assert refusal(address) is None


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://h.example:8088/services/collector/raw?x=1", (True, "h.example", 8088,
         "/services/collector/raw?x=1")),
        ("http://127.0.0.1", (False, "127.0.0.1", 80, "/")),
        ("https://[::1]:9/a", (True, "::1", 9, "/a")),
        ("HTTPS://Host_1.internal./", (True, "host_1.internal.", 443, "/")),
    ],
)
def test_targets(url: str, target: tuple[bool, str, int, str]) -> None:
    assert parse_target(url) == Target(*target)


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "ftp://h/", "file:///etc/passwd", "gopher://h/", "https://", "https:///p", "https://h:0/",
        "https://h:99999/", "https://u:p@h/", "https://u@h/", "https://h/#f", "https://h/a b",
        "https://h/\r\nX: y",
        "https://h/\x1b", "https://h\t/", "https://hé/", "https://" + "h" * 300 + "/",
        "https://h/" + "x" * 2048,
        "https://-h/", "https://a..b/", "https://[::1/", "https://[fe80::1%25eth0]/",
        # Addresses in disguise: resolvers would take them.
        "http://2130706433/", "http://2852039166/", "http://0x7f.1/", "http://0x7f000001/", "http://017700000001/",
        "http://0251.0376.0251.0376/", "http://169.254.43518/", "http://127.1/", "http://0/", "http://1.2.3.4.5/",
        "http://169.254.169.254/latest/", "http://[::ffff:169.254.169.254]/", "http://0.0.0.0/", "http://[::]/",
        "http://[fd00:ec2::254]/", "http://169.254.169.254./",
    ],
)  # fmt: skip
def test_what_is_no_target(url: str) -> None:
    with pytest.raises(TargetRefused) as refused:
        parse_target(url)
    assert "\n" not in str(refused.value)
    assert "u:p" not in str(refused.value)


def test_logs_have_no_query() -> None:
    assert parse_target("https://h:8088/a?token=secret").shown == "https://h:8088/a"

"""Which layer wins, and what each layer refuses."""

import dataclasses
import re
from pathlib import Path

import pytest

from weka_mp.config import OPTIONS, Address, Config, ConfigError, check_together, load, read_file
from weka_mp.config.load import OTHER_VARIABLES

SAMPLES: dict[str, tuple[object, object, object, object]] = {
    # key: (flag, variable, TOML value, then the values these become)
    "store": ("/f", "/v", "/t", ("/f", "/v", "/t")),
    "mount": (["/f1", "/f2"], "/v1:/v2", ["/t"], (("/f1", "/f2"), ("/v1", "/v2"), ("/t",))),
    "s3": ("f:1", "v:2", "none", (Address("f", 1), Address("v", 2), None)),
    "admin": ("f:1", "none", "t:3", (Address("f", 1), None, Address("t", 3))),
    "admin_names": ("f.a", "v.a,v.b", ["t.a"], (("f.a",), ("v.a", "v.b"), ("t.a",))),
    "nfs": ("f:1", "none", "t:3", (Address("f", 1), None, Address("t", 3))),
    "smb": ("f:1", "none", "t:3", (Address("f", 1), None, Address("t", 3))),
    "workers": ("1", "2", 3, (1, 2, 3)),
    "durability": ("relaxed", "commit", "relaxed", ("relaxed", "commit", "relaxed")),
    "region": ("f-1", "v-1", "t-1", ("f-1", "v-1", "t-1")),
    "domain": ("f.a,f.b", "", ["t.a", "t.b"], (("f.a", "f.b"), (), ("t.a", "t.b"))),
    "website_domain": ("w.a,w.b", "", ["w.c", "w.d"], (("w.a", "w.b"), (), ("w.c", "w.d"))),
    "attr_timeout": ("0", "1.5", 2, (0.0, 1.5, 2.0)),
    "sigv2": (True, "off", True, (True, False, True)),
    "mount_versions": ("off", "on", "off", ("off", "on", "off")),
    "posix_permissions": ("on", "off", "on", ("on", "off", "on")),
    "tls": ("on", "off", "on", ("on", "off", "on")),
    "tls_cert": (["/f1", "/f2"], "/v1:/v2", "/t", (("/f1", "/f2"), ("/v1", "/v2"), ("/t",))),
    "tls_key": (["/f1"], "/v1", ["/t1", "/t2"], (("/f1",), ("/v1",), ("/t1", "/t2"))),
    "tls_client_ca": ("/f", "/v", "/t", ("/f", "/v", "/t")),
    "tls_plain": ("redirect", "refuse", "explain", ("redirect", "refuse", "explain")),
    "trusted_proxy": (
        ["10.0.0.0/8", "192.0.2.1"], "2001:db8::/32, 10.0.0.1", "::1",
        (("10.0.0.0/8", "192.0.2.1/32"), ("2001:db8::/32", "10.0.0.1/32"), ("::1/128",)),
    ),
    "max_requests_per_user": ("0", "2", 3, (0, 2, 3)),
    "max_requests_per_address": ("0", "2", 3, (0, 2, 3)),
    "max_connections": ("1", "2", 3, (1, 2, 3)),
    "max_connections_per_address": ("1", "2", 3, (1, 2, 3)),
    "head_timeout": ("1", "2", 3, (1, 2, 3)),
    "idle_timeout": ("1", "2", 3, (1, 2, 3)),
    "body_timeout": ("1", "2", 3, (1, 2, 3)),
    "send_timeout": ("1", "2", 3, (1, 2, 3)),
    "min_rate": ("1", "2KiB", "3kB", (1, 2048, 3000)),
    "object_ownership": (
        "none", "BucketOwnerPreferred", "ObjectWriter",
        ("none", "BucketOwnerPreferred", "ObjectWriter"),
    ),
    "lifecycle_day_seconds": ("1", "2", 3, (1, 2, 3)),
    "audit_spool": ("1MiB", "2MiB", 3_000_000, (2**20, 2**21, 3_000_000)),
    "audit_sync": ("0", "2", 3, (0, 2, 3)),
    "notification_queue": ("1MiB", "2MiB", 3_000_000, (2**20, 2**21, 3_000_000)),
    "bucket_log_spool": ("1MiB", "2MiB", 3_000_000, (2**20, 2**21, 3_000_000)),
    "bucket_log_interval": ("1", "2", 3, (1, 2, 3)),
    "audit_file": ("/f", "/v", "/t", ("/f", "/v", "/t")),
    "audit_file_size": ("0", "1MiB", 77, (0, 2**20, 77)),
    "audit_file_keep": ("3", "1", 2, (3, 1, 2)),
    "webhook_ca": ("/f", "/v", "/t", ("/f", "/v", "/t")),
    "no_native": (True, "0", True, (True, False, True)),
    "log_level": ("debug", "error", "warning", ("debug", "error", "warning")),
    "log_file": ("f.log", "v.log", "t.log", ("f.log", "v.log", "t.log")),
    "log_format": ("json", "text", "json", ("json", "text", "json")),
    "log_max_size": ("0", "1MiB", 77, (0, 2**20, 77)),
    "log_keep": ("3", "1", 2, (3, 1, 2)),
}


def test_every_option_has_a_field_and_a_sample() -> None:
    keys = [entry.key for entry in OPTIONS]
    assert keys == list(SAMPLES)
    assert {field.name for field in dataclasses.fields(Config)} == {*keys, "admin_named"}


@pytest.mark.parametrize("entry", OPTIONS, ids=lambda entry: entry.key)
def test_flags_win_over_variables_over_the_file_over_defaults(entry) -> None:  # type: ignore[no-untyped-def]
    flag, variable, toml, values = SAMPLES[entry.key]
    flags, environ, file = {entry.key: flag}, {entry.variable: variable}, {entry.key: toml}
    from_flag = load(flags, environ, file, file_name="F")
    from_variable = load({entry.key: None}, environ, file, file_name="F")
    from_file = load({}, {}, file, file_name="F")
    from_default = load({}, {})
    assert (
        getattr(from_flag.config, entry.key),
        getattr(from_variable.config, entry.key),
        getattr(from_file.config, entry.key),
    ) == values
    assert [loaded.sources[entry.key] for loaded in (from_flag, from_variable, from_file, from_default)] == [
        entry.flag,
        entry.variable,
        "F",
        "default",
    ]


@pytest.mark.parametrize(("flags", "reason"), [
    ({"tls_cert": ["/c"], "tls_key": ["/a", "/b"]}, "2 for 1"),
    ({"tls_key": ["/a"]}, "1 for 0"),
    ({"tls_cert": ["/c"], "tls": "off"}, "tls is off"),
    ({"tls_client_ca": "/a"}, "it takes TLS"),
    ({"tls_client_ca": "/a", "tls": "off"}, "it takes TLS"),
])  # fmt: skip
def test_nothing_about_tls_is_taken_and_ignored(flags: dict[str, object], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        check_together(load(flags, {}).config)


@pytest.mark.parametrize(("flags", "speaks"), [
    ({}, False), ({"tls": "on"}, True), ({"tls_cert": ["/c"]}, True), ({"tls": "off"}, False),
    ({"tls_cert": ["/c"], "tls_key": ["/k"], "tls": "on", "tls_client_ca": "/a"}, True),
])  # fmt: skip
def test_when_tls_is_spoken(flags: dict[str, object], speaks: bool) -> None:
    config = load(flags, {}).config
    check_together(config)
    assert config.speaks_tls is speaks


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "example.com", "", "10.0.0.0/8,10.1.0.0/16"])
def test_a_network_is_a_network(text: str) -> None:
    with pytest.raises(ConfigError, match="no address or network"):
        load({"trusted_proxy": [text]}, {})


def test_defaults() -> None:
    config = load({}, {}).config
    assert (config.s3, config.admin) == (Address("127.0.0.1", 9000), Address("127.0.0.1", 14000))
    assert not config.admin_named
    assert load({"admin": "127.0.0.1:14000"}, {}).config.admin_named


@pytest.mark.parametrize(
    ("flags", "environ", "file", "reason"),
    [
        ({"workers": "0"}, {}, {}, "--workers: '0'"),
        ({}, {"WEKA_MP_ATTR_TIMEOUT": ""}, {}, "WEKA_MP_ATTR_TIMEOUT: ''"),
        ({}, {}, {"region": "a/b"}, "F: region: 'a/b'"),
        ({}, {}, {"workers": "3"}, "F: workers: '3' has the wrong type"),
        ({}, {}, {"workers": True}, "F: workers: True has the wrong type"),
        ({}, {}, {"sigv2": 1}, "F: sigv2: 1 has the wrong type"),
        ({}, {}, {"mount": [1]}, r"F: mount: \[1\] has the wrong type"),
        ({}, {}, {"domain": [["a"]]}, "F: domain: .* has the wrong type"),
    ],
)
def test_a_wrong_value_names_its_source(flags: dict, environ: dict, file: dict, reason: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(ConfigError, match=reason):
        load(flags, environ, file, file_name="F")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    with pytest.raises(ConfigError, match="No such file"):
        read_file(str(path))
    path.write_text("workers = 2\nvisibilty = 'x'\n")
    with pytest.raises(ConfigError, match="unknown key 'visibilty'"):
        read_file(str(path))
    path.write_text("workers = \n")
    with pytest.raises(ConfigError, match="not TOML"):
        read_file(str(path))
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not TOML"):
        read_file(str(path))
    path.write_text("workers = 2\n")
    assert read_file(str(path)) == {"workers": 2}


def test_a_variable_that_nobody_reads_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"WEKA_MP_WORKER: no such variable; WEKA_MP_WORKERS\?"):
        load({}, {"WEKA_MP_WORKER": "3"})
    with pytest.raises(ConfigError, match=r"WEKA_MP_QQQQQQQQ: no such variable$"):
        load({}, {"WEKA_MP_QQQQQQQQ": ""})
    load({}, dict.fromkeys(OTHER_VARIABLES - {"WEKA_MP_STORE"}, "1"))


def test_every_variable_that_is_read_is_known() -> None:
    """What the package looks up by name is no stranger to its configuration."""
    root = Path(__file__).parents[3] / "weka_mp"
    texts = [path.read_text("utf-8") for path in root.rglob("*.py")]
    named = {name for text in texts for name in re.findall(r"(?<!_)WEKA_MP_[A-Z_]+[A-Z]", text)}
    assert named <= OTHER_VARIABLES | {entry.variable for entry in OPTIONS}

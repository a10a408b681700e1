"""Each value is checked once, at the border."""

import pytest

from weka_mp.config.options import default_workers
from weka_mp.config.values import (
    Address,
    ConfigError,
    parse_address,
    parse_choice,
    parse_domains,
    parse_integer,
    parse_path,
    parse_region,
    parse_seconds,
    parse_size,
    parse_switch,
)


@pytest.mark.parametrize(
    ("text", "value", "shown"),
    [
        ("127.0.0.1:9000", Address("127.0.0.1", 9000), "127.0.0.1:9000"),
        ("localhost:0", Address("localhost", 0), "localhost:0"),
        ("[::1]:80", Address("::1", 80), "[::1]:80"),
        ("none", None, "None"),
    ],
)
def test_addresses(text: str, value: Address | None, shown: str) -> None:
    assert parse_address(text) == value
    assert str(parse_address(text)) == shown


@pytest.mark.parametrize(
    "text", ["", ":9000", "9000", "host", "host:", "host:65536", "host:-1", "::1:80", "[x]:1", "a b:1"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_address(text)


def test_domains_are_a_list_of_names_in_lower_case_without_repetition() -> None:
    assert parse_domains("S3.Example.com., s3.example.com,localhost") == ("s3.example.com", "localhost")
    assert parse_domains("") == ()


@pytest.mark.parametrize(
    "text", ["a,,b", "-a.com", "a..b", "10.0.0.1", "a_b", "x" * 65, ",".join(["abcdefg.com"] * 100)]
)
def test_what_is_no_domain_list(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_domains(text)


def test_regions() -> None:
    assert parse_region("eu-central-1") == "eu-central-1"
    for text in ("", "a/b", "-a", "a-", "a b", "x" * 64):
        with pytest.raises(ConfigError):
            parse_region(text)


def test_numbers_sizes_and_switches() -> None:
    assert parse_integer(1, 256)("256") == 256
    assert parse_seconds("0.5") == 0.5
    assert (parse_size("10MiB"), parse_size("0"), parse_size("3 kB")) == (10 * 2**20, 0, 3000)
    assert (parse_switch("ON"), parse_switch("0")) == (True, False)
    assert parse_choice("a", "b")("b") == "b"
    assert parse_path("/x y") == "/x y"


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_integer(1, 256), "0"),
        (parse_integer(1, 256), "257"),
        (parse_integer(1, 256), "1.5"),
        (parse_integer(1, 256), ""),
        (parse_seconds, "nan"),
        (parse_seconds, "-1"),
        (parse_seconds, "inf"),
        (parse_seconds, "soon"),
        (parse_size, "1XB"),
        (parse_size, "-1"),
        (parse_switch, ""),
        (parse_choice("a"), "A"),
        (parse_path, ""),
        (parse_path, "a\nb"),
    ],
)
def test_values_out_of_range(parse: object, text: str) -> None:
    with pytest.raises(ConfigError):
        parse(text)  # type: ignore[operator]


def test_there_are_two_to_four_workers_by_default() -> None:
    assert 2 <= default_workers() <= 4

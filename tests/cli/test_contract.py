"""--help, variables, keys of the file and docs/CONFIGURATION.md say the same."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from weka_mp.cli import etag_cmd, mount_cmd, run, serve_cmd
from weka_mp.cli.main import COMMANDS, cli
from weka_mp.config import OPTIONS

DOCUMENT = (Path(__file__).parents[2] / "docs" / "CONFIGURATION.md").read_text("utf-8")
OF_S3_OR_GIVEN = {"--store", "--mount", "--s3", "--workers", "--region", "--domain", "--sigv2",
                  "--max-connections", "--max-connections-per-address", "--head-timeout", "--idle-timeout",
                  "--body-timeout", "--send-timeout", "--min-rate", "--tls-client-ca",
                  "--trusted-proxy", "--max-requests-per-user", "--max-requests-per-address"}


def _flags(command: click.Command) -> set[str]:
    return {flag for param in command.params if isinstance(param, click.Option) for flag in param.opts}


def _rows() -> list[list[str]]:
    section = DOCUMENT.split("## Options")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| `--")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_the_document_has_each_option_with_its_names_default_and_meaning() -> None:
    documented = [
        (flag.strip("`").replace("\\|", "|"), variable.strip("`"), key.split()[0].strip("`"), default, text)
        for flag, variable, key, default, text in _rows()
    ]
    assert documented == [
        (f"{entry.flag} {entry.metavar}".strip(), entry.variable, entry.key, entry.shown, entry.help)
        for entry in OPTIONS
    ]


def test_serve_has_exactly_the_options_of_the_table() -> None:
    assert _flags(serve_cmd.command) == {entry.flag for entry in OPTIONS} | {"--config"}
    help_text = " ".join(serve_cmd.command.get_help(click.Context(serve_cmd.command)).split())
    for entry in OPTIONS:
        assert entry.help in help_text
        assert f"[{entry.variable}; default: {entry.shown}]" in help_text


def test_mount_and_run_have_those_that_concern_them() -> None:
    all_flags = {entry.flag for entry in OPTIONS} | {"--config"}
    assert _flags(mount_cmd.command) == all_flags - OF_S3_OR_GIVEN
    assert _flags(run.command) == all_flags - {"--store", "--mount"}


def test_every_command_is_documented() -> None:
    documented = set(re.findall(r"^\| `weka-mp ([a-z0-9]+)", DOCUMENT, re.MULTILINE))
    assert documented == set(COMMANDS)
    assert set(cli.list_commands(click.Context(cli))) == set(COMMANDS)
    assert {"--wait", "--store"} <= _flags(etag_cmd.fill)


@pytest.mark.parametrize(
    "flag", ["--secrets-key-file", "--visibility", "--mount-versions", "--key-file", "--auto-buckets"]
)
def test_what_is_not_built_has_no_flag(flag: str) -> None:
    assert flag not in _flags(serve_cmd.command)

"""--help, variables, keys of the file and docs/CONFIGURATION.md say the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from weka_mp.cli import etag_cmd, mount_cmd, run, serve_cmd
from weka_mp.cli.main import COMMANDS, cli
from weka_mp.config import OPTIONS

DOCUMENT = (Path(__file__).parents[2] / "docs" / "CONFIGURATION.md").read_text("utf-8")
OF_S3_OR_GIVEN = {"--audit-spool", "--audit-sync", "--audit-file", "--audit-file-size", "--audit-file-keep",
                  "--webhook-ca", "--store", "--mount", "--s3", "--workers", "--region", "--domain",
                  "--website-domain", "--sigv2",
                  "--posix-permissions",
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
    "flag", ["--secrets-key-file", "--visibility", "--key-file", "--auto-buckets"]
)
def test_what_is_not_built_has_no_flag(flag: str) -> None:
    assert flag not in _flags(serve_cmd.command)


TABLE = {"-J", "--json", "-f", "--format", "-o", "--output", "-s", "--sort", "-F", "--filter", "--no-header"}
NO_TABLE = {
    "mount": "a service", "serve": "a service",
    "bench": "pages of results; -o is a file",
    "completion": "a script", "s3 policy show": "a policy", "s3 bucket policy get-json": "a policy",
    "security tls download": "a certificate", "user generate-token": "a token",
    **dict.fromkeys(("s3 cluster create", "s3 cluster add", "s3 cluster update", "s3 cluster destroy",
                     "s3 cluster remove", "s3 cluster containers"),
                    "why it is not here"),
    "s3 policy attach": "a sentence", "s3 policy detach": "a sentence",
    "s3 bucket posix": "a word", "s3 bucket mount-versions": "a word",
    "s3 bucket lifecycle-rule add": "the id of the rule",
    "s3 notification target add": "an ARN", "s3 bucket inventory": "a report, which no table could hold",
}  # fmt: skip
"""Commands that print something which is neither a table nor a record, and what."""

SILENT = {
    "nfs export remove", "smb share remove", "smb user add", "smb user remove", "user add", "user update",
    "user passwd", "user delete", "user logout", "user revoke-tokens", "s3 policy create", "s3 policy add",
    "s3 log-level set", "s3 cluster audit-webhook enable", "s3 cluster audit-webhook disable",
    "s3 notification target update", "s3 notification target remove", "s3 retention-clock accept",
    "s3 policy remove", "s3 service-account remove", "s3 bucket create", "s3 bucket destroy",
    "s3 bucket quota set", "s3 bucket quota unset", "s3 bucket add", "s3 bucket remove",
    "s3 bucket quota reset", "s3 bucket policy reset",
    "s3 bucket policy set", "s3 bucket policy set-custom", "s3 bucket policy unset",
    "s3 bucket lifecycle-rule remove", "s3 bucket lifecycle-rule reset",
    "security lockout-config set", "security lockout-config reset", "security tls set",
    "security tls unset",
}  # fmt: skip
"""Commands that print nothing when all went well."""


def _leaves(command: click.Command, *words: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(command)
    if isinstance(command, click.Group):
        if command.invoke_without_command:
            yield " ".join(words), command
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _leaves(inner, *words, name)
    else:
        yield " ".join(words), command


def test_whatever_prints_a_table_or_a_record_has_the_options_of_tables() -> None:
    found = dict(_leaves(cli))
    tables = {words for words, command in found.items() if _flags(command) >= TABLE}
    assert found.keys() - tables == NO_TABLE.keys() | SILENT
    assert {words for words in found.keys() - tables if _flags(found[words]) & TABLE} == {
        "bench", "s3 bucket inventory",
    }


def test_every_command_and_option_says_what_it_is() -> None:
    for words, command in _leaves(cli):
        assert command.get_short_help_str(), words
        options = [param for param in command.params if isinstance(param, click.Option)]
        assert {param.name for param in options if not param.help} <= {"access", "anon_gid"}, words

"""The command line as a contract: every command and option of contract.json, by its exact name, is in
`--help` and is what the parser takes. Scripts rely on it; what is added beside it breaks none.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest

from weka_mp.cli.main import cli
from weka_mp.config import option

CONTRACT: dict[str, Any] = json.loads((Path(__file__).parent / "contract.json").read_text("utf-8"))
COMMANDS: dict[str, dict[str, Any]] = CONTRACT["commands"]
EVERYWHERE: dict[str, list[str]] = CONTRACT["everywhere"]
EXAMPLES = [(name, line) for name, row in COMMANDS.items() for line in row["examples"]]


def found(words: str) -> click.Command | None:
    command: click.Command | None = cli
    for word in words.split():
        if not isinstance(command, click.Group):
            return None
        command = command.get_command(click.Context(command), word)
    return command


def command_of(words: str) -> click.Command:
    command = found(words)
    assert command is not None, f"there is no weka-mp {words}"
    return command


def shown(command: click.Command, words: str) -> str:
    """As a terminal shows it, but unwrapped."""
    text = command.get_help(click.Context(command, info_name=f"weka-mp {words}", terminal_width=200))
    return " ".join(text.split())


def flags(command: click.Command) -> set[str]:
    return {flag for one in command.params if isinstance(one, click.Option) for flag in one.opts}


def parsed(words: list[str]) -> click.Context:
    """Of the command that the words name; nothing is run. Raises click.UsageError."""
    context = cli.make_context("weka-mp", list(words))
    while isinstance(context.command, click.Group):
        rest = [*context._protected_args, *context.args]
        if not rest and context.command.invoke_without_command:
            break
        name, command, rest = context.command.resolve_command(context, rest)
        assert command is not None
        context = command.make_context(name, rest, parent=context)
    return context


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_has_its_options_and_shows_them(words: str) -> None:
    row, command = COMMANDS[words], command_of(words)
    wanted = {*row["options"]}
    if row.get("where"):
        wanted.update(EVERYWHERE["where"])
    if row.get("table"):
        wanted.update(EVERYWHERE["table"])
    assert wanted <= flags(command)
    text = shown(command, words)
    assert [flag for flag in sorted(wanted) if flag not in text] == []
    if row.get("table"):
        assert all(name in text for name in EVERYWHERE["formats"])
    for column in row.get("columns", ()):
        assert parsed([*row["examples"][0].split(), "-o", column]).params


@pytest.mark.parametrize(("words", "line"), EXAMPLES)
def test_every_form_is_taken(words: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "F").write_text("{}")
    for place in ("S", "D", "A", "B"):
        (tmp_path / place).mkdir()
    assert parsed(line.split()).command is command_of(words)
    with pytest.raises(click.UsageError):
        parsed([*line.split(), "--no-such-option"])


@pytest.mark.parametrize(("words", "line"), [
    (words, row["examples"][0]) for words, row in COMMANDS.items() if row.get("where")
])  # fmt: skip
def test_the_store_stands_before_or_after_the_verb(
    words: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "F").write_text("{}")
    for argv in (["--store", "S", *line.split()], [*line.split(), "--store", "S"]):
        assert parsed(argv).command is command_of(words)


def test_defaults_and_variables_are_said() -> None:
    text = shown(command_of("serve"), "serve")
    for flag, default in CONTRACT["defaults"].items():
        entry = option(flag.removeprefix("--").replace("-", "_"))
        assert entry.shown == default
        assert f"[{entry.variable}; default: {default}]" in text
    whole = " ".join([shown(cli, ""), *(shown(command_of(words), words) for words in COMMANDS)])
    assert [name for name in EVERYWHERE["variables"] if name not in whole] == []


@pytest.mark.parametrize("words", CONTRACT["later"])
def test_what_is_not_there_yet_is_refused_and_what_comes_has_its_options(words: str) -> None:
    options = set(CONTRACT["later"][words])
    command = found(words)
    if command is None:
        with pytest.raises(click.UsageError):
            parsed(words.split())
        return
    assert options <= flags(command) or (words in COMMANDS and not options & flags(command))

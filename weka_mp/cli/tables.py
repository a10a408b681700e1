"""Rows for people and for scripts: one set of options, one way to print, for every command that lists."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import click

__all__ = ["TableOptions", "print_table", "table_options"]

Command = TypeVar("Command", bound=Callable[..., Any])
Row = Mapping[str, object]

_FORMATS = ("view", "csv", "markdown", "json")


@dataclass(frozen=True, slots=True)
class TableOptions:
    """How to print: `columns` in this order (none named: all), `sort` columns (``-NAME`` descending),
    `filters` as (column, text) that must all be equal.
    """

    form: str
    columns: tuple[str, ...]
    sort: tuple[str, ...]
    filters: tuple[tuple[str, str], ...]
    header: bool

    @property
    def asked(self) -> bool:
        """Whether anything was said of it: commands that have words of their own say them otherwise."""
        return self != TableOptions("view", (), (), (), True)


def table_options(command: Command) -> Command:
    """Give a command ``-J -f -o -s -F --no-header``; it gets them as the argument `table`."""

    def collect(**given: Any) -> Any:
        options = TableOptions(
            "json" if given.pop("as_json") else given.pop("form"),
            _words(given.pop("columns")),
            _words(given.pop("sort")),
            tuple(given.pop("filters")),
            not given.pop("no_header"),
        )
        given.pop("form", None)
        return command(table=options, **given)

    collect.__doc__ = command.__doc__
    decorated: Any = collect
    for option in reversed(_options()):
        decorated = option(decorated)
    decorated.__click_params__ += getattr(command, "__click_params__", [])
    chosen: Command = decorated
    return chosen


def _options() -> list[Callable[[Any], Any]]:
    return [
        click.option("-J", "--json", "as_json", is_flag=True, help="Print JSON, as -f json does."),
        click.option(
            "-f", "--format", "form", type=click.Choice(_FORMATS), default="view", help="How to print."
        ),
        click.option(
            "-o", "--output", "columns", metavar="COLUMN[,...]", default="", help="Columns to print."
        ),
        click.option(
            "-s", "--sort", "sort", metavar="[-]COLUMN[,...]", default="", help="Sort; -COLUMN: descending."
        ),
        click.option(
            "-F",
            "--filter",
            "filters",
            metavar="COLUMN=VALUE",
            multiple=True,
            callback=_pairs,
            help="Print rows with this value alone; may be repeated.",
        ),
        click.option("--no-header", is_flag=True, help="Print no line of column names."),
    ]


def _pairs(
    context: click.Context, parameter: click.Parameter, values: Sequence[str]
) -> list[tuple[str, str]]:
    pairs = [value.partition("=") for value in values]
    if any(not name or not equals for name, equals, _ in pairs):
        raise click.BadParameter("COLUMN=VALUE is wanted", context, parameter)
    return [(name, value) for name, _, value in pairs]


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.split(",") if word)


def print_table(
    columns: Sequence[str],
    rows: Sequence[Row],
    table: TableOptions,
    *,
    shown: Sequence[str] = (),
    around: Callable[[list[dict[str, object]]], object] = lambda rows: rows,
) -> None:
    """Print `rows`, which have all `columns`. An unknown column is a usage error.

    shown: the columns of the formats for people, where they have no room for all. around: what JSON has
    besides the rows.
    """
    sorted_by = [name.lstrip("+-") for name in table.sort]
    for name in [*table.columns, *sorted_by, *(name for name, _ in table.filters)]:
        if name not in columns:
            raise click.UsageError(f"no column {name!r}; there are {', '.join(columns)}")
    usual = columns if table.form == "json" else shown or columns
    chosen = table.columns or tuple(usual)
    found = [row for row in rows if all(_text(row[name]) == value for name, value in table.filters)]
    for name in reversed(table.sort):
        found.sort(key=lambda row: _order(row[name.lstrip("+-")]), reverse=name.startswith("-"))
    if table.form == "json":
        click.echo(json.dumps(around([{name: row[name] for name in chosen} for row in found])))
    else:
        _PRINTERS[table.form](chosen, found, table.header)


def _order(value: object) -> tuple[int, Any]:
    """Numbers before texts, each among their like."""
    return (0, value) if isinstance(value, int) else (1, _text(value))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return " ".join(f"{name}={_text(one)}" for name, one in value.items())
    if isinstance(value, (list, tuple)):
        return ",".join(map(_text, value))
    return "" if value is None else str(value)


def _shown(value: object) -> str:
    """For a terminal and for one line: no control characters, no halves of characters."""
    text = _text(value).encode("utf-8", "backslashreplace").decode()
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _print_csv(columns: Sequence[str], rows: Sequence[Row], header: bool) -> None:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    if header:
        writer.writerow(columns)
    writer.writerows([_shown(row[name]) for name in columns] for row in rows)
    click.echo(out.getvalue(), nl=False)


def _print_markdown(columns: Sequence[str], rows: Sequence[Row], header: bool) -> None:
    if header:
        click.echo(f"| {' | '.join(columns)} |")
        click.echo("|" + " --- |" * len(columns))
    for row in rows:
        cells = [_shown(row[name]).replace("|", "\\|") for name in columns]
        click.echo(f"| {' | '.join(cells)} |")


def _print_view(columns: Sequence[str], rows: Sequence[Row], header: bool) -> None:
    lines = [[_shown(row[name]) for name in columns] for row in rows]
    if header:
        lines.insert(0, [name.upper().replace("_", " ") for name in columns])
    widths = [max((len(line[index]) for line in lines), default=0) for index in range(len(columns))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


_PRINTERS: Mapping[str, Callable[[Sequence[str], Sequence[Row], bool], None]] = {
    "view": _print_view,
    "csv": _print_csv,
    "markdown": _print_markdown,
}

"""``weka-mp bench``."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from weka_mp.bench.credentials import keys_for
from weka_mp.bench.directory import Directory
from weka_mp.bench.endpoint import Endpoint
from weka_mp.bench.floors import Nginx, RawLoopback, nginx_program
from weka_mp.bench.report import Machine, Row, as_json, as_table, plot, rows_of
from weka_mp.bench.runner import run
from weka_mp.bench.service import running
from weka_mp.bench.signing import Keys
from weka_mp.bench.targets import Target, TargetFailed
from weka_mp.bench.work import MODES, Mode, Parameters, Verb
from weka_mp.cli.refusals import Refusal
from weka_mp.clock import SystemClock, SystemRandom

__all__ = ["command"]

Named = tuple[str, str]


def _named(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[Named, ...]:
    pairs = [value.partition("=") for value in values]
    if any(not name or not rest for name, _, rest in pairs):
        raise click.BadParameter("expected NAME=VALUE", context, parameter)
    return tuple((name, rest) for name, _, rest in pairs)


@click.command("bench", short_help="Measure endpoints and directories beside each other.")
@click.argument("mode", type=click.Choice(list(MODES)))
@click.option("--endpoint", "endpoints", metavar="NAME=URL", multiple=True, callback=_named,
              help="An S3 endpoint, http://HOST:PORT; repeatable. Its keys: profile NAME of the shared "
                   "credentials file, else AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.")
@click.option("--dir", "directories", metavar="NAME=PATH", multiple=True, callback=_named,
              help="A directory, on a mount or not; repeatable.")
@click.option("--count", type=click.IntRange(1, 10_000_000), default=500, show_default=True,
              help="Objects a round.")
@click.option("--size", type=click.IntRange(0, 1 << 28), default=4096, show_default=True,
              help="Bytes of an object.")
@click.option("--big", type=click.IntRange(1, 5 << 30), default=64 << 20, show_default=True,
              help="Bytes of the one large object of each connection.")
@click.option("-c", "--connections", type=click.IntRange(1, 1024), default=1, show_default=True,
              help="Connections, or threads in a directory, at once.")
@click.option("--rounds", type=click.IntRange(1, 1000), default=3, show_default=True,
              help="Repetitions; figures are medians of them.")
@click.option("--page", type=click.IntRange(1, 1000), default=1000, show_default=True,
              help="Keys of one listing page.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the order of `mixed`.")
@click.option("--region", default="us-east-1", show_default=True, help="The region to sign for.")
@click.option("--scratch", metavar="DIR", help="Where floors and a service of our own keep their files.")
@click.option("--floors/--no-floors", default=True, show_default=True,
              help="Measure a raw loopback server, nginx where installed, and the scratch file system too.")
@click.option("--plot", "picture", metavar="FILE", help="Draw the figures; needs matplotlib (extra `bench`).")
@click.option("-o", "--output", metavar="FILE", help="Write the JSON into FILE as well.")
@click.option("-J", "--json", "as_json_", is_flag=True, help="Print JSON.")
def command(
    mode: str, endpoints: tuple[Named, ...], directories: tuple[Named, ...], count: int, size: int, big: int,
    connections: int, rounds: int, page: int, seed: int, region: str, scratch: str | None, floors: bool,
    picture: str | None, output: str | None, as_json_: bool,
) -> None:
    """Do the same work on every target, interleaved, and print what each cost.

    MODE: s3 (put, get, head, list, delete, large objects), mount (the same in directories, and rename),
    list (many keys, then listing), mixed (reads and writes shuffled).

    Without --endpoint and --dir a service of our own is started on a fresh store and measured through both
    its doors. Everything made on a target is removed again.
    """
    parameters = Parameters(count, size, big, connections, rounds, page, seed)
    chosen = MODES[mode]
    machine = Machine.here(SystemClock())
    try:
        with ExitStack() as leaving:
            made = tempfile.TemporaryDirectory(prefix="weka-mp-bench-", dir=scratch)
            top = Path(leaving.enter_context(made))
            targets = list(_named_targets(chosen, endpoints, directories, region))
            if not targets:
                targets = leaving.enter_context(_own_service(chosen, top, region))
            if floors:
                targets += _floors(chosen, top, parameters)
            rows = _measure(chosen, targets, parameters)
    except (TargetFailed, OSError) as error:
        raise Refusal(str(error)) from error
    figures = as_json(machine, mode, parameters, rows)
    click.echo(json.dumps(figures) if as_json_ else as_table(machine, mode, parameters, rows))
    _keep(figures, rows, mode, output, picture)


def _named_targets(
    mode: Mode, endpoints: tuple[Named, ...], directories: tuple[Named, ...], region: str
) -> Iterator[Target]:
    names = [name for name, _ in (*endpoints, *directories)]
    if len(set(names)) < len(names):
        raise click.UsageError("two targets have the same name")
    if endpoints and not mode.endpoints:
        raise click.UsageError("this mode measures directories: use --dir")
    if directories and not mode.directories:
        raise click.UsageError("this mode measures endpoints: use --endpoint")
    for name, url in endpoints:
        yield _endpoint(name, url, keys_for(name, os.environ), region)
    for name, path in directories:
        yield Directory(name, path, SystemRandom())


def _endpoint(name: str, url: str, keys: Keys, region: str) -> Endpoint:
    return Endpoint(name, url, keys, region, SystemClock(), SystemRandom())


@contextmanager
def _own_service(mode: Mode, top: Path, region: str) -> Iterator[list[Target]]:
    with running(top / "service", SystemRandom(), ["--region", region]) as service:
        bucket = service.mount / "bench-files"
        bucket.mkdir()
        targets: list[Target] = []
        if mode.endpoints:
            targets.append(_endpoint("weka_mp s3", service.endpoint, service.keys, region))
        if mode.directories:
            targets.append(Directory("weka_mp mount", str(bucket), SystemRandom()))
        yield targets


def _floors(mode: Mode, top: Path, parameters: Parameters) -> list[Target]:
    found: list[Target] = []
    if mode.endpoints and Verb.GET in mode.verbs:
        found.append(RawLoopback(parameters.size))
        program = nginx_program()
        if program is not None:
            top.chmod(0o755)  # nginx's workers drop root's rights and must reach its files
            found.append(Nginx(program, top / "nginx", parameters.count, parameters.size))
    found.append(Directory("backing fs", str(top), SystemRandom(), kind="floor"))
    return found


def _measure(mode: Mode, targets: list[Target], parameters: Parameters) -> list[Row]:
    windows = parameters.rounds * sum(verb in target.verbs() for target in targets for verb in mode.verbs)
    with click.progressbar(length=windows, label="measuring", file=sys.stderr) as bar:
        return rows_of(run(mode, targets, parameters, lambda: bar.update(1)))


def _keep(figures: object, rows: list[Row], mode: str, output: str | None, picture: str | None) -> None:
    try:
        if output is not None:
            Path(output).write_text(json.dumps(figures, indent=1) + "\n")
        if picture is not None:
            plot(rows, f"weka-mp bench {mode}", Path(picture))
    except ModuleNotFoundError as error:
        raise Refusal("--plot needs matplotlib: pip install 'weka_mp[bench]'") from error
    except (OSError, ValueError) as error:
        raise Refusal(str(error)) from error

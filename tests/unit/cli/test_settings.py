"""From flags to a configuration, through click."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from weka_mp.cli.settings import configuration, configuration_options
from weka_mp.config import Address


@click.group()
@click.option("--store")
def root(store: str | None) -> None:
    pass


@root.command("show")
@configuration_options(without=("sigv2",))
@click.pass_context
def show(context: click.Context, **flags: object) -> None:
    loaded = configuration(context, flags)
    click.echo(repr((loaded.config.store, loaded.config.s3, loaded.config.mount, loaded.config.domain)))


def _run(*arguments: str, **environ: str) -> str:
    done = CliRunner(env=environ).invoke(root, list(arguments))
    return done.output.strip() if done.exit_code == 0 else f"{done.exit_code} {done.output.strip()}"


def test_flags_variables_and_file_meet(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("store = '/file'\ns3 = 'none'\ndomain = ['a.b']\n")
    assert _run("show", "--config", str(path)) == repr(("/file", None, (), ("a.b",)))
    assert _run("show", WEKA_MP_CONFIG=str(path), WEKA_MP_STORE="/env") == repr(("/env", None, (), ("a.b",)))
    given = _run(
        "show",
        "--store",
        "/flag",
        "--s3",
        "h:1",
        "--mount",
        "/a",
        "--mount",
        "/b",
        "--domain",
        "",
        WEKA_MP_CONFIG=str(path),
        WEKA_MP_STORE="/env",
        WEKA_MP_MOUNT="/c",
    )
    assert given == repr(("/flag", Address("h", 1), ("/a", "/b"), ()))


def test_the_store_may_stand_before_the_verb() -> None:
    assert "'/before'" in _run("--store", "/before", "show", WEKA_MP_STORE="/env")
    assert "'/after'" in _run("--store", "/before", "show", "--store", "/after")


@pytest.mark.parametrize("arguments", [["--sigv2"], ["--workers", "x"], ["--config", "/none.toml"]])
def test_mistakes_are_status_2(arguments: list[str]) -> None:
    assert _run("show", *arguments).startswith("2 ")

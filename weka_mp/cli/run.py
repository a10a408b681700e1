"""``python -m weka_mp.cli.run [STORE [MOUNTPOINT]] [OPTION...]``: serve a store and say how to use it.

For `tools/run` and first steps: makes directories, takes the next free port when one is taken, goes on
without a mount where the machine allows none, and prints lines to copy.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from typing import Any

import click

from weka_mp.cli.refusals import Refusal
from weka_mp.cli.running import open_log, print_lines, print_ready, run
from weka_mp.cli.services import find_service
from weka_mp.cli.settings import configuration, configuration_options
from weka_mp.config import Address, Config
from weka_mp.errors import StoreUnusable
from weka_mp.supervise.checks import is_beneath
from weka_mp.supervise.credentials import ACCESS_VARIABLE, SECRET_VARIABLE, RootCredentials
from weka_mp.supervise.keeper import StartFailed
from weka_mp.supervise.listeners import AddressTaken, listen, reachable
from weka_mp.supervise.supervisor import Started

__all__ = ["instructions", "main", "next_free"]

_PORTS_TRIED = 100


@click.command("run", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("store", metavar="[STORE]", required=False)
@click.argument("mountpoint", metavar="[MOUNTPOINT]", required=False)
@configuration_options(without=("store", "mount"))
@click.pass_context
def command(context: click.Context, /, store: str | None, mountpoint: str | None, **flags: Any) -> None:
    """Serve STORE as an S3 endpoint and as a file system mounted at MOUNTPOINT, until Ctrl-C.

    Without STORE a directory for you is made and used; without MOUNTPOINT the directory mnt beside STORE
    is. A taken port is passed over for the next free one. The options are those of `weka-mp serve`.
    """
    if store is None:
        store = _own_store()
        os.makedirs(store, exist_ok=True)
    if mountpoint is None:
        mountpoint = os.path.join(os.path.dirname(os.path.abspath(store)), "mnt")
    _check(store, mountpoint)
    loaded = configuration(context, {**flags, "store": store, "mount": [mountpoint]})
    config = loaded.config
    if loaded.sources["s3"] == "default":
        config = replace(config, s3=_announced(config.s3, "S3"))
    if loaded.sources["admin"] == "default":
        config = replace(config, admin=_announced(config.admin, "administration"))
    if loaded.sources["log_level"] == "default" and config.log_file is None:
        # A line for each request would bury what is printed here.
        config = replace(config, log_level="warning")
    _serve(_without_mount_if_impossible(config, mountpoint))


def _check(store: str, mountpoint: str) -> None:
    """Refuse, before anything is made, what could only be misread later. Raises Refusal."""
    real_store, real_mount = os.path.realpath(store), os.path.realpath(mountpoint)
    if is_beneath(real_mount, real_store):
        raise Refusal(f"{mountpoint}: the mount point lies inside the store")
    if os.path.isdir(store) and find_service(store) is not None:
        raise Refusal(f"{store}: this store is served already")


def _own_store() -> str:
    data = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
    return os.path.join(data, "weka_mp", "store")


def _announced(address: Address | None, what: str) -> Address | None:
    if address is None:
        return None
    free = next_free(address)
    if free != address:
        click.echo(f"Port {address.port} ({what}) is taken: using {free.port}.")
    return free


def next_free(address: Address) -> Address:
    """`address` or the first one above it whose port is free now;

    `address` itself when none is (or it is wrong).
    """
    for port in range(address.port, min(address.port + _PORTS_TRIED, 65536)):
        candidate = Address(address.host, port)
        try:
            sockets = listen(candidate)
        except AddressTaken:
            continue
        except StartFailed:
            break  # not a matter of the port: the service will say what it is
        for sock in sockets:
            sock.close()
        return candidate
    return address


def _without_mount_if_impossible(config: Config, mountpoint: str) -> Config:
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        click.echo(f"No mount: /dev/fuse: {error.strerror}. Serving S3 alone.")
        return replace(config, mount=())
    try:
        os.makedirs(mountpoint, exist_ok=True)
    except FileExistsError:
        return config  # a dead mount, or a file: the service looks and says
    except OSError as error:
        raise Refusal(f"{mountpoint}: {error.strerror}") from error
    return config


def _serve(config: Config) -> None:
    """Run; where the kernel refuses the mount, run without."""

    def report(started: Started) -> None:
        print_ready(started)
        print_lines(*instructions(started, config.region))

    sink = open_log(config)
    try:
        try:
            run(config, sink, report)
        except StartFailed as error:
            if not error.part.startswith("mount-") or config.s3 is None:
                raise
            click.echo(f"No mount: {error}. Serving S3 alone.")
            run(replace(config, mount=()), sink, report)
    except (StartFailed, StoreUnusable) as error:
        raise Refusal(str(error)) from error
    finally:
        sink.close()


def instructions(started: Started, region: str) -> list[str]:
    """What is where, and lines to copy into a shell."""
    views = started.views
    lines = ["", f"Store        {views.store}"]
    lines += [f"Mount point  {path}" for path in views.mounts]
    if views.s3 is not None and started.credentials is not None:
        lines += _s3_instructions(f"{views.scheme}://{reachable(views.s3)}", started.credentials, region)
    if views.mounts:
        lines += ["", "ls:", f"  ls -la {shlex.quote(views.mounts[0])}"]
    return [*lines, "", "Ctrl-C stops it" + (" and unmounts." if views.mounts else ".")]


def _s3_instructions(endpoint: str, credentials: RootCredentials, region: str) -> list[str]:
    kept = credentials.path or f"{ACCESS_VARIABLE} and {SECRET_VARIABLE} of this environment"
    return [
        f"S3 endpoint  {endpoint}",
        f"Credentials  {kept}",
        "",
        "For both clients below:",
        *_exports(credentials, f"AWS_DEFAULT_REGION={region}"),
        "",
        "awscli:",
        f"  aws --endpoint-url {endpoint} s3 mb s3://demo",
        f"  aws --endpoint-url {endpoint} s3 cp /etc/hostname s3://demo/",
        f"  aws --endpoint-url {endpoint} s3 ls s3://demo/",
        "",
        "rclone:",
        "  export RCLONE_CONFIG_WEKA_TYPE=s3 RCLONE_CONFIG_WEKA_PROVIDER=Other"
        f" RCLONE_CONFIG_WEKA_ENV_AUTH=true RCLONE_CONFIG_WEKA_ENDPOINT={endpoint}",
        "  rclone ls weka:demo",
    ]


def _exports(credentials: RootCredentials, region: str) -> list[str]:
    if credentials.path is not None:
        return [f"  export AWS_SHARED_CREDENTIALS_FILE={shlex.quote(credentials.path)} {region}"]
    return [
        f'  export AWS_ACCESS_KEY_ID="${ACCESS_VARIABLE}" AWS_SECRET_ACCESS_KEY="${SECRET_VARIABLE}" {region}'
    ]


def main() -> None:
    """The entry point."""
    command.main(prog_name="tools/run")


if __name__ == "__main__":
    main()

"""Runs a service in the foreground, for every command that does."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable

import trio

from weka_mp.cli.refusals import Refusal
from weka_mp.config import Config
from weka_mp.errors import StoreUnusable
from weka_mp.observe.logs import LogSink, configure_main
from weka_mp.supervise.credentials import forget_secrets
from weka_mp.supervise.keeper import StartFailed
from weka_mp.supervise.service import Views
from weka_mp.supervise.supervisor import Started, run_service

__all__ = ["print_lines", "print_ready", "ready_line", "run_in_foreground"]

log = logging.getLogger(__name__)


def run_in_foreground(config: Config, on_ready: Callable[[Started], None]) -> None:
    """Serve until SIGTERM or SIGINT. Raises Refusal with the reason when the service cannot start."""
    sink = open_log(config)
    try:
        run(config, sink, on_ready)
    except (StartFailed, StoreUnusable) as error:
        raise Refusal(str(error)) from error
    finally:
        sink.close()


def run(config: Config, sink: LogSink, on_ready: Callable[[Started], None]) -> None:
    """The same with an open log; raises StartFailed and StoreUnusable themselves."""
    given = dict(os.environ)
    forget_secrets(os.environ)
    try:
        trio.run(run_service, config, given, sink, on_ready)
    finally:
        os.environ.update(given)  # it may be tried again, without a mount


def open_log(config: Config) -> LogSink:
    """Start logging as configured. Raises Refusal when the file cannot be written."""
    try:
        return configure_main(
            level=config.log_level,
            path=config.log_file,
            form=config.log_format,
            max_size=config.log_max_size,
            keep=config.log_keep,
        )
    except OSError as error:
        raise Refusal(f"{config.log_file}: {error.strerror}") from error


def ready_line(views: Views) -> str:
    """``ready s3=URL mount=DIR store=DIR``; what is not served is left out, each mount has its own word."""
    words = ["ready"]
    if views.s3 is not None:
        words.append(f"s3={views.scheme}://{views.s3}")
    words += [f"mount={path}" for path in views.mounts]
    return " ".join([*words, f"store={views.store}"])


def print_ready(started: Started) -> None:
    """The one line on standard output."""
    print_lines(ready_line(started.views))


def print_lines(*lines: str) -> None:
    """Write to standard output now. That it is closed, full or read by nobody is no reason to stop."""
    if sys.stdout is None:  # it was closed when the program began
        log.warning("there is no standard output")
        return
    try:
        sys.stdout.buffer.write(b"".join(os.fsencode(line) + b"\n" for line in lines))
        sys.stdout.buffer.flush()
    except OSError as error:
        log.warning("standard output: %s", error.strerror)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the interpreter flushes it again when it ends

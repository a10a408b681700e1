"""Where log records go. The supervisor alone writes the log (so that rotation needs no agreement between
processes); children write formatted records to their standard error, which is a pipe to the supervisor.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
import stat
import sys
import threading
from types import TracebackType

from weka_mp.observe.records import formatter, from_line, to_line

__all__ = [
    "LOG_LEVEL", "LogSink", "PipeHandler", "configure_child", "configure_main", "current_level",
    "set_level",
]  # fmt: skip

log = logging.getLogger("weka_mp")

LOG_LEVEL = "log-level"
"""What every process of a service answers to, with a level: log records of it and more severe ones."""

_STDERR = 2


class PipeHandler(logging.Handler):
    """Writes each record as one line to a descriptor; falls silent when nobody reads any more."""

    def __init__(self, fd: int, process: str, form: str) -> None:
        super().__init__()
        self._fd = fd
        self.setFormatter(formatter(form, process))

    def emit(self, record: logging.LogRecord) -> None:
        data = to_line(self.format(record))
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except BrokenPipeError:
            # The supervisor is gone and this process is about to follow: there is nobody left to tell.
            log.removeHandler(self)


class _RotatingFile(logging.handlers.RotatingFileHandler):
    """Asks for the file's size in one call instead of five: every request of every worker comes by here."""

    def shouldRollover(self, record: logging.LogRecord) -> bool:
        if self.maxBytes <= 0 or self.stream is None:
            return False
        found = os.fstat(self.stream.fileno())
        following = len(self.format(record)) + len(self.terminator)
        return stat.S_ISREG(found.st_mode) and found.st_size + following >= self.maxBytes


class LogSink:
    """The service's log: its own records and those of its children."""

    def __init__(self, handler: logging.Handler) -> None:
        self._handler = handler

    def relay(self, line: bytes, process: str, pid: int) -> None:
        """Log what a child process wrote."""
        self._handler.handle(from_line(line, process, pid))

    def close(self) -> None:
        """Stop logging; later records go nowhere."""
        logging.getLogger().removeHandler(self._handler)
        self._handler.close()


def configure_child(process: str, level: str, form: str) -> None:
    """Log to standard error in the form that the supervisor reads."""
    _install(PipeHandler(_STDERR, process, form), level)


def configure_main(
    *, level: str, path: str | None, form: str, max_size: int, keep: int, process: str = "supervisor"
) -> LogSink:
    """Log to `path` (rotated at `max_size` bytes, `keep` former files) or to standard error.

    Raises OSError.
    """
    handler: logging.Handler
    if path is None:
        handler = logging.StreamHandler(sys.stderr)
    else:
        handler = _RotatingFile(
            path, maxBytes=max_size, backupCount=keep, encoding="utf-8", errors="backslashreplace"
        )
    handler.setFormatter(formatter(form, process))
    _install(handler, level)
    return LogSink(handler)


def set_level(level: str) -> None:
    """Log records of this level and more severe ones from now on."""
    log.setLevel(level.upper())


def current_level() -> str:
    """The least severe level that is logged, in lower case."""
    return logging.getLevelName(log.getEffectiveLevel()).lower()


def _install(handler: logging.Handler, level: str) -> None:
    root = logging.getLogger()
    for former in list(root.handlers):
        root.removeHandler(former)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)  # libraries
    set_level(level)
    logging.raiseExceptions = False  # a full disk under the log must not end a request
    logging.logThreads = logging.logMultiprocessing = False  # no record of ours names them
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.critical("uncaught exception", exc_info=(kind, error, trace))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    name = args.thread.name if args.thread is not None else "?"
    error = args.exc_value or args.exc_type()
    log.critical("uncaught exception in thread %s", name, exc_info=(args.exc_type, error, args.exc_traceback))


def _unraisable(args: sys.UnraisableHookArgs) -> None:
    log.error("exception that could not be raised: %r", args.object, exc_info=args.exc_value)

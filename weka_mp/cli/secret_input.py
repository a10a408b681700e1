"""Reads a secret without its standing on a command line, or a name: asked for, or from standard input."""

from __future__ import annotations

import sys

import click

from weka_mp.cli.refusals import Refusal

__all__ = ["read_line", "read_secret"]


def read_secret(given: str | None, what: str, *, confirm: bool = False) -> str:
    """`given` unless it is None or ``-``; else asked for at a terminal (twice to `confirm`), or the first
    line of standard input (always, for ``-``). Raises Refusal: an empty one.
    """
    if given not in (None, "-"):
        return str(given)
    if given is None and sys.stdin.isatty():
        secret = str(click.prompt(what, hide_input=True, confirmation_prompt=confirm, err=True))
    else:
        secret = sys.stdin.readline().rstrip("\r\n")
    if not secret:
        raise Refusal(f"{what}: an empty one is none; give it on standard input, or at the prompt")
    return secret


def read_line(what: str) -> str:
    """Something that may be seen: asked for at a terminal, else the next line of standard input. Raises
    Refusal: an empty one.
    """
    line = click.prompt(what, err=True) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    if not line:
        raise Refusal(f"{what}: an empty one is none; give it on standard input, or at the prompt")
    return str(line)

"""How commands end when they cannot do what was asked:

one line on standard error, no traceback, a known status.
"""

from __future__ import annotations

from typing import IO, Any

import click

__all__ = ["ConfigRefusal", "Refusal", "ServiceUnreachable"]


class Refusal(click.ClickException):
    """Refused or failed: exit status 1."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"weka-mp: {' '.join(self.message.split())}", err=True, file=file)


class ConfigRefusal(Refusal):
    """A flag, variable or file is wrong: exit status 2."""

    exit_code = 2


class ServiceUnreachable(Refusal):
    """No service answers: exit status 3."""

    exit_code = 3

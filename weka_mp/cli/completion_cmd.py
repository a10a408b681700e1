"""``weka-mp completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

__all__ = ["command"]

_PROGRAM = "weka-mp"
_VARIABLE = "_WEKA_MP_COMPLETE"
"""What click looks for when the program of that name starts."""


@click.command("completion", short_help="Print what makes a shell complete weka-mp's words.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print what makes SHELL complete commands, options and their values.

    \b
    bash:  weka-mp completion bash >/etc/bash_completion.d/weka-mp
    zsh:   weka-mp completion zsh >"${fpath[1]}/_weka-mp"
    fish:  weka-mp completion fish >~/.config/fish/completions/weka-mp.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    # Not `source`: that asks the bash of this machine for its version, and there may be none.
    script = kind(context.find_root().command, {}, _PROGRAM, _VARIABLE)
    click.echo(script.source_template % script.source_vars())

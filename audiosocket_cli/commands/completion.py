"""`audiosocket completion`: print the script that lets a shell complete commands, options and their values."""

from __future__ import annotations

from typing import Final

import click

_HOW: Final = {
    "bash": "audiosocket completion bash > ~/.local/share/bash-completion/completions/audiosocket",
    "zsh": "audiosocket completion zsh > ~/.zfunc/_audiosocket   (with fpath+=~/.zfunc before compinit in ~/.zshrc)",
    "fish": "audiosocket completion fish > ~/.config/fish/completions/audiosocket.fish",
}

VARIABLE: Final = "_AUDIOSOCKET_COMPLETE"
"""The variable by which the script asks, as click names it."""


@click.command(short_help="Print the script that lets a shell complete commands.")
@click.argument("shell", type=click.Choice(list(_HOW)))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the script with which a shell completes commands, options and values.

    \b
    Examples:
      audiosocket completion bash \\
        > ~/.local/share/bash-completion/completions/audiosocket
      audiosocket completion zsh > ~/.zfunc/_audiosocket
      audiosocket completion fish > ~/.config/fish/completions/audiosocket.fish
      eval "$(audiosocket completion bash)"    for this shell only

    It works in the next shell that you start. zsh needs fpath+=~/.zfunc before compinit in ~/.zshrc. Values are also
    completed: kinds, rates, files, and the UUIDs of the calls in a capture.
    """
    from click.shell_completion import get_completion_class

    from audiosocket_cli.ui.console import put_bytes

    script = get_completion_class(shell)
    assert script is not None
    # Not `source()`, which for bash asks the bash that is found here for its version, and talks about it.
    root = ctx.find_root()
    completing = script(root.command, {}, root.info_name or "audiosocket", VARIABLE)
    put_bytes([(completing.source_template % completing.source_vars()).encode()])

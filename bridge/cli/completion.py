"""``completion``: shell scripts that complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script for SHELL.

    \b
    Examples:
      cascade-bridge completion bash > /etc/bash_completion.d/cascade-bridge
      cascade-bridge completion zsh > /usr/share/zsh/vendor-completions/_cascade-bridge
      cascade-bridge completion fish > ~/.config/fish/completions/cascade-bridge.fish
    """
    from bridge.cli import cli

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(cli, {}, "cascade-bridge", "_CASCADE_BRIDGE_COMPLETE").source())

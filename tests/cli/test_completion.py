"""Completion as the shells do it: each asks the program what may come next."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import program

#: What a shell runs to complete "cascade-bridge WORDS…", the last of which is begun.
_SHELLS = {
    "bash": """
        source "$1"
        COMP_WORDS=(cascade-bridge "${@:2}")
        COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
        _cascade_bridge_completion cascade-bridge
        printf '%s\\n' "${COMPREPLY[@]}"
    """,
    # Outside of an interactive line zsh has neither of these, which show what they get.
    "zsh": """
        compdef() { : }
        compadd() { print -l -- ${(P)@[-1]} }
        _describe() { print -l -- ${${(P)3}%%:*} }
        source $1
        words=(cascade-bridge "${@[2,-1]}")
        CURRENT=${#words}
        _cascade_bridge_completion
    """,
    "fish": """
        source $argv[1]
        complete --do-complete "cascade-bridge $argv[2..]" | string split --fields 1 \\t
        true  # which it is not where no completion had a description
    """,
}


def complete(shell: str, folder: Path, *words: str) -> set[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "HOME": str(folder)}
    made = subprocess.run(
        ["cascade-bridge", "completion", shell],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    script = folder / "completion"
    script.write_text(made.stdout)
    name = [] if shell == "fish" else [shell]
    result = subprocess.run(
        [program(shell), "-c", _SHELLS[shell], *name, str(script), *words],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stderr == ""
    return set(result.stdout.split())


@pytest.mark.parametrize("shell", _SHELLS)
@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("che",), {"check"}),
        (("queue", "re"), {"release", "retry"}),
        (("send", "--acc"), {"--account"}),
        (("completion", ""), {"bash", "zsh", "fish"}),
    ],
)
def test_a_shell_completes(
    shell: str, words: tuple[str, ...], found: set[str], tmp_path: Path
) -> None:
    assert complete(shell, tmp_path, *words) == found

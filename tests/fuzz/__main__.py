"""Coverage-guided fuzzing, for as long as one likes.

    pip install -e '.[test,fuzz]'
    python -m tests.fuzz -runs=1000000 [-max_len=4096] [FOLDER]

FOLDER keeps the inputs that were found to matter, for the next time; the arguments are libFuzzer's.
An exception that is not ours ends the run with the input that caused it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

# Only what is loaded here tells which way an input took through it.
with atheris.instrument_imports(include=["bridge.smpp", "bridge.gsm0338"]):
    from tests.fuzz.smpp import one_input, seeds


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(seeds()):
            Path(folder, f"seed-{number}").write_bytes(b"\0" + seed)
        atheris.Setup([*sys.argv, folder], one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    main()

"""Coverage-guided fuzzing, for any time.

    pip install -e '.[test,fuzz]'
    python -m tests.fuzz smpp -runs=1000000 [-max_len=4096] [FOLDER]
    python -m tests.fuzz hooks -max_total_time=600
    python -m tests.fuzz smsc -runs=1000000 -timeout=5
    python -m tests.fuzz mail -max_total_time=3600 -timeout=5 [FOLDER]

FOLDER keeps interesting inputs for the next run; other arguments are libFuzzer's. An unexpected
exception ends the run with its input, and so does an input that takes too long for its length
(:mod:`tests.fuzz.pace`) or longer than -timeout seconds.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from itertools import product
from pathlib import Path

import atheris

from tests.fuzz.pace import Paced

#: Modules whose coverage guides the fuzzer.
TARGETS = {
    "smpp": ["bridge.smpp", "bridge.model.gsm0338"],
    "hooks": [
        "bridge.cascade.status",
        "bridge.feedback.status_updates",
        "bridge.feedback.incoming",
        "bridge.admin",
        "bridge.net.http_server",
    ],
    "smsc": [
        "bridge.smsc",
        "bridge.dialect",
        "bridge.directory",
        "bridge.relay.rules",
    ],
    "mail": [
        "bridge.smtp",
        "bridge.relay.rules",
        "bridge.model.mail_record",
        "bridge.model.gsm0338",
    ],
}


def main() -> None:
    name = sys.argv.pop(1) if sys.argv[1:2] and sys.argv[1] in TARGETS else ""
    if not name:
        sys.exit(f"python -m tests.fuzz {{{','.join(TARGETS)}}} [ARGUMENT]...")
    with atheris.instrument_imports(include=TARGETS[name]):
        target = importlib.import_module(f"tests.fuzz.{name}")
    with tempfile.TemporaryDirectory() as folder:
        # A mutation seldom changes the first octet: every choice that it makes is among the seeds.
        for number, (seed, first) in enumerate(product(target.seeds(), target.FIRST_OCTETS)):
            Path(folder, f"seed-{number}").write_bytes(bytes((first,)) + seed)
        atheris.Setup([*sys.argv, folder], Paced(target.one_input))
        atheris.Fuzz()


if __name__ == "__main__":
    main()

"""``python -m tests.chaos``: one or several runs with any number of faults."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import structlog

from tests.chaos.faults import FAULTS
from tests.chaos.run import chaos
from tests.chaos.scene import PAUSE


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--engine", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--faults", type=int, default=100, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="S")
    parser.add_argument("--nodes", type=int, default=3, help="daemons, with PostgreSQL (3)")
    parser.add_argument(
        "--pause", type=float, default=PAUSE, help=f"seconds between a client's actions ({PAUSE})"
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=sorted(FAULTS),
        default=[],
        metavar="FAULT",
        help=f"no other faults than these: {', '.join(FAULTS)}",
    )
    parser.add_argument(
        "--without", action="append", choices=sorted(FAULTS), default=[], metavar="FAULT"
    )
    parser.add_argument(
        "--folder", type=Path, help="for the store and the logs; kept if it is named"
    )
    options = parser.parse_args()
    # Without the log of our own stand-ins.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    folder = options.folder
    if folder is None:
        folder = Path(tempfile.mkdtemp(prefix=f"chaos-{options.engine}-{options.seed}-"))
    folder.mkdir(parents=True, exist_ok=True)
    report = asyncio.run(
        chaos(
            options.engine,
            options.faults,
            options.seed,
            folder,
            nodes=options.nodes,
            pause=options.pause,
            tell=lambda words: print(words, flush=True),
            only=[name for name in options.only or FAULTS if name not in options.without],
        )
    )
    print(report)
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())

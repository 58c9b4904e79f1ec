"""``python -m tests.benchmarks.instructions``: the instructions that a message costs the bridge.

A guard against slow decay. Times depend on the machine and on what else it does; the number of
instructions in the process hardly does. valgrind's callgrind counts them while the bridge runs as
it always does, one message after the other on each of the four main paths.

``instructions.json`` holds the recorded counts of each version of Python. The run fails if a path
takes much more than recorded; ``--record`` writes what was counted. What the kernel does is not
counted.
"""

from __future__ import annotations

import asyncio
import json
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import click

from tests.benchmarks import hooks_cases, paths
from tests.benchmarks.harness import Served, await_port, bridge, run
from tests.benchmarks.receipts_cases import Receiver
from tests.support import free_port

RECORD = Path(__file__).with_suffix(".json")
#: How much more than recorded is too much. Counts of the same code differ by 7 % at most, builds of
#: the same Python (Debian's, pyenv's) by 10 %; libraries of other versions add some more.
LIMIT = 1.25
#: With less than this a new record is worth while.
WORTH_WHILE = 0.85
#: Messages that are counted on each path, and those before, which are not.
COUNT, WARM_UP = 100, 20
#: A request for each message, whatever the rate; and nobody asks for statuses.
CASCADE = "requests_per_second = 10000\nburst = 10000\npoll = false"


class Counter:
    """Counts what a process under callgrind does."""

    def __init__(self, pid: int, folder: Path) -> None:
        self._pid = pid
        self._folder = folder

    def per_message(self, work: Callable[[int], object], messages: int) -> int:
        """The instructions in user space while ``work`` is done for so many messages, by each."""
        self._control("-z")
        work(messages)
        for old in self._dumps():
            old.unlink()
        self._control("-d")
        totals = [
            int(line.split()[1])
            for dump in self._dumps()
            for line in dump.read_text().splitlines()
            if line.startswith("totals:")
        ]
        assert totals, "callgrind has written no counts"
        return sum(totals) // messages

    def start(self) -> None:
        """Until here the process ran without being counted, several times faster."""
        self._control("-i", "on")

    def _control(self, *arguments: str) -> None:
        command = ["callgrind_control", *arguments, str(self._pid)]
        subprocess.run(command, check=True, capture_output=True, timeout=120)

    def _dumps(self) -> list[Path]:
        return list(self._folder.glob("callgrind.*"))


def measure() -> dict[str, int]:
    """Instructions a message, by path."""
    with tempfile.TemporaryDirectory(prefix="cascade-bridge-") as name:
        folder = Path(name)
        upstream_ids = iter(hooks_cases.fill(folder / "bridge.db", WARM_UP + COUNT))
        hooks = free_port()
        table = f'[hooks]\nlisten = ["127.0.0.1:{hooks}"]\nsecret = "{hooks_cases.SECRET}"'
        callgrind = ["valgrind", "--tool=callgrind", "--instr-atstart=no"]
        callgrind.append(f"--callgrind-out-file={folder}/callgrind.%p")
        with bridge(folder, account=table, cascade=CASCADE, under=callgrind) as served:
            await_port(hooks, served.process)
            works: dict[str, Callable[[int], object]] = {
                "submit_sm": lambda count: paths.smpp(served, count, 1, 1),
                "mail, session kept": lambda count: _mails(served, count, folder),
                "status webhook": lambda count: run(
                    hooks_cases.post(hooks, count, 1, 1, upstream_ids)
                ),
            }
            counter = Counter(served.pid, folder)
            for work in works.values():
                work(WARM_UP)
            counter.start()
            found = {path: counter.per_message(work, COUNT) for path, work in works.items()}
            # The webhooks have left a receipt for each of their messages.
            found["receipt out"] = counter.per_message(
                lambda count: run(_receive(served.smpp, count)), WARM_UP + COUNT
            )
            return found


def _mails(served: Served, count: int, folder: Path) -> None:
    paths.smtp(served, count, 1, kept=True, folder=folder)


async def _receive(port: int, count: int) -> None:
    receiver = Receiver(count)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(lambda: receiver, "127.0.0.1", port)
    async with asyncio.timeout(120):
        await receiver.done
    transport.close()


@click.command()
@click.option("--record", is_flag=True, help="Write the counts instead of comparing them.")
def main(record: bool) -> None:
    """Count the instructions of a message on each path, and compare them with the record."""
    for tool in ("valgrind", "callgrind_control", "smtp-source"):
        if shutil.which(tool) is None:
            raise click.ClickException(f"{tool} is missing (packages valgrind, postfix)")
    python = "CPython " + ".".join(platform.python_version_tuple()[:2])
    records: dict[str, dict[str, int]] = json.loads(RECORD.read_text())
    if not record and python not in records:
        click.echo(f"{python}: nothing recorded; --record writes it to {RECORD.name}")
        return
    found = measure()
    if record:
        records[python] = found
        RECORD.write_text(json.dumps(records, indent=2, sort_keys=True) + "\n")
    verdicts = [_verdict(path, count, records[python][path]) for path, count in found.items()]
    for words, _ in verdicts:
        click.echo(words)
    if not all(good for _, good in verdicts):
        sys.exit(1)


def _verdict(path: str, count: int, recorded: int) -> tuple[str, bool]:
    share = count / recorded
    words = f"{path:<20}{count:>12,} instructions, recorded {recorded:>12,}: {share:.2f}"
    if share > LIMIT:
        words += f", more than {LIMIT}"
    elif share < WORTH_WHILE:
        words += "; time for a new record"
    return words, share <= LIMIT


if __name__ == "__main__":
    main()

"""Runs programs of packages that exclude each other.

Debian's mail servers exclude each other. `.ci/run` unpacks each into a folder. Here one of them
runs in its own file system: an overlay of the package over the machine's, in memory, which ends
with its last process. The program finds its files in their usual places, and the machine does not
change.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support import missing, program

UNPACKED = Path("/opt/cascade-bridge-ci")

#: $1: the package, $2: a folder shared with the outside, $3: the script.
_SCRIPT = """
set -e
memory=$(mktemp -d)
mount -t tmpfs tmpfs "$memory"
cd "$memory"
mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
tar -C "$1" -c . | tar -C root -x --keep-directory-symlink
mount --rbind /proc root/proc
mount --rbind /dev root/dev
mkdir -p "root/$2"
mount --bind "$2" "root/$2"
exec chroot root sh -euc "$3"
"""


@asynccontextmanager
async def running(package: str, folder: Path, script: str) -> AsyncIterator[None]:
    """Runs ``script`` with ``package`` installed during the block, then kills its processes; its
    output is in ``folder/printed``. A failed script fails the test."""
    if os.geteuid() != 0:
        pytest.skip("a file system of its own needs root")
    home = UNPACKED / package
    if not home.exists():
        missing(f"the unpacked package {package}")
    with (folder / "printed").open("wb") as printed:
        process = await asyncio.create_subprocess_exec(
            # With a process namespace, so that no process outlives the first.
            *(program("unshare"), "--mount", "--pid", "--fork", "--kill-child"),
            *("sh", "-c", _SCRIPT, "sh", str(home), str(folder), script),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
        )
    try:
        yield
        if process.returncode not in (None, 0):
            pytest.fail(f"{package} ended with {process.returncode}")
    except BaseException:
        print((folder / "printed").read_text(errors="replace"))
        raise
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()

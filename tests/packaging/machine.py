"""A clean Debian 12 with systemd at work, for what the package and the guide do to a machine.

`.ci/run` puts its file system into a folder. Here it boots with another laid over it, in memory, in
namespaces of its own: processes, mounts, network with nothing but a loopback, and control groups.
All of it is gone with its first process.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import missing, program

ROOT = Path("/opt/cascade-bridge-ci/debian-12")
#: Where the machine sees the folder that it shares with the test.
SHARED = "/mnt"

#: $1: the file system, $2: the shared folder.
_BOOT = """
set -e
mount --make-rprivate / 2>/dev/null || true # in a chroot its root is no mount
mount -t tmpfs tmpfs "$2/.machine"
cd "$2/.machine"
mkdir upper work root
mount -t overlay overlay -o lowerdir="$1",upperdir=upper,workdir=work root
cd root
mount --bind "$2" mnt
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
    touch dev/$device
    mount --bind /dev/$device dev/$device
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
mount -t tmpfs tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t cgroup2 cgroup2 sys/fs/cgroup
if pivot_root . media 2>/dev/null; then
    umount -l media
    set --
else
    # In a chroot already, where the kernel lets nobody make a namespace of users.
    mkdir -p run/systemd/system/service.d
    printf '[Service]\\nPrivateUsers=no\\n' > run/systemd/system/service.d/chroot.conf
    set -- chroot .
fi
# As systemd expects in a container: it mounts credentials from a namespace of their own.
mount --make-rshared .
exec "$@" env -i container=test PATH=/usr/sbin:/usr/bin \\
    /lib/systemd/systemd --unit=multi-user.target --log-target=journal
"""


class Machine:
    """A machine that has booted; commands run in it as root."""

    def __init__(self, first: int, shared: Path) -> None:
        self._first = first
        #: This folder is ``/mnt`` there.
        self.shared = shared

    def try_to(self, script: str, *, input: str = "") -> subprocess.CompletedProcess[str]:
        """Runs a script of the shell to its end, whatever its exit code."""
        enter = [program("nsenter"), f"--target={self._first}", "--all", "--root", "--wd"]
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
        clean = ["env", "-i", "HOME=/root", "LANG=C.UTF-8", "TERM=dumb", f"PATH={path}"]
        return subprocess.run(
            [*enter, *clean, "bash", "-c", script],
            input=input,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
            check=False,
        )

    def run(self, script: str, *, input: str = "") -> str:
        """What a script prints that has to end with 0."""
        result = self.try_to(f"set -e -o pipefail\n{script}", input=input)
        assert result.returncode == 0, f"{script}\n{result.stdout}"
        return result.stdout

    def wait_for(self, script: str, within: float = 300) -> str:
        """Runs a script again and again until it ends with 0; what it printed then."""
        until = time.monotonic() + within
        while (result := self.try_to(script)).returncode:
            assert time.monotonic() < until, f"{script}\n{result.stdout}"
            time.sleep(0.2)
        return result.stdout

    def write(self, path: str, text: str) -> None:
        """Writes a file there."""
        self.run(f"cat > {shlex.quote(path)}", input=text)


def _child(pid: int) -> int | None:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else None


@contextmanager
def booted(shared: Path) -> Iterator[Machine]:
    """A machine that shares a folder, until the end of the block."""
    if os.geteuid() != 0:
        pytest.skip("a machine of its own needs root")
    if not ROOT.is_dir():
        missing(f"a clean Debian 12 in {ROOT}")
    (shared / ".machine").mkdir()
    said = (shared / ".said").open("w+")
    process = subprocess.Popen(
        [
            *(
                program("unshare"),
                "--mount",
                "--propagation=unchanged",
                "--pid",
                "--net",
                "--uts",
                "--ipc",
                "--cgroup",
            ),
            *("--fork", "--kill-child", "sh", "-c", _BOOT, "sh", str(ROOT), str(shared)),
        ],
        stdin=subprocess.DEVNULL,
        stdout=said,
        stderr=said,
    )
    try:
        until = time.monotonic() + 600
        machine: Machine | None = None
        ready = "[ -S /run/systemd/private ] && systemctl is-system-running --wait"
        while True:
            if process.poll() is not None or time.monotonic() > until:
                said.seek(0)
                pytest.fail(f"the machine does not boot: {said.read()}")
            if machine is None:
                first = _child(process.pid)
                machine = Machine(first, shared) if first is not None else None
            elif machine.try_to(ready).stdout.split()[-1:] in (["running"], ["degraded"]):
                break
            time.sleep(0.1)
        yield machine
    finally:
        process.kill()
        process.wait()
        said.close()

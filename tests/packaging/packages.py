"""The package under test, built once for all tests, and other versions of it."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import program, usable

REPOSITORY = Path(__file__).parents[2]
#: The programs of a package that a machine without them could not build or install.
_PYTHON = "/usr/bin/python3"


def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of this checkout. Processes that share the tests share it too."""
    if os.geteuid() != 0:
        pytest.skip("only root installs a package")
    program("dpkg-deb")
    usable(_PYTHON, "-c", "import ensurepip, venv")
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "package"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not list(folder.glob("*.deb")):
            subprocess.run(
                [str(REPOSITORY / "debian/build"), str(folder)],
                env=os.environ | {"COMPRESSION": "none"},
                check=True,
            )
    [package] = folder.glob("*.deb")
    return package


def next_version(package: Path, into: Path) -> tuple[str, Path]:
    """The same program as a later version; its number and its package."""
    work = into / "next"
    subprocess.run([program("dpkg-deb"), "--raw-extract", str(package), str(work)], check=True)
    control = work / "DEBIAN/control"
    text = control.read_text()
    version = text.partition("Version: ")[2].partition("\n")[0]
    later = f"{version}+next"
    control.write_text(text.replace(f"Version: {version}\n", f"Version: {later}\n"))
    [own] = work.glob("opt/cascade-bridge/lib/*/site-packages/bridge/__init__.py")
    own.write_text(own.read_text().replace(f'"{version}"', f'"{later}"'))
    shutil.rmtree(own.parent / "__pycache__")
    # Its example configuration has changed too.
    config = work / "etc/cascade-bridge/bridge.toml"
    config.write_text(config.read_text() + "\n# of the next version\n")
    file = into / "next.deb"
    command = ["--root-owner-group", "-Znone", "--build", str(work), str(file)]
    subprocess.run([program("dpkg-deb"), *command], check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(work)
    return later, file

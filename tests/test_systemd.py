"""The unit, its user and its folders, as systemd reads them, and their agreement."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge import app
from bridge.cli import Exit
from bridge.cli.clients import ToSend, by_smpp, by_smtp
from bridge.config import secret
from bridge.config.files import DEFAULT
from bridge.config.settings import Admin, Cascade, Settings, StoreSettings, parse_duration
from bridge.net.passed_sockets import PassedSockets
from bridge.sandbox import Sandbox
from bridge.store.postgres.connection import PATIENCE
from bridge.store.sqlite.engine import path_of
from tests.limits import settings
from tests.serving.daemon import Bridge, serving, write_config
from tests.support import program

REPOSITORY = Path(__file__).parents[1]
UNIT = REPOSITORY / "systemd/cascade-bridge.service"
SYSUSERS = REPOSITORY / "systemd/cascade-bridge.sysusers"
TMPFILES = REPOSITORY / "systemd/cascade-bridge.tmpfiles"
SOCKETS = {
    "smtp": REPOSITORY / "systemd/cascade-bridge-smtp.socket",
    "smpp": REPOSITORY / "systemd/cascade-bridge-smpp.socket",
}
KEYS = settings(UNIT)
#: What overall exposure `systemd-analyze security` may see: 0 is none, 100 all of it.
EXPOSURE = 10


def one(key: str) -> str:
    [value] = KEYS[key]
    return value


def rows(file: Path) -> list[list[str]]:
    return [line.split() for line in file.read_text().splitlines() if line[:1] not in "#"]


# --- what systemd says ---------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A file system with the files of the guide that systemd reads."""
    for name in ("ExecStart", "ExecReload"):
        command = tmp_path / one(name).split()[0].removeprefix("/")
        command.parent.mkdir(parents=True, exist_ok=True)
        command.touch(0o755)
    units = tmp_path / "usr/lib/systemd/system"
    units.mkdir(parents=True)
    for target in Path("/usr/lib/systemd/system").glob("*.target"):
        shutil.copy(target, units, follow_symlinks=True)
    for unit in (UNIT, *SOCKETS.values()):
        shutil.copy(unit, units)
    return tmp_path


def verify(root: Path, unit: Path = UNIT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program("systemd-analyze"), "verify", "--man=no", f"--root={root}", unit.name],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("unit", [UNIT, *SOCKETS.values()], ids=lambda unit: unit.name)
def test_systemd_accepts_the_unit(root: Path, unit: Path) -> None:
    result = verify(root, unit)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("bin/cascade-bridge serve", "bin/no-such serve"), ("Restart=on", "Restrat=on")],
)
def test_systemd_would_have_found_a_mistake(root: Path, right: str, wrong: str) -> None:
    unit = root / "usr/lib/systemd/system" / UNIT.name
    assert right in unit.read_text()
    unit.write_text(unit.read_text().replace(right, wrong))
    assert wrong.split()[0].split("=")[0] in verify(root).stderr


def test_little_of_the_system_is_exposed() -> None:
    command = [program("systemd-analyze"), "security", "--offline=true", "--no-pager"]
    result = subprocess.run(
        [*command, f"--threshold={EXPOSURE}", str(UNIT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    assert "Overall exposure level" in result.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_user_and_the_folders_are_made(tmp_path: Path) -> None:
    (tmp_path / "etc/cascade-bridge").mkdir(parents=True)
    config = tmp_path / "etc/cascade-bridge/bridge.toml"
    config.touch()
    for command in (
        [program("systemd-sysusers"), f"--root={tmp_path}", str(SYSUSERS)],
        [program("systemd-tmpfiles"), f"--root={tmp_path}", "--create", str(TMPFILES)],
    ):
        subprocess.run(command, check=True, capture_output=True)
    name, _, _, gid, _, home, shell = (tmp_path / "etc/passwd").read_text().strip().split(":")
    assert (name, home, shell) == (one("User"), "/var/lib/cascade-bridge", "/usr/sbin/nologin")
    made = {
        "etc/cascade-bridge": (0o750, 0, int(gid)),
        "etc/cascade-bridge/credentials": (0o700, 0, 0),
        "etc/cascade-bridge/bridge.toml": (0o640, 0, int(gid)),
    }
    for path, (mode, uid, group) in made.items():
        found = (tmp_path / path).stat()
        assert (found.st_mode & 0o7777, found.st_uid, found.st_gid) == (mode, uid, group), path


# --- whether they agree --------------------------------------------------------------------------


def test_user_and_group_are_those_that_sysusers_makes() -> None:
    [(kind, name, *_)] = rows(SYSUSERS)
    assert (kind, name) == ("u", one("User"))
    assert one("Group") == one("User")
    assert {row[4] for row in rows(TMPFILES)} <= {"root", one("Group")}


def test_the_folders_are_those_that_the_configuration_takes_for_granted() -> None:
    assert DEFAULT.parent == Path("/etc", one("ConfigurationDirectory"))
    assert path_of(StoreSettings().url).parent == Path("/var/lib", one("StateDirectory"))
    assert Admin().socket.parent == Path("/run", one("RuntimeDirectory"))
    folders = {row[1]: row[2] for row in rows(TMPFILES) if row[0] == "d"}
    # systemd leaves a folder that is there as it is, and warns of another mode.
    assert folders[str(DEFAULT.parent)] == one("ConfigurationDirectoryMode")


def test_the_credentials_are_those_that_the_program_looks_for() -> None:
    name, _, folder = one("LoadCredential").partition(":")
    assert folder == str(secret.CREDENTIALS)
    assert f"{name}_" == secret.PREFIX
    # Without the folder the service would not start.
    assert {row[1]: row[2] for row in rows(TMPFILES)}[folder] == "0700"


@pytest.mark.parametrize(("name", "port"), [("smtp", 25), ("smpp", 2775)])
def test_a_socket_unit_passes_what_the_service_takes(name: str, port: int) -> None:
    keys = settings(SOCKETS[name])
    assert keys["Service"] == [UNIT.name]
    assert keys["FileDescriptorName"] == [f"{name}.listen"]
    assert keys["ListenStream"] == [str(port)]
    with socket.create_server(("127.0.0.1", 0)) as opened:
        PassedSockets({f"{name}.listen": [opened]}).check(Settings())


def test_the_watchdog_waits_longer_than_the_store_may_take_for_an_answer() -> None:
    assert parse_duration(one("WatchdogSec")) > 3 * PATIENCE


def test_the_guide_installs_what_the_unit_starts() -> None:
    guide = (REPOSITORY / "docs/installation.md").read_text("utf-8")
    command = Path(one("ExecStart").split()[0])
    assert f"python3 -m venv {command.parents[1]}" in guide
    for what in (str(command), str(DEFAULT), str(secret.CREDENTIALS)):
        assert what in guide, what
    for file in (SYSUSERS, TMPFILES):
        assert f"{file.relative_to(REPOSITORY)} /etc/{file.suffix[1:]}.d/{file.stem}.conf" in (
            " ".join(guide.split())
        )
        # The file says itself where it goes.
        assert f"/etc/{file.suffix[1:]}.d/{file.stem}.conf" in file.read_text()


def test_what_cannot_be_mended_by_a_restart_is_not_restarted() -> None:
    assert one("Restart") == "on-failure"
    never = {int(code) for code in one("RestartPreventExitStatus").split()}
    assert never == {Exit.USAGE, Exit.CONFIG}


def test_systemd_waits_until_what_is_in_flight_is_finished() -> None:
    stop_timeout = Admin().stop_timeout
    assert parse_duration(one("TimeoutStopSec")) > stop_timeout
    assert stop_timeout - app.CLOSE_WITHIN > Cascade().timeout


def test_there_are_enough_file_descriptors() -> None:
    settings = Settings()
    assert int(one("LimitNOFILE")) > 2 * (
        settings.smtp.max_connections + settings.smpp.max_connections
    )


# --- the process ---------------------------------------------------------------------------------


@pytest.fixture(params=["path", "abstract"])
def manager(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[socket.socket]:
    """What the service manager listens on, and the environment that names it."""
    name = f"@cascade-bridge-test-{os.getpid()}"
    if request.param == "path":
        name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind("\0" + name[1:] if name.startswith("@") else name)
        notified.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield notified


async def heard(manager: socket.socket) -> bytes:
    async with asyncio.timeout(30):
        return await asyncio.get_running_loop().sock_recv(manager, 1024)


async def test_the_service_manager_hears_of_start_and_stop(
    tmp_path: Path, manager: socket.socket
) -> None:
    async with Sandbox() as sandbox, serving(write_config(tmp_path, sandbox.url)) as bridge:
        assert await heard(manager) == b"READY=1"
        # Who is told "ready" may connect.
        smtp, _ = await bridge.ready()
        _, writer = await asyncio.open_connection(*smtp)
        writer.close()
        code = asyncio.create_task(bridge.terminate())
        assert await heard(manager) == b"STOPPING=1"
        assert await code == 0


@pytest.mark.parametrize("manager", ["path"], indirect=True)
async def test_the_watchdog_is_fed(
    tmp_path: Path, manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    async with Sandbox() as sandbox, serving(write_config(tmp_path, sandbox.url)) as bridge:
        states = [await heard(manager) for _ in range(4)]
        assert states.count(b"READY=1") == 1
        assert states.count(b"WATCHDOG=1") == 3
        assert await bridge.terminate() == 0


@pytest.mark.parametrize("manager", ["path"], indirect=True)
async def test_a_bridge_that_cannot_start_is_not_ready(
    tmp_path: Path, manager: socket.socket
) -> None:
    config = write_config(tmp_path, "http://127.0.0.1:1")
    config.write_text(config.read_text().replace("[smpp]", "[smpp]\nno_such_key = 1"))
    async with serving(config) as bridge:
        assert await bridge.ended() == Exit.CONFIG
    with pytest.raises(BlockingIOError):
        manager.recv(1024)


@asynccontextmanager
async def limited(config: Path) -> AsyncIterator[Bridge]:
    """``serve`` under the unit's limits on system calls, sockets and memory."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.limits", str(UNIT)),
        *(sys.executable, "-m", "bridge.cli", "serve", "--config", str(config)),
        stderr=asyncio.subprocess.PIPE,
        cwd=REPOSITORY,
    )
    bridge = Bridge(process, config)
    try:
        yield bridge
    finally:
        if process.returncode is None:
            process.kill()
        await bridge.ended()


async def test_the_bridge_lives_with_the_units_limits(tmp_path: Path) -> None:
    program("systemd-analyze")
    async with Sandbox() as sandbox:
        config = write_config(tmp_path, sandbox.url.replace("127.0.0.1", "localhost"))
        # A password hash brings a compiled library and threads with it.
        made = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bridge.cli", "accounts", "hash-password"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        password_hash = (await made.communicate(b"secret12\n"))[0].decode().strip()
        config.write_text(
            config.read_text().replace(
                'password = "secret12"', f'password_hash = "{password_hash}"'
            )
        )
        async with limited(config) as bridge:
            smtp, smpp = await bridge.ready()
            sending = ToSend(("0501234567",), "Код 493817", "crm", "secret12")
            for by, server in ((by_smtp, smtp), (by_smpp, smpp)):
                reply = await asyncio.to_thread(by, server, sending)
                assert reply.accepted, reply.text
            assert [message.text for message in sandbox.messages] == ["Код 493817"] * 2
            assert await bridge.terminate() == 0


async def test_the_limits_of_that_test_are_limits() -> None:
    tries = (
        "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
        "mmap.mmap(-1, 4096, prot=7)",
        "os.setuid(0)",
        "os.nice(1)",
    )
    code = "import mmap, os, socket"
    for one_try in tries:
        code += f"\ntry: {one_try}\nexcept OSError: print('refused')"
    result = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.limits", str(UNIT), sys.executable, "-c", code),
        stdout=asyncio.subprocess.PIPE,
        cwd=REPOSITORY,
    )
    assert (await result.communicate())[0] == b"refused\n" * len(tries)

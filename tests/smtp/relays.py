"""Third-party mail servers that relay to the bridge: private instances in their own folders.

Both need root, and listen only on the loopback.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.smtp.standins import DOMAIN
from tests.support import free_port, program, usable

WITHIN = 30.0


class MailServer:
    """Accepts mails on ``port``, and relays mails to our domain to ``bridge_port``."""

    #: Its log messages for a bounced recipient, and for a deferred one.
    bounced: str
    deferred: str
    #: Its log message for a wrongly accepted recipient.
    taken: tuple[str, ...]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.bridge_port = free_port()
        self.log = folder / "log"

    async def said(self, *words: str) -> str:
        """The first line of the log with all of ``words``."""
        log, end = "", time.monotonic() + WITHIN
        while time.monotonic() < end:
            log = self.log.read_text("utf-8", "replace") if self.log.exists() else ""
            for line in log.splitlines():
                if all(word in line for word in words):
                    return line
            await asyncio.sleep(0.05)
        pytest.fail(f"not within {WITHIN:.0f} s: {words} in\n{log}")

    def await_port(self) -> None:
        """Waits until it accepts connections, perhaps after its start command has ended."""
        end = time.monotonic() + WITHIN
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
            else:
                return

    def retry(self) -> None:
        """Retries the queue now."""
        raise NotImplementedError


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder that the server's own user can reach, unlike pytest's."""
    if os.geteuid() != 0:
        pytest.skip("a mail server of its own needs root")
    folder = Path(tempfile.mkdtemp(prefix="relay-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# --- Postfix

_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = relay.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
local_recipient_maps =
default_transport = discard
transport_maps = inline:{{ {{ {domain} = smtp:[127.0.0.1]:{bridge} }} }}
smtp_dns_support_level = disabled
smtp_destination_concurrency_limit = 2
smtputf8_enable = no
"""
_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup    unix n - n 60 1 pickup
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
flush     unix n - n 1000? 0 flush
proxymap  unix - - n - - proxymap
smtp      unix - - n - - smtp
error     unix - - n - - error
retry     unix - - n - - error
discard   unix - - n - - discard
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""


class Postfix(MailServer):
    bounced, deferred = "status=bounced", "status=deferred"
    taken = ("relay=none", "status=sent")

    def __init__(self, folder: Path, more: str = "", services: str = "") -> None:
        super().__init__(folder)
        self._config = folder / "config"
        self._config.mkdir()
        (folder / "queue").mkdir()
        (folder / "data").mkdir()
        shutil.chown(folder / "data", "postfix")
        values = {"folder": folder, "domain": DOMAIN, "bridge": self.bridge_port}
        (self._config / "main.cf").write_text(_MAIN.format(**values) + more)
        (self._config / "master.cf").write_text(_MASTER.format(port=self.port) + services)

    @property
    def master(self) -> int:
        """The process id of the master process."""
        return int((self.folder / "queue/pid/master.pid").read_text())

    def postfix(self, *command: str) -> None:
        subprocess.run(
            [program("postfix"), "-c", str(self._config), *command],
            check=True,
            capture_output=True,
            timeout=30,
        )

    def retry(self) -> None:
        self.postfix("flush")


@contextmanager
def postfix(more: str = "", services: str = "") -> Iterator[Postfix]:
    """``more`` are further lines of its main.cf, ``services`` of its master.cf."""
    program("postfix")
    with private_folder() as folder:
        server = Postfix(folder, more, services)
        server.postfix("start")
        try:
            server.await_port()
            yield server
        finally:
            server.postfix("stop")


def postmap(file: Path) -> None:
    """Makes the database of a table, for ``hash:``."""
    with private_folder() as config:
        # The machine may have no configuration of Postfix.
        (config / "main.cf").write_text("compatibility_level = 3.6\n")
        command = [program("postmap"), "-c", str(config), f"hash:{file}"]
        subprocess.run(command, check=True, timeout=30)


# --- Exim

#: Debian's Exim lets only root and this user name a configuration file.
_EXIM_USER = "Debian-exim"

_EXIM = """\
primary_hostname = relay.test
exim_path = {exim}
exim_user = {user}
exim_group = {group}
never_users =
spool_directory = {folder}/spool
log_file_path = {folder}/%slog
pid_file_path = {folder}/pid
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
acl_smtp_rcpt = accept
acl_smtp_data = accept
dsn_advertise_hosts = *
tls_advertise_hosts =
queue_only_load = 1000
log_selector = +smtp_confirmation
keep_environment =

begin acl

begin routers
to_bridge:
  driver = manualroute
  domains = {domain}
  transport = bridge
  route_list = * 127.0.0.1
  self = send
nowhere:
  driver = accept
  transport = nowhere

begin transports
bridge:
  driver = smtp
  port = {bridge}
  allow_localhost
  hosts_try_dane =
  hosts_avoid_tls = *
nowhere:
  driver = appendfile
  file = /dev/null
  user = {user}

begin retry
* * F,1h,1m
"""


class Exim(MailServer):
    bounced, deferred = "** ", "== "
    taken = ("=>", "T=nowhere")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.log = folder / "mainlog"
        self._config = folder / "exim.conf"
        (folder / "spool").mkdir()
        values = {"user": _EXIM_USER, "group": _EXIM_USER, "folder": folder, "domain": DOMAIN}
        ports = {"port": self.port, "bridge": self.bridge_port}
        text = _EXIM.format(exim=program("exim4"), **values, **ports)
        self._config.write_text(text)
        for place in (folder, folder / "spool"):
            shutil.chown(place, _EXIM_USER, _EXIM_USER)

    def exim(self, *command: str) -> None:
        arguments = [program("exim4"), "-C", str(self._config), *command]
        subprocess.run(arguments, check=True, capture_output=True, timeout=30)

    def retry(self) -> None:
        self.exim("-qff")

    def stop(self) -> None:
        pid = int((self.folder / "pid").read_text())
        os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + WITHIN
        while time.monotonic() < end and Path(f"/proc/{pid}").exists():
            time.sleep(0.01)


@contextmanager
def exim() -> Iterator[Exim]:
    # It accepts a mail as root, and delivers it as this user.
    usable(program("exim4"), "-C", "/dev/null", "-bV", user=_EXIM_USER)
    with private_folder() as folder:
        server = Exim(folder)
        server.exim("-bd")
        try:
            server.await_port()
            yield server
        finally:
            server.stop()

"""Monitoring systems with the recipes' configurations: a failed check reaches the phone."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.recipes.conftest import Served
from tests.recipes.pages import block, blocks, replaced
from tests.support import program

NAGIOS = """\
log_file={folder}/log
cfg_file={folder}/objects.cfg
object_cache_file={folder}/cache
status_file={folder}/status
state_retention_file={folder}/retention
lock_file={folder}/lock
command_file={folder}/commands
temp_file={folder}/temp
temp_path={folder}
check_result_path={folder}
use_syslog=0
nagios_user=root
nagios_group=root
enable_notifications=1
execute_service_checks=1
interval_length=1
"""
OBJECTS = """
define timeperiod {
    timeperiod_name  24x7
    alias            always
    sunday           00:00-24:00
    monday           00:00-24:00
    tuesday          00:00-24:00
    wednesday        00:00-24:00
    thursday         00:00-24:00
    friday           00:00-24:00
    saturday         00:00-24:00
}
define command {
    command_name  full
    command_line  /bin/sh -c "echo disk full && exit 2"
}
define host {
    host_name              web1
    address                127.0.0.1
    max_check_attempts     1
    check_period           24x7
    notification_period    24x7
    notification_interval  0
    contacts               oncall
}
define service {
    host_name              web1
    service_description    disk
    check_command          full
    max_check_attempts     1
    check_interval         1
    retry_interval         1
    check_period           24x7
    notification_period    24x7
    notification_interval  0
    contacts               oncall
}
"""


@asynccontextmanager
async def running(folder: Path, *command: str) -> AsyncIterator[None]:
    """Runs a daemon during the block; shows its output if the test fails."""
    with (folder / "printed").open("wb") as printed:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=printed, stderr=printed, start_new_session=True
        )
    try:
        yield
    except BaseException:
        print((folder / "printed").read_text(errors="replace")[-4000:])
        raise
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def test_nagios(tmp_path: Path, served: Served, msmtprc: Path) -> None:
    nagios = program("nagios4")
    folder = tmp_path / "nagios"
    folder.mkdir()
    recipe = block("recipes.md", "Nagios", "nagios")
    msmtp = f"{program('msmtp')} -C {msmtprc}"
    (folder / "objects.cfg").write_text(OBJECTS + recipe.replace("/usr/bin/msmtp", msmtp))
    (folder / "nagios.cfg").write_text(NAGIOS.format(folder=folder))
    async with running(folder, nagios, str(folder / "nagios.cfg")):
        assert await served.text() == "PROBLEM: disk on web1 is CRITICAL, disk full"


ICINGA = """
include <itl>
const NodeName = "monitor"
object CheckerComponent "checker" {{ }}
object NotificationComponent "notification" {{ }}
object FileLogger "log" {{ path = "{folder}/log" }}
object CheckCommand "full" {{ command = [ "/bin/sh", "-c", "echo disk full; exit 2" ] }}
object Host "web1" {{ check_command = "dummy" }}
object Service "disk" {{
  host_name = "web1"
  check_command = "full"
  max_check_attempts = 1
  check_interval = 1
}}
"""


async def test_icinga(tmp_path: Path, served: Served, msmtprc: Path) -> None:
    icinga = program("icinga2")
    if os.geteuid() != 0:
        pytest.skip("a file system of its own needs root")
    folder = tmp_path / "icinga"
    (folder / "scripts").mkdir(parents=True)
    script = folder / "scripts/sms-notification.sh"
    msmtp = f"{program('msmtp')} -C {msmtprc}"
    [recipe] = blocks("recipes.md", "Icinga 2", "sh")
    script.write_text(replaced(recipe, ("/usr/bin/msmtp", msmtp)))
    script.chmod(0o755)
    config = ICINGA.format(folder=folder) + block("recipes.md", "Icinga 2", "icinga2")
    (folder / "icinga2.conf").write_text(config)
    own = f"""
        for place in /run /var/lib/icinga2 /var/cache/icinga2 /var/log/icinga2; do
            mount -t tmpfs tmpfs $place
        done
        mkdir /run/icinga2
        mount --bind {folder}/scripts /etc/icinga2/scripts
        ICINGA2_USER=root ICINGA2_GROUP=root exec {icinga} daemon -c {folder}/icinga2.conf
    """
    command = (program("unshare"), "--mount", "sh", "-euc", own)
    async with running(folder, *command):
        assert await served.text() == "PROBLEM: web1 disk is CRITICAL, disk full"

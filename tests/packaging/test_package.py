"""The Debian package in a clean Debian 12: installed, upgraded at work, removed, purged."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from tests.documents.pages import ALL, FENCED
from tests.packaging import packages
from tests.packaging.machine import SHARED, Machine, booted
from tests.support import program

CONFIG = """
[cascade]
base_url = "http://127.0.0.1:8080"
authorization_key = "credential:cascade-key"
[smtp]
domains = ["sms.example.com"]
[accounts.crm]
password = "secret12"
sender = "Shop"
countries = ["UA"]
"""
SOCKETS = "cascade-bridge-smtp.socket cascade-bridge-smpp.socket"
READY = "journalctl -u cascade-bridge -o cat | grep -q '\"ready\"'"
PROGRAM = "/opt/cascade-bridge/bin/python3"
#: A stop answers any command with 421; smtplib has an exception for each.
TROUBLE_OF_A_STOP = re.compile(r"SMTPServerDisconnected|SMTP\w+: .*\(421, b'4\.3\.2 ")


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packages.built(tmp_path_factory)


@pytest.fixture
def machine(package: Path, tmp_path: Path) -> Iterator[Machine]:
    """A machine with the package."""
    shutil.copy(package, tmp_path / "cascade-bridge.deb")
    with booted(tmp_path) as found:
        found.run(f"dpkg -i {SHARED}/cascade-bridge.deb")
        yield found


def configure(machine: Machine, config: str = CONFIG) -> None:
    """What an administrator does before the first start, with a stand-in for the API."""
    machine.run(
        "systemd-run -q --unit=sandbox cascade-bridge sandbox --listen 127.0.0.1:8080 --key k3y"
    )
    machine.run(
        "install -m 600 /dev/stdin /etc/cascade-bridge/credentials/cascade-key", input="k3y\n"
    )
    machine.write("/etc/cascade-bridge/bridge.toml", config)


def pid(machine: Machine) -> int:
    return int(machine.run("systemctl show -P MainPID cascade-bridge"))


def sent(machine: Machine) -> list[str]:
    """The texts that the API got."""
    url = "http://127.0.0.1:8080/sandbox/messages?limit=100000"
    code = f"import urllib.request as r; print(r.urlopen('{url}').read().decode())"
    found = json.loads(machine.run(f'{PROGRAM} -c "{code}"'))
    return [one["message"]["text"] for one in found["messages"]]


# --- installed -----------------------------------------------------------------------------------


def test_installed_files_have_the_right_owners(machine: Machine) -> None:
    shown = machine.run(
        "stat -c '%n %a %U:%G' /etc/cascade-bridge /etc/cascade-bridge/bridge.toml "
        "/etc/cascade-bridge/credentials /opt/cascade-bridge/bin/cascade-bridge"
    )
    assert shown.splitlines() == [
        "/etc/cascade-bridge 750 root:cascade-bridge",
        "/etc/cascade-bridge/bridge.toml 640 root:cascade-bridge",
        "/etc/cascade-bridge/credentials 700 root:root",
        "/opt/cascade-bridge/bin/cascade-bridge 755 root:root",
    ]
    assert machine.run("find /opt/cascade-bridge -perm /022 ! -type l") == ""
    assert machine.run("dpkg --verify cascade-bridge") == ""
    assert machine.run("cascade-bridge --version").startswith("cascade-bridge ")
    for file in (
        "man/man1/cascade-bridge.1.gz",
        "man/man5/bridge.toml.5.gz",
        "bash-completion/completions/cascade-bridge",
        "zsh/vendor-completions/_cascade-bridge",
        "fish/vendor_completions.d/cascade-bridge.fish",
    ):
        machine.run(f"test -s /usr/share/{file}")
    # Nothing starts before it is configured.
    assert machine.try_to("systemctl is-enabled cascade-bridge").stdout.strip() == "disabled"
    assert machine.try_to("systemctl is-active cascade-bridge").stdout.strip() == "inactive"


def test_links_between_the_pages_of_the_package_lead_somewhere(package: Path) -> None:
    doc = PurePosixPath("/usr/share/doc/cascade-bridge")
    listed = subprocess.run(
        [program("dpkg-deb"), "--contents", str(package)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    paths = {line.split(maxsplit=5)[5].partition(" -> ")[0][1:] for line in listed.splitlines()}
    shipped = {path.rstrip("/").replace(f"{doc}/examples/", f"{doc}/config/") for path in paths}
    pages = [page for page in ALL if f"{doc / page}" in shipped]
    assert set(pages) == set(ALL)
    for page in pages:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", FENCED.sub("", ALL[page])):
            target = os.path.normpath(doc / PurePosixPath(page).parent / link)
            # What only a checkout has.
            if not target.startswith((f"{doc}/tests", f"{doc}/LICENSE")):
                assert target in shipped, f"{page}: {link}"


def test_systemd_has_nothing_to_say_against_the_units(machine: Machine) -> None:
    verify = f"systemd-analyze verify --man=no cascade-bridge.service {SOCKETS}"
    assert machine.run(verify) == ""
    machine.run("systemd-analyze security --threshold=10 cascade-bridge.service")


def test_a_running_program_changes_nothing_of_the_package(machine: Machine) -> None:
    for command in ("--help", "check --help", "trace --help"):
        machine.run(f"cascade-bridge {command}")
    machine.run("timeout 100 cascade-bridge demo")
    listed = "cd /opt/cascade-bridge && find . ! -type d | sort"
    owned = "dpkg -L cascade-bridge | sed -n 's|^/opt/cascade-bridge/|./|p' | sort"
    there = set(machine.run(listed).splitlines())
    assert there <= set(machine.run(owned).splitlines())


# --- at work -------------------------------------------------------------------------------------


def test_the_configured_service_serves(machine: Machine) -> None:
    configure(machine)
    checked = machine.run("cascade-bridge check")
    assert "The configuration is good." in checked
    machine.run("systemctl enable --now cascade-bridge")
    for by in ("smtp", "smpp"):
        machine.run(f"cascade-bridge send --by {by} --account crm --text {by} +380501234567")
    assert sorted(sent(machine)) == ["smpp", "smtp"]
    tried = machine.run("cascade-bridge check --connect || true")
    assert "BAD" not in tried.replace("BAD   disk", ""), tried
    # It has what the unit gives it, and keeps others out.
    assert machine.run(f"stat -c %U /proc/{pid(machine)}").strip() == "cascade-bridge"
    private = machine.run("find /var/lib/cascade-bridge /run/cascade-bridge -type f -perm /077")
    assert private == ""
    machine.run("cascade-bridge queue list && systemctl reload cascade-bridge")
    log = machine.run("journalctl -u cascade-bridge -o cat")
    assert '"reloaded"' in log
    assert "not supported" not in log
    machine.run("echo no_such_key = 1 >> /etc/cascade-bridge/bridge.toml")
    assert machine.try_to("systemctl reload cascade-bridge").returncode != 0
    assert "no_such_key" in machine.run("journalctl -u cascade-bridge -o cat")
    machine.run("systemctl stop cascade-bridge")
    assert '"stopped"' in machine.run("journalctl -u cascade-bridge -o cat")


def test_check_of_root_finds_what_the_service_cannot_open(machine: Machine) -> None:
    configure(machine)
    machine.run("cascade-bridge check")
    machine.run("chmod 600 /etc/cascade-bridge/bridge.toml")
    found = machine.try_to("cascade-bridge check")
    assert found.returncode == 78
    assert "which cascade-bridge cannot open (Permission denied)" in found.stdout
    # And systemd agrees.
    machine.try_to("systemctl start cascade-bridge")
    machine.wait_for("systemctl is-failed cascade-bridge")
    assert machine.run("systemctl show -P ExecMainStatus cascade-bridge").strip() == "78"


def test_a_missing_key_is_named_with_its_file(machine: Machine) -> None:
    configure(machine)
    machine.run("rm /etc/cascade-bridge/credentials/cascade-key")
    found = machine.try_to("cascade-bridge check")
    assert found.returncode == 78
    assert "/etc/cascade-bridge/credentials/cascade-key" in found.stdout


def test_ports_of_systemd_need_no_capability(machine: Machine) -> None:
    configure(machine)
    machine.run(f"systemctl enable --now {SOCKETS}")
    machine.run("systemctl start cascade-bridge")
    checked = machine.run("cascade-bridge check")
    shown = [line.split() for line in checked.splitlines()]
    assert ["smtp", "[::]:25"] in shown
    assert ["smpp", "[::]:2775"] in shown
    machine.run("cascade-bridge send --server 127.0.0.1:25 -a crm --text one +380501234567")
    smpp = "cascade-bridge send --by smpp --server [::1]:2775 -a crm --text two +380501234567"
    machine.run(smpp)
    assert sorted(sent(machine)) == ["one", "two"]
    status = machine.run(f"cat /proc/{pid(machine)}/status")
    assert "CapEff:\t0000000000000000" in status
    # A client starts it too.
    machine.run("systemctl stop cascade-bridge")
    machine.run(smpp.replace("two", "three"))
    assert "three" in sent(machine)


def test_users_without_rights_send(machine: Machine) -> None:
    configure(machine, CONFIG + 'trusted_networks = ["127.0.0.1"]\n')
    machine.run("useradd clerk && systemctl start cascade-bridge")
    mail = "su clerk -c 'echo {} | cascade-bridge sendmail {} 380501234567@sms.example.com'"
    machine.run(mail.format("one", ""))
    send = "cascade-bridge send -a crm --password secret12 --server 127.0.0.1:2525 --domain"
    machine.run(f"su clerk -c '{send} sms.example.com -t two +380501234567'")
    machine.run("systemctl stop cascade-bridge && systemctl start cascade-bridge-smtp.socket")
    machine.run(mail.format("three", "--server 127.0.0.1:25"))
    assert sorted(sent(machine)) == ["one", "three", "two"]


# --- upgraded ------------------------------------------------------------------------------------


def test_an_upgrade_at_work_loses_nothing(machine: Machine, package: Path) -> None:
    version, later = packages.next_version(package, machine.shared)
    configure(machine)
    machine.run(f"systemctl enable --now {SOCKETS} && systemctl start cascade-bridge")
    before = pid(machine)
    shutil.copy(Path(__file__).with_name("traffic.py"), machine.shared)
    machine.run(f"systemd-run -q --unit=traffic {PROGRAM} {SHARED}/traffic.py 25 {SHARED}")
    accepted = machine.shared / "accepted"
    machine.wait_for(f"[ $(wc -l < {SHARED}/accepted) -ge 20 ]")
    machine.run(f"dpkg --force-confold -i {SHARED}/{later.name}")
    count = len(accepted.read_text().splitlines())
    machine.wait_for(f"[ $(wc -l < {SHARED}/accepted) -ge {count + 20} ]")
    (machine.shared / "stop").touch()
    machine.wait_for("! systemctl is-active -q traffic")
    assert pid(machine) not in (0, before)
    assert f'"version":"{version}"' in machine.run("journalctl -u cascade-bridge -o cat")
    # No client was refused; one in a session at the stop may have heard 421, and kept its mail.
    troubles = (machine.shared / "troubles").read_text().splitlines()
    assert [one for one in troubles if not TROUBLE_OF_A_STOP.match(one)] == []
    texts, yes = Counter(sent(machine)), Counter(accepted.read_text().splitlines())
    lost, without_yes = yes - texts, texts - yes
    assert not lost, troubles
    assert not without_yes, troubles
    # What the administrator wrote is there, and what the package brings now is beside it.
    assert machine.run("cat /etc/cascade-bridge/bridge.toml") == CONFIG
    assert "next version" in machine.run("cat /etc/cascade-bridge/bridge.toml.dpkg-dist")
    shown = machine.run("stat -c '%a %U:%G' /etc/cascade-bridge/bridge.toml*").split("\n")
    assert shown[0] == "640 root:cascade-bridge"


def test_an_upgrade_that_the_configuration_does_not_suit_leaves_the_old_version_running(
    machine: Machine, package: Path
) -> None:
    _, later = packages.next_version(package, machine.shared)
    configure(machine)
    machine.run("systemctl enable --now cascade-bridge")
    before = pid(machine)
    machine.run("echo 'no_such_key = 1' >> /etc/cascade-bridge/bridge.toml")
    said = machine.run(f"dpkg --force-confold -i {SHARED}/{later.name}")
    assert "accounts.crm.no_such_key" in said
    assert "not restarted" in said
    assert pid(machine) == before
    machine.run(
        "cascade-bridge send -a crm --server 127.0.0.1:2525 --password secret12 "
        "--config /dev/null --domain sms.example.com --text still +380501234567"
    )
    assert sent(machine) == ["still"]


def test_an_installation_by_pip_is_in_the_way(tmp_path: Path, package: Path) -> None:
    shutil.copy(package, tmp_path / "cascade-bridge.deb")
    with booted(tmp_path) as machine:
        machine.run("python3 -m venv --without-pip /opt/cascade-bridge")
        refused = machine.try_to(f"dpkg -i {SHARED}/cascade-bridge.deb")
        assert refused.returncode != 0
        assert "was installed by pip" in refused.stdout
        machine.run(f"rm -r /opt/cascade-bridge && dpkg -i {SHARED}/cascade-bridge.deb")


# --- removed -------------------------------------------------------------------------------------


def test_removed_it_leaves_configuration_and_messages_and_purged_nothing(
    machine: Machine,
) -> None:
    configure(machine)
    machine.run(f"systemctl enable --now {SOCKETS} && systemctl enable --now cascade-bridge")
    machine.run("cascade-bridge send --server 127.0.0.1:25 -a crm --text one +380501234567")
    machine.run("systemctl stop sandbox; dpkg -r cascade-bridge")
    assert machine.try_to("systemctl is-active cascade-bridge").stdout.strip() == "inactive"
    assert '"stopped"' in machine.run("journalctl -u cascade-bridge -o cat")
    machine.run("test ! -e /opt/cascade-bridge && test ! -e /usr/bin/cascade-bridge")
    assert machine.run("find /etc/systemd -name '*cascade*'") == ""
    machine.run("test -s /var/lib/cascade-bridge/bridge.db")
    machine.run("test -s /etc/cascade-bridge/credentials/cascade-key")
    assert machine.run("cat /etc/cascade-bridge/bridge.toml") == CONFIG
    # Installed again, all of it is as it was.
    machine.run(f"dpkg -i {SHARED}/cascade-bridge.deb && systemctl enable --now cascade-bridge")
    assert "one" in machine.run("cascade-bridge trace 0501234567 --text")
    machine.run("dpkg -P cascade-bridge")
    left = "find / -xdev -path /mnt -prune -o -path /var/log -prune -o -name '*cascade*' -print"
    assert machine.run(left) == ""
    machine.run("dpkg -P cascade-bridge || true")


def test_without_systemd_at_work_it_installs_and_purges_as_well(
    tmp_path: Path, package: Path
) -> None:
    shutil.copy(package, tmp_path / "cascade-bridge.deb")
    with booted(tmp_path) as machine:
        # As in a chroot or a container's image.
        hidden = "unshare --mount sh -euc 'umount -l /run && {}'"
        machine.run(hidden.format(f"dpkg -i {SHARED}/cascade-bridge.deb"))
        machine.run("getent passwd cascade-bridge")
        machine.run(hidden.format("dpkg -P cascade-bridge"))

"""The guide, followed line by line in a clean Debian 12: its commands are taken from the pages."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging import packages
from tests.packaging.machine import SHARED, Machine, booted
from tests.support import program

REPOSITORY = Path(__file__).parents[2]
FRONT, PAGE = REPOSITORY / "README.md", REPOSITORY / "docs/installation.md"
#: Where the checkout is in the machine.
CHECKOUT = "/srv/checkout"
#: What the machine has instead of the network's: an index of packages, and the API.
PIP = f"[global]\nno-index = true\nfind-links = {SHARED}/wheels\n"
API = 'base_url = "http://127.0.0.1:8080"'
KEY = "the-key-of-smsbat"
#: Lines whose work is done before the machine boots, which has no network: `make deb` is what the
#: package under test was built with, and the second installs what that needs.
DONE = {"make deb", "sudo apt install make python3-venv"}


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packages.built(tmp_path_factory)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The repository as it stands, without what is ignored."""
    listed = ["ls-files", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(
        [program("git"), *listed], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    folder = tmp_path / "checkout"
    for name in files:
        if (REPOSITORY / name).is_file() and not name.startswith("tests/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, folder / name)
    return folder


@pytest.fixture
def machine(tmp_path: Path, checkout: Path) -> Iterator[Machine]:
    with booted(tmp_path) as found:
        found.run(f"cp -r {SHARED}/{checkout.name} {CHECKOUT}")
        # Who sends needs no rights.
        found.run("useradd --create-home clerk")
        yield found


def section(page: Path, title: str) -> str:
    """A section of a page, with those under it."""
    text = page.read_text("utf-8")
    found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^#{{1,2}} |\Z)", text, re.M | re.S)
    assert found, title
    return found[2]


def blocks(text: str, language: str = "sh") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def commands(text: str) -> list[str]:
    """The commands of all blocks, each with the lines that belong to it."""
    found: list[str] = []
    for block in blocks(text):
        text = ""
        for line in block.splitlines():
            text += f"{line}\n"
            here = re.search(r"<<'(\w+)'", text)
            if line.endswith("\\") or (here and line != here[1]):
                continue
            found.append(text.rstrip("\n"))
            text = ""
        assert not text, block
    return found


def follow(machine: Machine, lines: list[str], *, input: dict[str, str] | None = None) -> str:
    """Types the lines into one shell in the checkout; ``input`` is what a command then asks for."""
    script = f"cd {CHECKOUT}\n"
    for line in lines:
        if line in DONE:
            continue
        given = [text for begin, text in (input or {}).items() if line.startswith(begin)]
        script += f"printf '+ %s\\n' {line.split()[0]}\n"
        script += f"{line} < <(printf '%s' '{given[0]}')\n" if given else f"{line}\n"
    return machine.run(script)


def installing() -> tuple[list[str], list[str]]:
    """Step 1 of the front page: by the package, and by pip."""
    first = section(FRONT, "Five minutes to a first real message").partition("**2. ")[0]
    by_package, by_pip = [commands(block) for block in parts(first)]
    return by_package, by_pip


def test_both_pages_install_alike() -> None:
    by_package, by_pip = installing()
    assert by_package == commands(section(PAGE, "By the Debian package"))
    assert by_pip == commands(parts(section(PAGE, "By pip"))[0])


def set_up(machine: Machine) -> None:
    """Steps 2 to 6 of the front page, behind an installation."""
    guide = section(FRONT, "Five minutes to a first real message")
    steps = re.split(r"^\*\*\d\. ", guide, flags=re.M)
    assert len(steps) == 7
    _, _, key, password, configuration, start, send = steps
    follow(machine, commands(key), input={"sudo install -m 600 /dev/stdin": f"{KEY}\n"})
    printed = follow(machine, commands(password))
    [hashed] = re.findall(r"\$argon2id\$\S+", printed)
    [plain] = set(re.findall(r"^(?:password\s+)?(\S{8,})$", printed, re.M)) - {hashed}
    # An editor that types what the page shows.
    [shown] = blocks(configuration, "toml")
    assert "$argon2id$" in shown
    typed = re.sub(r'"\$argon2id[^"]+"', f'"{hashed}"', shown)
    typed = typed.replace("[cascade]\n", f"[cascade]\n{API}\n")
    machine.write("/srv/typed", typed)
    machine.write("/usr/local/bin/type-it", '#!/bin/sh\nexec cp /srv/typed "$1"\n')
    machine.run("chmod 755 /usr/local/bin/type-it")
    follow(machine, ["export SUDO_EDITOR=type-it", *commands(configuration)])
    machine.run(
        "systemd-run -q --unit=sandbox /opt/cascade-bridge/bin/cascade-bridge sandbox "
        f"--listen 127.0.0.1:8080 --key {KEY}"
    )
    *check_and_start, log = commands(start)
    assert "The configuration is good." in follow(machine, check_and_start)
    # A person types more slowly than the journal writes.
    machine.run("journalctl --sync")
    assert '"ready"' in follow(machine, [log])
    [sending] = commands(send)
    machine.write("/srv/send", f"{sending}\n")
    answer = machine.run("su - clerk -c 'bash /srv/send'", input=f"{plain}\n")
    assert "submit_sm_resp ESME_ROK (0x00), message_id" in answer


def configured(machine: Machine, text: str) -> None:
    """Puts what a page shows into the configuration, under the tables that are there."""
    config = machine.run("cat /etc/cascade-bridge/bridge.toml")
    for head, keys in re.findall(r"^(\[\w+\]\n)(.*?)(?=^\[|\Z)", text, re.M | re.S):
        found = head in config
        config = config.replace(head, head + keys) if found else f"{config}\n{head}{keys}"
    machine.write("/etc/cascade-bridge/bridge.toml", config)


def tokens(machine: Machine) -> None:
    """Both tokens, of which the one that may only read opens the metrics."""
    text = section(PAGE, "Tokens")
    make, start = map(commands, parts(text))
    printed = follow(machine, make)
    assert re.search(r"^[0-9a-f]{48}$", printed, re.M)
    [shown] = blocks(text, "toml")
    configured(machine, shown)
    assert "The configuration is good." in follow(machine, start)
    view = machine.run("cat /etc/cascade-bridge/credentials/view-token").strip()
    ask = "import sys, urllib.request as r; print(r.urlopen(r.Request(sys.argv[1], headers={'"
    ask += f"Authorization': 'Bearer {view}'}})).read().decode())"
    url = "http://127.0.0.1:8025/metrics"
    assert "cascade_bridge_ready 1" in machine.run(f'python3 -c "{ask}" {url}')


def certificates(machine: Machine) -> None:
    """TLS, first with a certificate of its own, then with one at certbot's place."""
    text = section(PAGE, "Certificates")
    of_certbot, own, start = map(commands, parts(text))
    follow(machine, own)
    [shown] = blocks(text, "toml")
    configured(machine, shown)
    said = follow(machine, start)
    assert re.search(r"good +certificate .*, in 36\d days", said), said
    live = "/etc/letsencrypt/live/bridge.example.com"
    machine.run(
        f"mkdir -p {live} && cd /etc/cascade-bridge && "
        f"cp tls.crt {live}/fullchain.pem && cp tls.key {live}/privkey.pem && rm tls.crt tls.key"
    )
    follow(machine, [*of_certbot, "sudo systemctl reload cascade-bridge"])
    follow(machine, start[-1:])


def webhooks(machine: Machine) -> None:
    text = section(REPOSITORY / "docs/webhooks.md", "Webhooks")
    [shown] = blocks(text, "toml")
    configured(machine, shown)
    assert "The configuration is good." in follow(machine, commands(text))
    only_root(machine, "/etc/cascade-bridge/credentials/hook-secret")


def nodes(machine: Machine) -> None:
    """A node's part, here with the store of one node."""
    _, password, start = map(commands, parts(section(REPOSITORY / "docs/nodes.md", "Setting up")))
    follow(machine, password, input={"sudo install": "db.example.com:5432:cascade:cascade:x\n"})
    only_root(machine, "/etc/cascade-bridge/pgpass", "cascade-bridge")
    assert re.search("^0 .* ready ", follow(machine, start), re.M)


def test_the_guide_by_the_package(machine: Machine, package: Path) -> None:
    shutil.copy(package, machine.shared)
    machine.run(f"mkdir {CHECKOUT}/dist && cp {SHARED}/*.deb {CHECKOUT}/dist/")
    by_package, _ = installing()
    follow(machine, by_package)
    set_up(machine)
    tokens(machine)
    certificates(machine)
    webhooks(machine)
    nodes(machine)
    backup, install, *_ = commands(section(PAGE, "Upgrade"))
    follow(machine, [backup, install])
    only_root(machine, "/var/backups/cascade-bridge.db")
    remove, purge = commands(section(PAGE, "Removal"))[:2]
    follow(machine, [f"{remove} --yes", f"{purge} --yes"])
    assert machine.run("find /etc /var/lib -name '*cascade*' ! -path '*/dpkg/*'") == ""


def test_the_guide_by_pip(machine: Machine, checkout: Path) -> None:
    machine.run("mkdir -p /etc && cat > /etc/pip.conf", input=PIP)
    wheels(machine.shared / "wheels", checkout)
    # A module of this version that the next one does not have.
    machine.write(f"{CHECKOUT}/bridge/of_this_version.py", "")
    _, by_pip = installing()
    follow(machine, by_pip)
    set_up(machine)
    _, extras = parts(section(PAGE, "By pip"))
    follow(machine, commands(extras)[:2])
    machine.run("test -s /etc/bash_completion.d/cascade-bridge")

    follow(machine, ["export USER=clerk", *commands(section(PAGE, "Secrets"))])
    assert "No message waits" in machine.run("su - clerk -c 'cascade-bridge queue list'")
    backup, _, *upgrade = commands(section(PAGE, "Upgrade"))
    upgrade, back = upgrade[:6], upgrade[6:]
    gone = "find /opt/cascade-bridge -name 'of_this_version*'"
    assert machine.run(gone) != ""
    machine.run(f"rm {CHECKOUT}/bridge/of_this_version.py")
    follow(machine, [backup])
    # As if it had been 0.1.0, which made no link.
    machine.run("rm /usr/local/bin/cascade-bridge")
    follow(machine, commands(section(REPOSITORY / "CHANGELOG.md", "Upgrading from 0.1.0")))
    follow(machine, upgrade)
    assert machine.run(gone) == ""
    only_root(machine, "/var/backups/cascade-bridge.db")
    follow(machine, back)
    only_root(machine, "/var/lib/cascade-bridge/bridge.db", "cascade-bridge")
    assert "delivered" in machine.wait_for("cascade-bridge trace 0501234567 | grep delivered")

    follow(machine, commands(section(PAGE, "Ports below 1024")))
    assert "127.0.0.1:25 " in machine.run("systemctl show -P Listen cascade-bridge-smtp.socket")
    follow(machine, commands(section(PAGE, "Removal"))[2:])
    left = "find / -xdev \\( -path /mnt -o -path /srv \\) -prune -o -name '*cascade-bridge*' -print"
    assert not [
        name
        for name in machine.run(left).splitlines()
        # What the guide calls extras, the copy, and the mails of the user.
        if not name.startswith(("/etc/bash_completion.d", "/var/backups", "/var/log", "/var/mail"))
    ]


def parts(text: str) -> list[str]:
    """Each block of a section with its fences."""
    return [f"```sh\n{block}```" for block in blocks(text)]


def only_root(machine: Machine, file: str, owner: str = "root") -> None:
    assert machine.run(f"stat -c '%a %U' {file}").split() == ["600", owner]


def wheels(folder: Path, checkout: Path) -> None:
    """What pip would fetch, for the Python of the machine."""
    home = folder.parent / "pip"
    subprocess.run(["/usr/bin/python3", "-m", "venv", str(home)], check=True)
    command = [str(home / "bin/pip"), "wheel", "-q", "-w", str(folder)]
    subprocess.run(
        [*command, f"{checkout}[uvloop]", "flit_core>=3.11,<5"], check=True, env=os.environ
    )
    shutil.rmtree(home)
    for own in folder.glob("cascade_bridge-*"):
        own.unlink()

"""``cascade-bridge demo``: messages on their whole way, without configuration.

Starts the sandbox API and the bridge on free loopback ports with a temporary store. Sends good and
bad submissions with independent clients (smtplib, smpplib), and shows for each the submission,
Cascade's messages, the reply, receipts and a phone's answer.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import click

from bridge.cli import Exit, event_loop
from bridge.cli.demo_scenes import ACCOUNT, NUMBER, PASSWORD, SCENES, Played, Scene

if TYPE_CHECKING:
    from bridge.app import Addresses
    from bridge.cli.clients import ServerReply
    from bridge.sandbox import Sandbox

_NAME: Final = "cascade-bridge"
_TOKEN = "demo-token-0123456789"  # noqa: S105 - for as long as the demo runs
_SECRET = "demo-secret-0123456789"  # noqa: S105 - likewise
#: How long a message stays in each status in the sandbox (seconds).
_PACE = 0.1


_CONFIG: Final = f"""
[cascade]
base_url = "{{api}}"
authorization_key = "demo-key"
[store]
url = "sqlite:///{{folder}}/bridge.db"
[smtp]
listen = ["127.0.0.1:0"]
[smpp]
listen = ["127.0.0.1:0"]
[hooks]
listen = ["127.0.0.1:0"]
secret = "{_SECRET}"
[admin]
listen = ["127.0.0.1:0"]
socket = "{{folder}}/admin.sock"
token = "{_TOKEN}"
[log]
level = "error"   # refusals are shown by the demo
[accounts.{ACCOUNT}]
password = "{PASSWORD}"
sender = "Demo"
"""


@click.command("demo")
@click.option("--keep", is_flag=True, help="Keep sandbox and bridge running until Ctrl-C.")
def command(keep: bool) -> int:
    """Show messages on their whole way, with a stand-in for the API.

    Exits with 0 only if every reply and every message is as expected.

    \b
    Examples:
      cascade-bridge demo
      cascade-bridge demo --keep
    """
    failed: list[Played] = []
    with tempfile.TemporaryDirectory(prefix="cascade-bridge-") as folder:
        event_loop.run(_demo(Path(folder), keep, failed))
    return Exit.FAILED if failed else Exit.OK


async def _demo(folder: Path, keep: bool, failed: list[Played]) -> None:
    from bridge import log
    from bridge.app import App
    from bridge.config import load
    from bridge.sandbox import Sandbox

    async with Sandbox(scheduled_for=_PACE, processing_for=_PACE) as sandbox:
        # A file, so that the other commands find the bridge too.
        file = folder / "bridge.toml"
        file.write_text(_CONFIG.format(api=sandbox.url, folder=folder), "utf-8")
        settings = load(file)
        log.configure(settings.log)
        bridge = App(settings)
        ready: asyncio.Future[Addresses] = asyncio.get_running_loop().create_future()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(bridge.run(ready.set_result))
            running.add_done_callback(lambda _: ready.done() or ready.cancel())
            addresses = await ready
            try:
                await sandbox.post_statuses(_hook(addresses, "status"))
                _print_start(sandbox, addresses)
                played = [await _play(scene, addresses, sandbox) for scene in SCENES]
                for number, one in enumerate(played, 1):
                    _print_scene(number, one)
                failed += [one for one in played if not one.good]
                _print_end(played, failed, sandbox, addresses, keep)
                if keep:
                    _print_commands(file, addresses)
                    await event_loop.stop_event().wait()
            finally:
                bridge.stop()


async def _play(scene: Scene, addresses: Addresses, sandbox: Sandbox) -> Played:
    from bridge.cli.clients import ToSend, by_smpp, by_smtp

    before = sandbox.message_count
    sending = ToSend(
        to=scene.to,
        text=scene.text,
        account=ACCOUNT,
        password=scene.password,
        headers=scene.headers,
        options=scene.options,
        fields=scene.fields,
        hear=1 if scene.heard else 0,
    )
    by: Callable[..., ServerReply] = by_smtp if scene.protocol == "smtp" else by_smpp
    server = (addresses.smtp if scene.protocol == "smtp" else addresses.smpp)[0]
    submitting = asyncio.create_task(asyncio.to_thread(by, server, sending))
    if scene.answer:
        # If this fails, the client waits in vain, which is shown.
        with suppress(TimeoutError, OSError):
            await sandbox.wait_for(before + scene.messages)
            await _write(scene, _hook(addresses, "incoming"))
    try:
        reply = await submitting
    except OSError as error:
        return Played(scene, f"no answer: {error}", sandbox.messages[before:])
    return Played(scene, reply.text, sandbox.messages[before:], reply.heard)


def _hook(addresses: Addresses, name: str) -> str:
    return f"http://{addresses.hooks[0]}/hooks/cascade/{_SECRET}/{name}"


async def _write(scene: Scene, url: str) -> None:
    """Posts a message from a phone in SMSBAT's documented form."""
    import httpx

    document = {
        "dt": datetime.now(UTC).isoformat(timespec="seconds"),
        "phoneNumber": scene.to[0].lstrip("+"),
        "alphaName": "Demo",
        "text": scene.answer,
        "idUuid": str(uuid4()),
    }
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            (await client.post(url, json=document)).raise_for_status()
        except httpx.HTTPError as error:
            raise OSError(str(error)) from None


# --- what is shown ---------------------------------------------------------------------------


def _print_start(sandbox: Sandbox, addresses: Addresses) -> None:
    click.echo("cascade-bridge demo\n")
    _rows(
        [
            ("sandbox API", sandbox.url),
            ("bridge, SMTP", str(addresses.smtp[0])),
            ("bridge, SMPP", str(addresses.smpp[0])),
            ("account", f"{ACCOUNT}, password {PASSWORD}"),
        ]
    )


def _rows(rows: list[tuple[str, str]], width: int = 13) -> None:
    for name, value in rows:
        click.echo(f"  {name:<{width}} {value}")
    click.echo()


def _print_scene(number: int, played: Played) -> None:
    scene = played.scene
    mark = click.style("ok", fg="green") if played.good else click.style("WRONG", fg="red")
    click.echo(f"{number:>2}. {click.style(scene.title, bold=True)}  {mark}")
    rows = [("sent", line) for line in _sent(scene)]
    rows += [("Cascade got", line) for line in _got(played)]
    rows.append(("client heard", played.reply))
    rows += [("came back", line) for line in played.heard]
    if not played.good:
        heard = f", then{scene.heard}" if scene.heard else ""
        rows.append(("should be", f"{scene.reply}… and {scene.messages} messages{heard}"))
    _rows(
        [(name if not i or rows[i - 1][0] != name else "", v) for i, (name, v) in enumerate(rows)]
    )


def _sent(scene: Scene) -> Iterator[str]:
    said = "".join(f", {name}: {value}" for name, value in (scene.headers | scene.fields).items())
    said += "".join(f", X-Cascade-Option: {option}" for option in scene.options)
    if scene.password != PASSWORD:
        said += f", password {scene.password}"
    name = {"smtp": "SMTP", "smpp": "SMPP"}[scene.protocol]
    yield f"{name} to {', '.join(scene.to)}{said}"
    yield f'"{scene.text}"'
    if scene.answer:
        yield f'and {scene.to[0]} writes "{scene.answer}"'


def _got(played: Played) -> Iterator[str]:
    if not played.received:
        yield "nothing"
    for got in played.received:
        message = got.item
        options = message.get("surveyOptions")
        yield (
            f"{message['messageType']} from {message['fromName']} to {got.phone}: "
            f'"{got.text}"' + (f" {options}" if options else "")
        )
        yield f"  id {got.id} → messageId {got.message_id}"


def _print_end(
    played: list[Played],
    failed: list[Played],
    sandbox: Sandbox,
    addresses: Addresses,
    keep: bool,
) -> None:
    good = len(played) - len(failed)
    click.echo(
        f"{good} of {len(played)} were as they should be; Cascade got "
        f"{sandbox.message_count} messages.\n"
    )
    if failed:
        return
    smtp, smpp = addresses.smtp[0], addresses.smpp[0]
    program = _program()
    click.echo(
        "Try it with a client of your own"
        + (":" if keep else " (with --keep, which leaves all this running):")
    )
    click.echo(f"""
  mail   swaks --server {smtp} --auth PLAIN --auth-user {ACCOUNT} --auth-password {PASSWORD} \\
           --from you@example.com --to 380501234567@sms.example.com --body 'Hello'
  SMPP   host {smpp.host}, port {smpp.port}, system_id {ACCOUNT}, password {PASSWORD}
  both   {program} send --by smtp --server {smtp} -a {ACCOUNT} --password {PASSWORD} \\
           +380501234567 -t Hello
  what Cascade got   curl {sandbox.url}/sandbox/messages
""")


def _program() -> str:
    """The name by which a shell finds this program: in a checkout, its path."""
    beside = Path(sys.executable).with_name(_NAME)
    return _NAME if shutil.which(_NAME) or not beside.exists() else str(beside)


def _print_commands(file: Path, addresses: Addresses) -> None:
    click.echo("See what happened:\n")
    program = _program()
    _rows(
        [
            ("one number", f"{program} trace --config {file} {NUMBER}"),
            ("the bridge", f"{program} top --config {file}"),
            ("console", f"http://{addresses.admin[0]}/console with the token {_TOKEN}"),
        ]
    )
    click.echo("Running until Ctrl-C.")

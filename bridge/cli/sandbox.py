"""``cascade-bridge sandbox``: runs the stand-in Cascade API until a signal stops it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from bridge.cli import Exit, Stop, WholeNumber, event_loop

if TYPE_CHECKING:
    from bridge.config.settings import Endpoint
    from bridge.sandbox import Sandbox, Seen


def _endpoint(_: click.Context, __: click.Parameter, value: str) -> Endpoint:
    from bridge.config.settings import parse_endpoint

    try:
        return parse_endpoint(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not {error}") from None


def _duration(_: click.Context, __: click.Parameter, value: str) -> float:
    from bridge.config.settings import parse_duration

    try:
        return parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not {error}") from None


@click.command("sandbox")
@click.option(
    "--listen",
    default="127.0.0.1:8080",
    show_default=True,
    metavar="HOST:PORT",
    callback=_endpoint,
    help="The address to listen on; port 0 takes a free one.",
)
@click.option(
    "--key",
    "keys",
    multiple=True,
    metavar="KEY",
    help="Accept only this key, in any of the three headers; repeatable. "
    '[default: every key except "wrong"]',
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME[:OPTION=VALUE,...]",
    help="Start with this fault on, for instance 429:count=3,retry_after=5 or "
    "400:phone=+380501234567. --fault list names them all.",
)
@click.option(
    "--delay",
    default="0s",
    show_default=True,
    metavar="TIME",
    callback=_duration,
    help="Pause before each good answer to sending.",
)
@click.option(
    "--keep",
    type=WholeNumber(min=0),
    default=100_000,
    show_default=True,
    help="Number of messages kept in full; 0 only counts them, without statuses.",
)
@click.option(
    "--scheduled-for",
    default="1s",
    show_default=True,
    metavar="TIME",
    callback=_duration,
    help="Time in the status scheduled.",
)
@click.option(
    "--processing-for",
    default="2s",
    show_default=True,
    metavar="TIME",
    callback=_duration,
    help="Time in the status processing, after that.",
)
@click.option("--hook-url", default="", metavar="URL", help="Post status webhooks there.")
@click.option(
    "--hook-batch",
    type=WholeNumber(1, 1000),
    default=1,
    show_default=True,
    help="Statuses in one webhook at most; if more than 1, they come as an array.",
)
@click.option(
    "--limits", is_flag=True, help="Answer 429 above the documented limits of requests a second."
)
@click.option("-v", "--verbose", is_flag=True, help="One line for each request.")
def command(
    listen: Endpoint,
    keys: tuple[str, ...],
    faults: tuple[str, ...],
    delay: float,
    keep: int,
    scheduled_for: float,
    processing_for: float,
    hook_url: str,
    hook_batch: int,
    limits: bool,
    verbose: bool,
) -> None:
    """Run a strict stand-in for the Cascade API.

    It accepts only requests that the API's document allows and refuses others with the documented
    errors. Statuses change by themselves. GET /sandbox/messages, /sandbox/requests and
    /sandbox/stats show received messages; PUT and DELETE /sandbox/faults change faults.

    Messages to numbers ending in 0002 become undeliverable, in 0003 end with a permanent error, in
    0004 stay in processing.

    \b
    Examples:
      cascade-bridge sandbox
      cascade-bridge sandbox --listen 127.0.0.1:8080 --fault 503:count=3
      cascade-bridge sandbox --fault list
    """
    from bridge.sandbox import FAULTS, Sandbox, fault_from_text

    if "list" in faults:
        for name, behaviour in FAULTS.items():
            options = " ".join(sorted(behaviour.options))
            click.echo(f"{name:<18} {behaviour.says}" + (f" ({options})" if options else ""))
        click.echo("Every fault takes count=N, on=status, and phone=+... (repeatable).")
        click.echo('In JSON: {"fault": "400", "phones": ["+..."], "count": 1}.')
        return
    try:
        sandbox = Sandbox(
            keys=keys,
            faults=[fault_from_text(fault) for fault in faults],
            scheduled_for=scheduled_for,
            processing_for=processing_for,
            delay=delay,
            keep=keep,
            hook_url=hook_url,
            hook_batch=hook_batch,
            limits=limits,
            on_request=_print_request if verbose else None,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    event_loop.run(_serve(sandbox, listen))


async def _serve(sandbox: Sandbox, listen: Endpoint) -> None:
    stop = event_loop.stop_event()
    try:
        url = await sandbox.start(*listen)
    except OSError as error:
        raise Stop(f"cannot listen on {error}", Exit.UNAVAILABLE) from None
    click.echo(f"sandbox ready at {url}")
    await stop.wait()
    await sandbox.close()


def _print_request(seen: Seen) -> None:
    told = [f"{seen.number} {seen.method} {seen.path} -> {seen.status or 'no answer'}"]
    if seen.size:
        told.append(f"{seen.size} message{'s' if seen.size > 1 else ''}")
    if seen.fault:
        told.append(f"fault {seen.fault}")
    if seen.error:
        told.append(seen.error)
    with contextlib.suppress(BrokenPipeError):  # the reader closed the pipe; the sandbox goes on
        click.echo(", ".join(told))


if __name__ == "__main__":
    command()

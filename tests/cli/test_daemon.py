"""How commands reach a daemon, and what they say where they do not."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from bridge.cli import Exit, Stop
from bridge.cli.daemon import Daemon, DaemonRefused, NotRunning, reach, troubles_of
from bridge.config import load
from bridge.model.failure import Reason
from tests.night_calls.asking import said
from tests.running import Running, execute
from tests.serving.clients import change
from tests.serving.daemon import OPERATE, VIEW
from tests.support import free_port


async def test_another_machine_is_reached_by_url_and_token(
    bridge: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = await bridge.api()
    hold = ("hold", "account", "crm", "--url", f"{url}/")
    assert await execute(*hold, "--token", OPERATE) == (0, "The account crm is held.\n")
    code, output = await execute(*hold, "--token", VIEW)
    assert (code, "the token may only read" in output) == (77, True)
    code, output = await execute(*hold, "--token", "wrong")
    assert (code, "wrong login or password" in output) == (77, True)
    monkeypatch.setenv("CASCADE_BRIDGE_TOKEN", f"file:{bridge.config.parent / 'token'}")
    (bridge.config.parent / "token").write_text(f"{VIEW}\n")
    assert (await execute("hold", "--url", url))[0] == 0


async def test_a_url_needs_a_token(bridge: Running) -> None:
    url = await bridge.api()
    for options in ((), ("--token", "env:NO_SUCH_VARIABLE")):
        code, output = await execute("hold", "--url", url, *options)
        assert (code, "--url needs --token" in output) == (64, True)


async def test_a_machine_that_cannot_be_reached_is_named() -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    code, output = await execute("queue", "list", "--url", nobody, "--token", "x")
    assert (code, output) == (69, f"Error: {nobody} cannot be reached: Connection refused\n")


async def test_settings_that_are_wrong_now_do_not_keep_from_the_daemon(bridge: Running) -> None:
    text = bridge.config.read_text()
    change(bridge, ("[accounts.crm]", "[accounts.crm]\nrate = true"))
    assert await said(bridge, "hold", "account", "crm") == "The account crm is held.\n"
    assert await said(bridge, "groups", "list") == "There are no groups.\n"
    await bridge.terminate()
    code, output = await bridge.command("hold", "account", "crm")
    assert (code, "accounts.crm.rate: found true" in output) == (78, True)
    bridge.config.write_text(text)
    code, output = await bridge.command("hold", "account", "crm")
    assert (code, "the daemon does not run" in output) == (69, True)


async def test_what_only_reads_reads_the_store_without_a_daemon(bridge: Running) -> None:
    await said(bridge, "hold", "account", "crm")
    await bridge.terminate()
    assert "crm" in await said(bridge, "hold")
    code, output = await bridge.command("queue", "list", "--since", "1h", "--to", "x" * 3)
    assert code == 0, output
    for file in bridge.config.parent.glob("bridge.db*"):
        file.unlink()
    code, output = await bridge.command("hold")
    assert (code, output) == (69, f"Error: {bridge.config.parent}/bridge.db does not exist\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
async def test_a_socket_of_other_users_is_explained(bridge: Running) -> None:
    socket = bridge.config.parent / "admin.sock"
    for folder in (bridge.config.parent, *bridge.config.parent.parents):
        if not folder.stat().st_mode & stat.S_IXOTH:  # pytest's own
            folder.chmod(0o755)
    bridge.config.chmod(0o644)
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(65534)
    os.seteuid(65534)
    try:
        with reach(bridge.config, None, None) as daemon, pytest.raises(Stop) as caught:
            await asyncio.to_thread(daemon.ask, "GET", "/holds")
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)
    assert caught.value.code == Exit.NO_PERMISSION
    assert caught.value.message == (
        f"{socket} may not be opened by this user; members of the group cascade-bridge may"
    )


@asynccontextmanager
async def answering(status: int, body: str) -> AsyncIterator[Daemon]:
    """A daemon whose every answer is this one."""
    transport = httpx.MockTransport(lambda _: httpx.Response(status, text=body))
    with httpx.Client(transport=transport, base_url="http://x") as client:
        yield Daemon(client, "x", None)


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (Reason.NOT_FOUND, Exit.NO_INPUT),
        (Reason.BAD_PARAMETER, Exit.USAGE),
        (Reason.WRONG_LOGIN, Exit.NO_PERMISSION),
        (Reason.ADDRESS_BLOCKED, Exit.NO_PERMISSION),
        (Reason.OPERATION_FAILED, Exit.TEMPORARY),
        (Reason.BRIDGE_FULL, Exit.TEMPORARY),
        (Reason.TOO_FAST, Exit.TEMPORARY),
        (Reason.PROHIBITED, Exit.FAILED),
    ],
)
async def test_the_exit_code_follows_the_reason_of_a_refusal(reason: Reason, code: Exit) -> None:
    problem = f'{{"reason": "{reason.name}", "detail": "no"}}'
    async with answering(400, problem) as daemon:
        with pytest.raises(DaemonRefused) as caught:
            daemon.ask("GET", "/x")
    assert (caught.value.message, caught.value.code) == ("no", code)
    assert caught.value.failure.reason is reason


async def test_what_is_there_already_is_no_reason_to_try_again() -> None:
    async with answering(409, '{"reason": "OPERATION_FAILED", "detail": "there"}') as daemon:
        with pytest.raises(DaemonRefused) as caught:
            daemon.ask("POST", "/x")
    assert caught.value.code == Exit.FAILED


async def test_an_answer_of_another_program_is_a_fault() -> None:
    async with answering(502, "<html>") as daemon:
        with pytest.raises(Stop) as caught:
            daemon.ask("GET", "/x")
    assert (caught.value.message, caught.value.code) == ("HTTP 502", Exit.SOFTWARE)


async def test_names_in_a_path_are_quoted_and_empty_arguments_left_out() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json=[])

    with httpx.Client(transport=httpx.MockTransport(answer), base_url="http://x") as client:
        daemon = Daemon(client, "x", None)
        daemon.ask("GET", "/accounts/{name}", name="a/b ?", account=None, limit=5)
        daemon.ask("POST", "/queue/hold", id=7, state=None)
        daemon.ask("POST", "/reload")
    assert str(asked[0].url) == "http://x/api/v1/accounts/a%2Fb%20%3F?limit=5"
    assert (asked[1].content, asked[2].content) == (b'{"id":7}', b"")


async def test_troubles_of_upstreams_are_known_from_a_running_daemon_alone(
    bridge: Running,
) -> None:
    settings = load(bridge.config)
    assert await asyncio.to_thread(troubles_of, settings) == {}
    await bridge.terminate()
    assert troubles_of(settings) == {}


def test_a_daemon_that_does_not_run_is_unavailable() -> None:
    error = NotRunning("/run/x.sock", "Connection refused")
    assert error.code == Exit.UNAVAILABLE
    assert error.message == "the daemon does not run: /run/x.sock: Connection refused"


def test_a_configuration_that_is_not_there_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from bridge.cli import run

    assert run(["hold", "--config", str(tmp_path / "none.toml")]) == 78
    assert "none.toml: found no readable file" in capsys.readouterr().err

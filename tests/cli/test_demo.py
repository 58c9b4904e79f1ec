"""``demo`` as a newcomer runs it: output, ``--keep``, exit code."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import sys
from pathlib import Path

import httpx
import pytest

from bridge.cli.clients import ToSend, by_smpp, by_smtp
from bridge.cli.demo_scenes import SCENES, Scene
from bridge.config.settings import parse_endpoint
from tests.serving.daemon import run

DEMO = (sys.executable, "-m", "bridge.cli", "demo")
#: A heading: number, title, verdict; then the rows of the scene.
_HEADING = re.compile(r"^ ?\d+\. (.+)  (ok|WRONG)$", re.MULTILINE)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str, list[str]]:
    """One demo: exit code, output, and files left in the temporary folder."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TMPDIR", str(folder))
        code, output = asyncio.run(run(*DEMO))
    return code, output, [file.name for file in folder.iterdir()]


def scenes(output: str) -> dict[str, tuple[str, str]]:
    """Title → verdict and rows."""
    _, *parts = _HEADING.split(output)
    return {
        title: (verdict, rows)
        for title, verdict, rows in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    }


def test_the_demo_succeeds(shown: tuple[int, str, list[str]]) -> None:
    code, output, _ = shown
    assert code == 0, output
    assert f"{len(SCENES)} of {len(SCENES)} were as they should be" in output
    assert "WRONG" not in output
    assert "\x1b" not in output, "colours are for terminals"


def test_the_front_page_shows_what_it_prints(shown: tuple[int, str, list[str]]) -> None:
    def without_ids(text: str) -> list[str]:
        lines = re.sub(
            r"\d{15}", "ID", re.sub(r"[\da-f]{8}(-[\da-f]+){4}", "ID", text)
        ).splitlines()
        return [line.strip() for line in lines]

    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    [block] = re.findall(r"^    1\. a mail  ok\n(?:    .+\n)+", readme, re.M)
    printed = without_ids(shown[1])
    first = printed.index("1. a mail  ok")
    assert without_ids(block) == printed[first : printed.index("", first)]


def test_nothing_is_left_behind(shown: tuple[int, str, list[str]]) -> None:
    assert shown[2] == []


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.title)
def test_each_submission_is_shown_from_end_to_end(
    scene: Scene, shown: tuple[int, str, list[str]]
) -> None:
    verdict, rows = scenes(shown[1])[scene.title]
    assert verdict == "ok"
    assert f"{scene.protocol.upper()} to {', '.join(scene.to)}" in rows
    assert rows.count(f'"{scene.text}"') == 1 + scene.messages
    for name, value in (scene.headers | scene.fields).items():
        assert f"{name}: {value}" in rows
    # Cascade's message with both ids ...
    ids = re.findall(r"id (\d+) → messageId ([0-9a-f-]{36})\n", rows)
    assert len(ids) == len(set(ids)) == scene.messages
    assert ("Cascade got   nothing" in rows) == (scene.messages == 0)
    # ... and the reply, word for word.
    [reply] = re.findall(r"client heard  (.+)", rows)
    assert reply.startswith(scene.reply)
    if scene.messages == 1:
        assert reply.endswith(ids[0][0])
    # ... and what came back.
    back = re.findall(r"came back     (deliver_sm from .+)", rows)
    assert len(back) == bool(scene.heard)
    assert scene.heard in "".join(back)
    if "registered_delivery" in scene.fields:
        assert f"id:{ids[0][0]} " in back[0]


def test_it_shows_the_commands_to_try(shown: tuple[int, str, list[str]]) -> None:
    _, output, _ = shown
    assert "with --keep, which leaves all this running" in output
    for word in ("swaks --server 127.0.0.1:", "system_id demo", " send --by smtp", "curl http"):
        assert word in output
    # No shell finds the program of this environment, or it finds it by its name.
    [program] = re.findall(r"both   (\S+) send", output)
    assert shutil.which(program)


async def test_keep_serves_until_it_is_interrupted() -> None:
    process = await asyncio.create_subprocess_exec(
        *(*DEMO, "--keep"), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(120):
            output = (await process.stdout.readuntil(b"Running until Ctrl-C.\n")).decode()
            servers = {
                name: parse_endpoint(re.findall(rf"bridge, {name}  (\S+)", output)[0])
                for name in ("SMTP", "SMPP")
            }
            [account, password] = re.findall(r"account       (\w+), password (\w+)", output)[0]
            sending = ToSend(("+380501234567",), "Hello", account, password)
            for by, name in ((by_smtp, "SMTP"), (by_smpp, "SMPP")):
                reply = await asyncio.to_thread(by, servers[name], sending)
                assert reply.accepted, reply.text
            for command, said in (("trace", "+380501234567"), ("top", "health    ready")):
                [asked] = re.findall(rf"cascade-bridge ({command} .*)", output)
                code, answer = await run(sys.executable, "-m", "bridge.cli", *asked.split())
                assert code == 0
                assert said in answer
            [console, token] = re.findall(r"(http\S+/console) with the token (\S+)", output)[0]
            async with httpx.AsyncClient(
                headers={"Sec-Fetch-Site": "same-origin"}, timeout=30
            ) as client:
                entered = await client.post(f"{console}/login", data={"token": token})
                assert entered.headers["location"] == "/console/"
            process.send_signal(signal.SIGINT)
            rest, _ = await process.communicate()
        assert (process.returncode, rest) == (0, b"")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


#: Runs the demo with a single scene.
_ONE_SCENE = """
import sys
from bridge.cli import demo, run
demo.SCENES = (demo.Scene(**{scene!r}),)
sys.exit(run(["demo"]))
"""


@pytest.mark.parametrize(
    ("scene", "heard"),
    [
        # A wrong reply.
        ({"protocol": "smtp", "reply": "550 ", "messages": 1}, "250 2.0.0 OK - 1 SMS"),
        (
            {"protocol": "smpp", "reply": "submit_sm_resp ESME_RSYSERR"},
            "submit_sm_resp ESME_ROK (0x00)",
        ),
        # The reply is right, but Cascade got a wrong number of messages.
        ({"protocol": "smtp", "reply": "250 ", "messages": 0}, "250 2.0.0 OK - 1 SMS"),
        ({"protocol": "smtp", "reply": "550 ", "to": ("12",), "messages": 1}, "550 5.1.3"),
        # The client got something else.
        (
            {
                "protocol": "smpp",
                "reply": "submit_sm_resp ",
                "messages": 1,
                "fields": {"registered_delivery": 1},
                "heard": "stat:EXPIRED",
            },
            "submit_sm_resp ESME_ROK (0x00)",
        ),
    ],
)
async def test_a_failed_scene_is_shown_and_changes_the_exit_code(
    scene: dict[str, object], heard: str
) -> None:
    code, output = await run(
        sys.executable, "-c", _ONE_SCENE.format(scene={"title": "a try", **scene})
    )
    assert code == 1
    verdict, rows = scenes(output)["a try"]
    assert verdict == "WRONG"
    assert f"client heard  {heard}" in rows
    assert f"should be     {scene['reply']}" in rows
    assert "0 of 1 were as they should be" in output

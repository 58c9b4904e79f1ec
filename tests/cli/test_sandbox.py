"""The command ``sandbox``: start, URL, end."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from click.testing import CliRunner

from bridge.cli.sandbox import command
from bridge.sandbox import FAULTS
from tests.sandbox.samples import HEADERS, SEND, batch, message


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command as a process, and the URL that it printed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bridge.cli.sandbox", "--listen", "127.0.0.1:0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        ready = re.fullmatch(r"sandbox ready at (http://127\.0\.0\.1:\d+)\n", line)
        assert ready is not None, line + process.stdout.read()
        yield process, ready[1]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_it_serves_tells_of_requests_and_ends_on_sigterm() -> None:
    arguments = ("-v", "--fault", "429:count=1,retry_after=2", "--key", "k", "--keep", "10")
    with (
        running(*arguments) as (process, url),
        httpx.Client(base_url=url, headers=HEADERS, trust_env=False, timeout=30) as client,
    ):
        refused = client.post(SEND, json=[message()])
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "2")
        assert client.post(SEND, json=batch(2)).status_code == 200
        wrong = client.post(SEND, json=[message()], headers={"X-Authorization-Key": "other"})
        assert wrong.status_code == 401
        client.put("/sandbox/faults", json={"fault": "reset"})
        with pytest.raises(httpx.ReadError):
            client.post(SEND, json=[message()])
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert output.splitlines() == [
        f"1 POST {SEND} -> 429, fault 429, Rate limit exceeded",
        f"2 POST {SEND} -> 200, 2 messages",
        f"3 POST {SEND} -> 401, Invalid API key",
        f"4 POST {SEND} -> no answer, fault reset",
    ]


def test_it_goes_on_when_nobody_reads_its_lines() -> None:
    with running("-v") as (process, url):
        assert process.stdout is not None
        process.stdout.close()
        for _ in range(3):
            response = httpx.post(
                url + SEND, json=[message()], headers=HEADERS, trust_env=False, timeout=30
            )
            assert response.status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) in (0, 120)  # 120: Python could not flush at its end


def test_it_ends_on_sigint_though_a_client_hangs() -> None:
    with running("--fault", "hang") as (process, url):
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                url + SEND, json=[message()], headers=HEADERS, timeout=httpx.Timeout(30, read=0.2)
            )
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--listen", "8080"], "an address such as"),
        (["--fault", "418"], "unknown fault '418'"),
        (["--fault", "429:seconds=1"], "no option 'seconds'"),
        (["--delay", "fast"], "a duration such as"),
        (["--keep", "-1"], "--keep"),
    ],
)
def test_wrong_options_are_explained(arguments: list[str], told: str) -> None:
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 2
    assert told in result.output


def test_the_faults_are_listed() -> None:
    result = CliRunner().invoke(command, ["--fault", "list"])
    assert result.exit_code == 0
    for name in FAULTS:
        assert f"\n{name} " in f"\n{result.output}"


def test_a_taken_port_is_explained() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        found = subprocess.run(
            [sys.executable, "-m", "bridge.cli", "sandbox", "--listen", listen],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    assert found.returncode == 69  # EX_UNAVAILABLE
    assert f"cannot listen on {listen}: address already in use" in found.stderr
    assert "Traceback" not in found.stderr


def test_help_needs_none_of_the_heavy_libraries() -> None:
    program = "import sys, bridge.cli.sandbox; print(*sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(found.stdout.split())
    assert loaded.isdisjoint({"uvicorn", "httpx", "pydantic", "structlog", "orjson"})


def test_the_examples_of_its_help_serve() -> None:
    examples = re.findall(r"cascade-bridge sandbox(.*)", command.help or "")
    assert len(examples) == 3
    for example in examples:
        arguments = re.sub(r"--listen \S+", "", example).split()
        if arguments == ["--fault", "list"]:
            result = CliRunner().invoke(command, arguments)
            assert (result.exit_code, set(FAULTS) <= set(result.output.split())) == (0, True)
            continue
        with running(*arguments) as (_, url):
            answer = httpx.post(url + SEND, json=[message()], headers=HEADERS, trust_env=False)
            assert answer.status_code == (503 if arguments else 200)

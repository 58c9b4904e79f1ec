"""``trace``: the story of a message, with and without a running bridge."""

from __future__ import annotations

import asyncio
import json
import smtplib
import sqlite3
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.cli import run
from bridge.model.message import Receipts, State
from bridge.model.notice import MAIL, Incoming, Told, receivers_of
from bridge.sandbox import Sandbox
from bridge.store import (
    Acceptance,
    Alias,
    Change,
    Lane,
    Part,
    PartGroup,
    Status,
    Store,
)
from bridge.store.postgres.engine import PostgresStore
from tests.cli.stores import write_config, write_store
from tests.samples import NOW, message
from tests.serving import daemon as serving
from tests.store.conftest import database, postgres  # noqa: F401 - fixtures

ID, PART, SUBMISSION = 300_000_000_001, 300_000_000_002, 300_000_000_010
ANSWER = 300_000_000_020
BOTH = Receipts.SUCCESS | Receipts.FAILURE


async def fill(store: Store) -> None:
    joined = message(ID, parts=3, receipts=Receipts.ALIASES, reference="order-17", peer="10.0.0.1")
    await store.accept(Acceptance((joined,), aliases=(Alias(PART, ID, BOTH),)))
    again = Change(ID, State.ACCEPTED, due_at=NOW, attempts=1, cause="HTTP 503")
    await store.finish(0, [again])
    await store.waiting(Lane("crm", 4, "async"), NOW, 10)
    await store.finish(0, [Change(ID, State.SENT, "up-1")])
    await store.note_statuses([Status("up-1", "delivered", State.DELIVERED, NOW + 5, "0.35", 3)])
    [owed] = await store.claim_notices(receivers_of("crm"), NOW + 9, 10)
    await store.told([Told(owed.notice.id, True, "ESME_ROK from 10.0.0.1")])
    several = [message(SUBMISSION + n, submission_id=SUBMISSION) for n in (1, 2)]
    await store.accept(Acceptance((*several,)))


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    config = write_store(tmp_path, fill)
    monkeypatch.setenv("CASCADE_BRIDGE_CONFIG", str(config))
    return config


def test_a_message_from_a_phone_is_traced_with_its_receivers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def answer(store: Store) -> None:
        crm = receivers_of("crm")
        wrote = Incoming(ANSWER, "uid-1", "crm", "+380671234567", "Shop", "Так", NOW, NOW + 1)
        await store.take_incoming([(wrote, [crm, MAIL])])
        [owed] = await store.claim_notices(crm, NOW + 9, 10)
        await store.told([Told(owed.notice.id, True, "taken by 10.0.0.1:2345")])

    (tmp_path / "phones").mkdir()
    config = write_store(tmp_path / "phones", answer)
    monkeypatch.setenv("CASCADE_BRIDGE_CONFIG", str(config))
    for what in (str(ANSWER), "0671234567", "uid-1"):
        assert run(["trace", what]) == 0
        said = capsys.readouterr().out
        assert "receiver  of the account: taken by 10.0.0.1:2345" in said
        assert "- mail of the account: no smarthost is configured" in said
        assert "Так" not in said
    assert run(["trace", "--json", "--text", str(ANSWER)]) == 0
    [told] = json.loads(capsys.readouterr().out)
    assert (told["incoming_id"], told["phone"], told["text"]) == (ANSWER, "+380671234567", "Так")
    assert [notice["kind"] for notice in told["notices"]] == ["receiver", "mail"]


def test_a_message_from_a_phone_that_nobody_gets_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def answers(store: Store) -> None:
        for n in (1, 2):
            wrote = Incoming(ANSWER + n, f"uid-{n}", "erp", "+380671234567", "Bank", "?", NOW, NOW)
            await store.take_incoming([(wrote, [])])

    (tmp_path / "phones").mkdir()
    config = write_store(tmp_path / "phones", answers)
    monkeypatch.setenv("CASCADE_BRIDGE_CONFIG", str(config))
    why = "the account had neither SMPP receivers nor an incoming_to when it came"
    assert run(["trace", "uid-1"]) == 0
    assert capsys.readouterr().out.endswith(f"\n\n- nobody is notified: {why}\n")
    assert run(["trace", "--json", "uid-1"]) == 0
    [told] = json.loads(capsys.readouterr().out)
    assert (told["owed"], told["why_none"]) == ([], why)
    assert run(["trace", "0671234567"]) == 0
    assert capsys.readouterr().out.count("  only stored  ") == 2


@pytest.mark.parametrize("what", [str(ID), str(PART), "order-17", "up-1"])
def test_a_message_is_found_by_any_id_phone_or_reference(
    what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["trace", what]) == 0
    details, story = capsys.readouterr().out.split("\n\n")
    rows = dict(line.split("  ", 1) for line in details.splitlines())
    assert {name: value.strip() for name, value in rows.items() if name != "valid until"} == {
        "message": f"{ID}, delivered",
        "account": "crm",
        "from": "smpp, 10.0.0.1",
        "to": "+380501234567",
        "sender": "Shop",
        "type": "transaction, async",
        "reference": "order-17",
        "upstream id": "up-1",
        "also known as": f"{PART}; receipts: success, failure",
    }
    assert [line[27:] for line in story.splitlines()] == [
        "accepted   from crm by smpp at 10.0.0.1, 3 parts",
        "attempt    HTTP 503; it waits again",
        "sent       the API took it as up-1",
        'delivered  the API says "delivered", cost 0.35, 3 parts',
        "receipt    of delivered, id 300000000002: ESME_ROK from 10.0.0.1",
    ]


ALONE, UNASKED, SHORT = 300_000_000_031, 300_000_000_032, 0x0000_0840
GROUP = PartGroup("crm", "Shop", "+380501234567", 7, 3)


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two expired parts of one message, and a waiting part of another."""

    async def expire(store: Store) -> None:
        await store.add_part(Part(ALONE, GROUP, 1, b"", int(BOTH), NOW), 0)
        await store.add_part(Part(UNASKED, GROUP, 2, b"", 0, NOW + 1), 0)
        await store.expired_parts(NOW + 2, 10)
        await store.add_part(Part(SHORT, GROUP, 1, b"", int(BOTH), NOW + 3), 0)

    folder = tmp_path / "parts"
    folder.mkdir()
    monkeypatch.setenv("CASCADE_BRIDGE_CONFIG", str(write_store(folder, expire)))


@pytest.mark.usefixtures("parts")
def test_a_part_whose_others_never_came_has_its_story(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["trace", str(ALONE)]) == 0
    details, story, waiting = capsys.readouterr().out.split("\n\n")
    rows = dict(line.split("  ", 1) for line in details.splitlines())
    assert {name: value.strip() for name, value in rows.items()} == {
        "part": f"{ALONE}, 1 of 3, expired",
        "account": "crm",
        "from": "smpp",
        "to": "+380501234567",
        "sender": "Shop",
        "receipts": "success, failure",
    }
    assert [line[27:] for line in story.splitlines()] == [
        "accepted  from crm by smpp, part 1 of 3",
        "expired   part 3 of 3 never came",
    ]
    assert waiting == f"- receipt of expired, id {ALONE}: no receiver has been bound yet\n"
    assert run(["trace", str(UNASKED)]) == 0
    assert "- no receipt: the part did not request one\n" in capsys.readouterr().out


@pytest.mark.usefixtures("parts")
def test_a_part_that_waits_says_for_what(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["trace", "00000840"]) == 0
    said = capsys.readouterr().out
    assert "part      00000840, 1 of 3, accepted\n" in said
    assert "- it waits for parts 2 and 3 of 3, until " in said
    assert "- no receipt so far: requested for success and failure\n" in said


@pytest.mark.usefixtures("parts")
def test_a_part_is_data_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["trace", "--json", str(ALONE)]) == 0
    [found] = json.loads(capsys.readouterr().out)
    assert (found["part_id"], found["missing"], found["state"]) == (ALONE, [3], "expired")
    at = datetime.fromtimestamp(NOW + 5, UTC)
    assert found["since"] == at.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_people_see_the_time_where_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["trace", str(ID)]) == 0
    story = capsys.readouterr().out.split("\n\n")[1]
    shown = datetime.strptime(story[:25], "%Y-%m-%d %H:%M:%S %z")
    assert shown.timestamp() == NOW


@pytest.mark.parametrize("phone", ["+380501234567", "380501234567", "0501234567", "050 123-45-67"])
def test_several_messages_to_a_phone_are_listed_the_newest_first(
    phone: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["trace", phone]) == 0
    head, *rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert head == ["id", "accepted", "account", "phone", "state", "reference"]
    assert [row[0] for row in rows] == [str(SUBMISSION + 2), str(SUBMISSION + 1), str(ID)]
    assert rows[2][4:] == ["crm", "+380501234567", "delivered", "order-17"]


def test_secrets_that_only_the_daemon_can_read_are_not_needed(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    written = config.read_text()
    config.write_text(written + '\n[hooks]\nsecret = "credential:hook-secret"\n')
    assert run(["trace", str(ID)]) == 0
    assert run(["status", str(ID)]) == 0
    assert run(["accounts", "list"]) == 0
    assert run(["check"]) == 78
    assert "credential:hook-secret" in capsys.readouterr().out


def test_old_messages_may_be_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    # They are from the first day of 2026.
    assert run(["trace", "order-17", "--since", "1h"]) == 66
    assert run(["trace", "order-17", "--since", "36500d"]) == 0
    assert run(["trace", "order-17", "--since", "yesterday"]) == 64
    assert "'yesterday' is not" in capsys.readouterr().err


def test_a_submission_of_several_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["trace", str(SUBMISSION)]) == 0
    _, *rows = capsys.readouterr().out.splitlines()
    assert [row.split()[0] for row in rows] == [str(SUBMISSION + 2), str(SUBMISSION + 1)]
    assert run(["trace", str(SUBMISSION), "--limit", "1"]) == 0
    assert "and more: --limit 1 was reached" in capsys.readouterr().out


def test_programs_get_json_in_utc(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["trace", "order-17", "--json"]) == 0
    [found] = json.loads(capsys.readouterr().out)
    at = datetime.fromtimestamp(NOW, UTC)
    assert found["accepted_at"] == at.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert found["story"][-1]["at"] == (at + timedelta(seconds=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert (found["state"], found["cost"], found["upstream_id"]) == ("delivered", "0.35", "up-1")
    assert found["ids"] == [{"id": PART, "receipts": ["success", "failure"]}]
    assert run(["trace", "+380501234567", "--json"]) == 0
    everything = json.loads(capsys.readouterr().out)
    assert [one["id"] for one in everything] == [SUBMISSION + 2, SUBMISSION + 1, ID]


def test_a_text_is_shown_only_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    for form in ([], ["--json"]):
        run(["trace", str(ID), *form])
        assert f"text {ID}" not in capsys.readouterr().out
        run(["trace", str(ID), "--text", *form])
        assert f"text {ID}" in capsys.readouterr().out


def test_control_characters_do_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with sqlite3.connect(tmp_path / "bridge.db") as connection:
        connection.execute("UPDATE event SET detail = char(27) || '[2J' || char(13)")
        connection.execute("UPDATE message SET text = char(27) || '[2J' WHERE id = ?", (ID,))
    connection.close()
    assert run(["trace", str(ID), "--text"]) == 0
    assert not {"\x1b", "\r"} & set(capsys.readouterr().out)


@pytest.mark.parametrize("what", ["77", "order-18", "+380671234567", "' OR 1=1 --"])
def test_nothing_found_has_its_exit_code(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["trace", what]) == 66
    assert capsys.readouterr().err == "Error: nothing found\n"
    assert run(["trace", what, "--json"]) == 66
    assert json.loads(capsys.readouterr().out) == []


def test_a_store_of_a_later_version_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with sqlite3.connect(tmp_path / "bridge.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert run(["trace", str(ID)]) == 69
    assert "has schema version 99" in capsys.readouterr().err


def test_a_store_of_an_earlier_version_is_left_to_the_daemon(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    with sqlite3.connect(folder / "bridge.db") as connection:
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    assert run(["trace", "1", "--config", str(write_config(folder))]) == 69
    assert "was written by an earlier version: start the daemon" in capsys.readouterr().err


async def test_a_store_of_several_nodes_is_read_like_any_other(
    tmp_path: Path,
    database: str,  # noqa: F811
) -> None:
    folder = tmp_path / "nodes"
    folder.mkdir()
    store = PostgresStore(database, clock=lambda: float(NOW + 5))
    await store.open()
    try:
        await fill(store)
        config = str(write_config(folder, database))
        command = (sys.executable, "-m", "bridge.cli")
        code, output = await serving.run(*command, "trace", "order-17", "--config", config)
        assert code == 0, output
        assert "accepted   from crm by smpp at 10.0.0.1, 3 parts" in output
        assert "of delivered, id 300000000002: ESME_ROK from 10.0.0.1" in output
        code, output = await serving.run(*command, "status", str(PART), "--config", config)
        assert (code, "delivered" in output) == (0, True), output
    finally:
        await store.close()


async def test_beside_a_running_bridge(tmp_path: Path) -> None:
    folder = tmp_path / "served"
    folder.mkdir()
    async with Sandbox() as sandbox:
        config = serving.write_config(
            folder, sandbox.url, account='trusted_networks = ["127.0.0.1"]'
        )
        async with serving.serving(config) as bridge:
            (_, port), _ = await bridge.ready()
            await asyncio.to_thread(_send, port)
            command = (sys.executable, "-m", "bridge.cli", "trace")
            traced = await serving.run(*command, "+380501234567", "--config", str(config))
            code, output = traced
            assert code == 0, output
            assert " sent " in output
            assert "the API took it as " in output
            assert "the API is asked again at " in output
            assert await bridge.terminate() == 0
        # And after its end.
        code, after = await serving.run(*command, "+380501234567", "--config", str(config))
        assert code == 0, after
        assert "the API took it as " in after


def _send(port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client.sendmail(
            "erp@example.com", ["380501234567@sms.example.com"], "Subject: x\r\n\r\nHello\r\n"
        )

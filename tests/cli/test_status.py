"""``status``: the state of a message."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bridge.cli import run
from bridge.model.message import State
from bridge.store import Acceptance, Alias, Change, Part, PartGroup, Status
from bridge.store.sqlite.engine import SqliteStore
from tests.cli.stores import write_config, write_store
from tests.samples import NOW, message

DELIVERED, PART, SUBMISSION = 300_000_000_001, 300_000_000_002, 300_000_000_010
SHORT = 0x0000_0840


async def fill(store: SqliteStore) -> None:
    short = 0x0000_0440
    aliases = (Alias(PART, DELIVERED), Alias(short, DELIVERED))
    await store.accept(Acceptance((message(DELIVERED),), aliases=aliases))
    several = [
        message(SUBMISSION + n, submission_id=SUBMISSION, reference="order-7") for n in (1, 2, 3)
    ]
    await store.accept(Acceptance(tuple(several)))
    await store.finish(0, [Change(DELIVERED, State.SENT, "up-1")])
    await store.finish(0, [Change(SUBMISSION + 1, State.SENT, "up-2")])
    no = Change(SUBMISSION + 2, State.REJECTED, failure="WRONG_PHONE", cause="HTTP 400 1003")
    await store.finish(0, [no])
    await store.note_statuses([Status("up-1", "delivered", State.DELIVERED, NOW + 9)])


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CASCADE_BRIDGE_CONFIG", str(write_store(tmp_path, fill)))
    return str(tmp_path / "bridge.toml")


@pytest.mark.parametrize("id", [str(DELIVERED), str(PART), "00000440"])
def test_a_message_is_found_by_each_of_its_ids(
    id: str, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["status", id]) == 0
    rows = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert rows["message"].strip() == str(DELIVERED)
    assert rows["state"].strip() == "delivered"
    assert rows["the API says"].startswith("delivered, 20")


def test_a_submission_of_several_is_told_as_one(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for id in (str(SUBMISSION), "order-7"):
        assert run(["status", id]) == 0
        output = capsys.readouterr().out
        assert f"{SUBMISSION}, 3 messages: " in output
        assert "1 rejected" in output
    assert run(["status", str(SUBMISSION), "--fmt", "1"]) == 0
    assert capsys.readouterr().out.startswith("0,")  # one is on its way


def test_why_a_message_was_refused_is_told(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", str(SUBMISSION + 2)]) == 0
    assert "HTTP 400 1003" in capsys.readouterr().out
    assert run(["status", str(SUBMISSION + 2), "--fmt", "1"]) == 0
    assert capsys.readouterr().out.startswith("22,")


def test_a_part_alone_says_what_it_waits_for_or_why_it_expired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def parts(store: SqliteStore) -> None:
        group = PartGroup("crm", "Shop", "+380501234567", 7, 2)
        await store.add_part(Part(PART, group, 2, b"", 0, NOW), 0)
        await store.expired_parts(NOW + 1, 10)
        await store.add_part(Part(SHORT, group, 1, b"", 0, NOW + 2), 0)

    monkeypatch.setenv("CASCADE_BRIDGE_CONFIG", str(write_store(tmp_path, parts)))
    assert run(["status", str(PART)]) == 0
    rows = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert rows["part"].strip() == f"{PART}, 2 of 2"
    assert (rows["state"].strip(), rows["cause"].strip()) == ("expired", "part 1 of 2 never came")
    assert run(["status", str(PART), "--fmt", "1"]) == 0
    assert capsys.readouterr().out == f"3,{NOW + 5}\n"
    assert run(["status", "00000840"]) == 0
    rows = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert rows["state"].strip() == "accepted"
    assert rows["next"].strip().startswith("it waits for part 2 of 2, until 20")
    assert run(["status", "00000840", "--fmt", "1"]) == 0
    assert capsys.readouterr().out == f"-1,{NOW + 2}\n"


def test_the_four_forms(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    answers = []
    for fmt in "0123":
        assert run(["status", str(DELIVERED), "--fmt", fmt]) == 0
        answers.append(capsys.readouterr().out)
    assert answers[0].startswith("Status = 1, check_time = ")
    assert answers[1] == f"1,{NOW + 9}\n"
    assert answers[2].splitlines()[:2] == ["<result>", "<status>1</status>"]
    assert json.loads(answers[3])["last_timestamp"] == NOW + 9


@pytest.mark.parametrize(
    ("fmt", "answer"),
    [
        ("0", "ERROR = 3 (nothing found)\n"),
        ("1", "0,-3\n"),
        (
            "2",
            "<result>\n<error>nothing found</error>\n<error_code>3</error_code>\n</result>\n",
        ),
        ("3", '{"error": "nothing found", "error_code": 3}\n'),
    ],
)
def test_an_unknown_id_has_its_answer_in_each_form(
    fmt: str, answer: str, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["status", "77", "--fmt", fmt]) == 66
    assert capsys.readouterr().out == answer


@pytest.mark.parametrize("id", ["77", "order-17", "99999999999999999999", "up-1"])
def test_what_is_no_known_id_is_not_found(
    id: str, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["status", id]) == 66
    assert capsys.readouterr().err == "Error: nothing found\n"


def test_a_store_that_is_not_there_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(write_config(tmp_path))
    assert run(["status", "1", "--config", config]) == 69
    found = capsys.readouterr()
    assert (found.out, found.err) == ("", f"Error: {tmp_path}/bridge.db does not exist\n")
    assert not (tmp_path / "bridge.db").exists()
    assert run(["status", "1", "--fmt", "0", "--config", config]) == 69
    assert capsys.readouterr().out == "ERROR = 5 (operation failed)\n"


def test_a_file_that_is_no_store_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bridge.db").write_text("this is a letter, and no database at all\n" * 100)
    assert run(["status", "1", "--config", str(write_config(tmp_path))]) == 69
    [line] = capsys.readouterr().err.splitlines()
    assert "file is not a database" in line

"""The documents agree with the program: keys, events, metrics, tables of errors and fields.

Further ones, commands, snippets and links are in ``tests/documents``."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from typing import Any

from bridge.admin.metrics import BridgeCollector, StandingSource
from bridge.config import settings as config
from bridge.model.failure import NOT_FOUND_STATUS, Failure, Reason, render_accepted, render_failure
from bridge.model.message import State
from bridge.smpp.inbound import submit
from bridge.smpp.inbound.requests import HANDLERS
from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.data_coding import DATA_CODINGS, OCTETS
from bridge.smtp.address import parse_recipient
from bridge.smtp.reading.overrides import FIELDS, MESSAGE_TYPES, ROUTES
from tests.documents.pages import ALL, FENCED, PAGES, REPOSITORY, in_code

#: All of them in one.
DOCUMENTS = "\n".join(PAGES.values())


def section(title: str) -> str:
    """The text under a heading, up to the next one of its level or above."""
    found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^#{{1,2}} |\Z)", DOCUMENTS, re.M | re.S)
    assert found, title
    return found[2]


def table(after: str) -> list[list[str]]:
    """The cells of the first table after ``after``, without its head."""
    rows = DOCUMENTS[DOCUMENTS.index(after) :].partition("\n|")[2].partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[2:]]


def words_of_the_program() -> set[str]:
    """Every name and every word in the source: fields, keys, events, options."""
    words: set[str] = set()
    for file in (REPOSITORY / "bridge").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            match node:
                case ast.Constant(value=str(text)):
                    words.update(re.findall(r"[\w-]+", text))
                case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                    words.add(name)
                case ast.keyword(arg=str(name)):
                    words.add(name)
    return words | {f"message_{state.value}" for state in State}


# --- commands ------------------------------------------------------------------------------------

_SMPP_COMMANDS = "| 0x1504 | fallback text |"


def test_the_commands_of_smpp_are_those_that_are_offered() -> None:
    shown = {name for row in table(_SMPP_COMMANDS) for name in in_code(row[0])}
    assert shown - {"enquire_link", "unbind"} == set(HANDLERS)


def test_the_documented_benchmark_runs() -> None:
    command = "python -m tests.benchmarks"
    assert f"\n.venv/bin/{command}\n" in DOCUMENTS
    result = subprocess.run(
        [sys.executable, *command.split()[1:], "--runs", "1", "--count", "20", "--alone", "smpp"],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
    )
    assert result.returncode == 0, result.stderr
    [_, head, row] = result.stdout.splitlines()
    assert head.split()[:2] == ["path", "server"]
    assert row.startswith("submit_sm, 10 binds × window 100  bridge ")


# --- the configuration ---------------------------------------------------------------------------


def test_keys_with_their_table_exist() -> None:
    tables = {name: field.annotation for name, field in config.Settings.model_fields.items()}
    named = [
        found.groups()
        for code in in_code(DOCUMENTS)
        if (found := re.fullmatch(r"(\w+)\.(\w+)(?: = .+)?", code)) and found[1] in tables
    ]
    assert len(named) > 8
    for name, key in named:
        model: Any = tables[name]
        assert key in model.model_fields, f"{name}.{key}"


def test_values_of_keys_are_allowed() -> None:
    for code in in_code(DOCUMENTS):
        found = re.fullmatch(r"(?:(\w+)\.)?(\w+) = (.+)", code)
        if found is None:
            continue
        table, key, value = found.groups()
        models: list[Any] = [config.AccountSettings, config.Cascade]
        if table:
            models = [config.Settings.model_fields[table].annotation]
        models = [model for model in models if key in model.model_fields]
        if not models and not value.startswith('"'):
            continue  # another program's
        assert models, code
        models[0].model_validate(tomllib.loads(f"{key} = {value}"))


def test_every_name_in_code_is_one_of_the_programs() -> None:
    # Postfix, Kannel and the other systems have their own; metrics have a table.
    others = ("docs/recipes.md", "docs/migration/", "docs/metrics.md")
    own = "\n".join(text for page, text in PAGES.items() if not page.startswith(others))
    names = {code for code in in_code(own) if re.fullmatch(r"[a-z]+(_[a-z0-9]+)+", code)}
    assert len(names) > 50
    assert names <= words_of_the_program()


# --- events --------------------------------------------------------------------------------------

#: Names of methods that log, and the levels of those that are not a logger's.
_LEVELS = ("debug", "info", "warning", "error", "exception")
_LOGGING = dict.fromkeys(("warn", "_log_count", "Outage"), "warning")
_LOGGING |= dict.fromkeys(("_note_refused", "tell"), "info")
#: Events whose level is chosen when they are logged, and its other level.
_ALSO = {"incoming_taken": {"warning"}}


def events_in_code() -> dict[str, set[str]]:
    """Every event that the program logs, with its levels; not those of the sandbox."""
    events: dict[str, set[str]] = {}
    for file in (REPOSITORY / "bridge").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            match node.func:
                case ast.Attribute(value=ast.Name(id="log"), attr=attr) if attr in _LEVELS:
                    level = attr
                case ast.Attribute(attr=attr) | ast.Name(id=attr) if attr in _LOGGING:
                    level = _LOGGING[attr]
                case _:
                    continue
            event = node.args[0]
            for one in [event.body, event.orelse] if isinstance(event, ast.IfExp) else [event]:
                if isinstance(one, ast.Constant) and not str(one.value).startswith("sandbox_"):
                    events.setdefault(str(one.value), set()).add(level)
    return events


def event_rows() -> Iterator[tuple[list[str], list[str]]]:
    """The rows of the page on events: names and levels."""
    text = DOCUMENTS.partition("<!-- events: ")[2].partition("<!-- /events -->")[0]
    for row in text.splitlines():
        if row.startswith("| `"):
            names, levels = row.strip("| ").split(" | ")[:2]
            yield re.findall(r"`(\w+)`", names), levels.split(", ")


def test_the_page_on_events_has_all_of_them_and_no_other() -> None:
    documented = {name for names, _ in event_rows() for name in names}
    assert documented == events_in_code().keys()


def test_events_that_the_changelog_renames_have_their_new_names() -> None:
    renamed = re.findall(r"^- Events: (.+?)\.\n- ", ALL["CHANGELOG.md"], re.M | re.S)
    pairs = re.findall(r"`(\w+)` → `(\w+)`", " ".join(renamed[0].split()))
    assert len(pairs) >= 11
    names = events_in_code().keys()
    for old, new in pairs:
        assert (old in names, new in names) == (False, True), old


def test_the_levels_of_events_are_those_of_the_program() -> None:
    logged = events_in_code()
    for names, levels in event_rows():
        program_has = set().union(*(logged[name] | _ALSO.get(name, set()) for name in names))
        assert program_has == set(levels), names


# --- metrics -------------------------------------------------------------------------------------


def rows_of(name: str) -> list[list[str]]:
    """The cells of the table between the comments of this name, without its head."""
    text = DOCUMENTS.partition(f"<!-- {name}: ")[2].partition(f"<!-- /{name} -->")[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def test_the_table_of_metrics_is_that_of_the_program() -> None:
    nothing = StandingSource({}, {}, {}, {}, {}, {}, 0, {}, {}, True, None)
    program_has = {}
    for metric in BridgeCollector(lambda: nothing).collect():
        name = metric.name + "_total" * (metric.type == "counter")
        labels: tuple[str, ...] = getattr(metric, "_labelnames")  # noqa: B009 - private to its family
        program_has[f"`{name}`"] = (metric.type, ", ".join(f"`{label}`" for label in labels))
    assert {name: (kind, labels) for name, kind, labels, _ in rows_of("metrics")} == program_has


def test_every_alert_has_its_remedy() -> None:
    rules = (REPOSITORY / "config/alerts.yml").read_text("utf-8")
    alerts = re.findall(r"- alert: (\w+)", rules)
    assert alerts
    assert {name.strip("`") for name, _ in rows_of("alerts")} == set(alerts)


# --- tables --------------------------------------------------------------------------------------


def failure_rows() -> list[str]:
    rows = []
    for reason in Reason:
        codes = reason.codes
        smpp = f"0x{codes.smpp:02X} {CommandStatus(codes.smpp).name}"
        if codes.smpp_v5 != codes.smpp:
            smpp += f" (5.0: 0x{codes.smpp_v5:02X} {CommandStatus(codes.smpp_v5).name})"
        rows.append(f"| {codes.text} | {codes.fmt} | {codes.smtp} {codes.enhanced} | {smpp} |")
    return rows


def test_the_table_of_errors_is_that_of_the_program() -> None:
    shown = DOCUMENTS.partition("<!-- failures:")[2].partition("<!-- /failures -->")[0]
    rows = [line for line in shown.splitlines() if line.startswith("| ")][1:]
    assert rows == failure_rows(), "\n".join(["the table should be:", *failure_rows()])
    for command, status in NOT_FOUND_STATUS.items():
        assert f"0x{status:02X} to `{command}`" in section("Answers and errors")


def test_the_four_forms_of_an_answer() -> None:
    failure = Failure(Reason.WRONG_PHONE)
    for fmt, (number, accepted, refused) in enumerate(table("# Answers and errors")):
        assert number == str(fmt)
        assert accepted == f"`{render_accepted(250031118483456, 2, False, fmt)}`"
        assert refused == f"`{render_failure(failure, fmt)}`"
    codes = failure.reason.codes
    assert f"`{codes.smtp} {codes.enhanced} {render_failure(failure, 0)}`" in DOCUMENTS
    assert render_accepted(1, 1, True, 0).endswith(" (queued)")


def test_the_header_fields_are_all_that_there_are() -> None:
    names = {row[0] for row in table("# Sending by mail")}
    assert names == {row.name for row in FIELDS.values()} | {"X-Cascade-Option", "X-Cascade-Var"}
    rows = {row[0]: set(re.findall("`([a-z_-]+)`", row[1])) for row in table("# Sending by mail")}
    assert rows["X-Cascade-Type"] == set(MESSAGE_TYPES)
    assert rows["X-Cascade-Route"] <= set(ROUTES)


def test_every_number_form_and_tag_is_read() -> None:
    text = section("Sending by mail")
    forms = re.findall(r'(?:"([^"]+)"|(\S+))@sms\.example\.com', FENCED.findall(text)[0][1])
    assert len(forms) == 5
    for quoted, plain in forms:
        assert parse_recipient(quoted or plain)
    tags = re.findall(r"`(?:\d+)?(\+[a-z]+)(?:@…)?`", text)
    assert len(tags) == 6
    for tag in tags:
        recipient = parse_recipient("380501234567" + tag)
        assert recipient.message_type or recipient.route


def test_every_data_coding_is_in_the_table() -> None:
    shown: dict[int, str] = {}
    for codings, text in table("# Sending by SMPP"):
        for coding in codings.split(", "):
            first, _, last = coding.partition("–")
            for value in range(int(first, 0), int(last or first, 0) + 1):
                shown[value] = text
    assert shown.keys() == DATA_CODINGS.keys()
    octets = {value for value, alphabet in DATA_CODINGS.items() if alphabet is OCTETS}
    assert octets == {value for value, text in shown.items() if text == "octets: refused"}


def test_every_service_type_is_named() -> None:
    for service_type in submit.SERVICE_TYPES:
        assert f"`{service_type.decode()}`" in section("Sending by SMPP")


# --- night calls ---------------------------------------------------------------------------------


CALLS = re.findall(
    r"^## (\d+)\. [^\n]+\n(.*?)(?=^## |\Z)", PAGES["docs/night-calls.md"], re.M | re.S
)


def test_every_night_call_has_its_command_what_it_shows_cause_and_remedy() -> None:
    assert [int(number) for number, _ in CALLS] == list(range(1, 29))
    for number, call in CALLS:
        words = re.findall(r"^- \*\*(\w+)\*\*: \S", call, re.M)
        assert words == ["Command", "Shows", "Cause", "Remedy"], number
        [line] = re.findall(r"\*\*Command\*\*: (.+)", call)
        assert line.startswith(("`cascade-bridge ", "`sudo journalctl -u cascade-bridge "))
        # Without a daemon there is no console, and it does not try connections.
        if not re.search("journalctl|check --connect", line):
            [pages] = re.findall(r" \(console: (.+)\)$", line)
            for page in pages.split(", "):
                assert f"| {page} |" in PAGES["docs/operations.md"]


def test_every_night_call_is_staged_by_a_test_of_its_number() -> None:
    staged = set()
    for file in (REPOSITORY / "tests/night_calls").glob("test_*.py"):
        for name in re.findall(r"def test_(\d+(?:_and_\d+)*)_", file.read_text("utf-8")):
            staged |= set(name.split("_and_"))
    assert staged == {number for number, _ in CALLS}

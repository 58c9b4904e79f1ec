"""The documents agree with the program: commands, options, keys, events, tables and links."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import httpx
import pytest

from bridge.accounts.passwords import HASHER
from bridge.admin.metrics import BridgeCollector, StandingSource
from bridge.cli import Exit, cli
from bridge.config import load
from bridge.config import settings as config
from bridge.model.failure import NOT_FOUND_STATUS, Failure, Reason, render_accepted, render_failure
from bridge.model.message import State, Stored
from bridge.model.notice import Kind, Notice
from bridge.sandbox import Sandbox, fault_from_text
from bridge.sandbox.faults import fault_from_json
from bridge.smpp.inbound import submit
from bridge.smpp.inbound.requests import HANDLERS
from bridge.smpp.protocol import tlvs
from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.data_coding import DATA_CODINGS, OCTETS
from bridge.smtp.address import parse_recipient
from bridge.smtp.reading.overrides import FIELDS, MESSAGE_TYPES, ROUTES
from bridge.store import Alias, Story
from bridge.trace.story import WISHES, Around
from bridge.trace.story import document as document_of
from tests import samples
from tests.support import program

REPOSITORY = Path(__file__).parents[1]
#: The front page and every page behind it, by their paths.
PAGES = {
    str(file.relative_to(REPOSITORY)): file.read_text("utf-8")
    for file in [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("**/*.md"))]
}
README = PAGES["README.md"]
DOCUMENTS = "\n".join(PAGES.values())
DEMO = "python3 -m venv .venv && .venv/bin/pip install -e . && .venv/bin/cascade-bridge demo"
TESTS = "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/pytest"


def section(title: str) -> str:
    """The text under a heading, up to the next one of its level or above."""
    found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^#{{1,2}} |\Z)", DOCUMENTS, re.M | re.S)
    assert found, title
    return found[2]


_FENCED = re.compile(r"^```(\w*)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)


def blocks(language: str | None = "") -> list[str]:
    """The fenced blocks of a language (None: of any), lines continued by a backslash joined."""
    return [
        text.replace("\\\n", " ")
        for name, text in _FENCED.findall(DOCUMENTS)
        if language in (None, name)
    ]


def table(after: str) -> list[list[str]]:
    """The cells of the first table after ``after``, without its head."""
    rows = DOCUMENTS[DOCUMENTS.index(after) :].partition("\n|")[2].partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[2:]]


def in_code(text: str) -> list[str]:
    """The text between single backquotes, outside of fenced blocks."""
    text = _FENCED.sub("", text)
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", text)]


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


@pytest.mark.parametrize("command", [DEMO, TESTS])
def test_the_two_commands_of_a_new_machine_are_there_word_for_word(command: str) -> None:
    assert f"\n\n    {command}\n\n" in README
    assert f'\nrun "{command}"\n' in (REPOSITORY / ".ci/run").read_text()


_OUR_COMMANDS = "|".join(cli.list_commands(click.Context(cli)))


def command_lines() -> Iterator[str]:
    """Calls of the program: lines of blocks that begin with its name, code in sentences that begins
    with a subcommand."""
    for line in [line for block in blocks(None) for line in block.splitlines()]:
        if found := re.search(r"(?:^|/)cascade-bridge ([^/].*)$", line):
            yield found[1]
    for code in in_code(DOCUMENTS):
        if re.fullmatch(rf"({_OUR_COMMANDS})( .+)?", code):
            yield code


def test_there_are_command_lines_to_look_at() -> None:
    assert len(set(command_lines())) > 12


@pytest.mark.parametrize("line", sorted(set(command_lines())))
def test_every_command_and_every_option_exists(line: str) -> None:
    words = shlex.split(line)
    command: click.Command = cli
    context = click.Context(cli)
    while words and isinstance(command, click.Group):
        found = command.get_command(context, words.pop(0))
        assert found is not None, line
        command = found
    options = {name for parameter in command.params for name in parameter.opts}
    assert {word.partition("=")[0] for word in words if word.startswith("-")} <= options, line
    for word, value in pairwise(words):
        if word == "--fault" and value != "list":
            fault_from_text(value)


def test_the_faults_that_curl_sets_exist() -> None:
    found = re.findall(r"-d '(.+?)'", section("The sandbox"))
    assert found
    for document in found:
        fault_from_json(json.loads(document))


async def test_the_sandbox_answers_where_it_is_said() -> None:
    paths = set(re.findall(r"/sandbox/\w+", DOCUMENTS))
    assert paths
    async with Sandbox() as sandbox, httpx.AsyncClient(base_url=sandbox.url) as client:
        for path in paths:
            assert (await client.get(path)).status_code == 200, path


_SMPP_COMMANDS = "| 0x1504 | fallback text |"


def test_the_commands_of_smpp_are_those_that_are_offered() -> None:
    shown = {name for row in table(_SMPP_COMMANDS) for name in in_code(row[0])}
    assert shown - {"enquire_link", "unbind"} == set(HANDLERS)


def test_exit_codes_are_those_of_the_commands() -> None:
    codes = [int(code) for row in table("**Exit codes**") for code in row[0].split(", ")]
    assert len(set(codes)) == len(codes)
    assert set(codes) <= set(Exit)


def test_the_keys_of_a_trace_are_those_of_the_program() -> None:
    shown = DOCUMENTS.partition("<!-- trace:")[2].partition("<!-- /trace -->")[0]
    message = samples.message(1)
    told = Notice("smpp:crm", "crm", Kind.STATE, 1, 1, 0, 0)
    stored = Stored(message, State.SENT, "", 0, "", "")
    story = Story(stored, (Alias(2, 1),), (), (told,))
    around = Around(0, str)
    found = document_of(story, around, text=False)
    rows = {name for row in table("<!-- trace:") for name in in_code(row[0])}
    assert rows == found.keys()
    inner = {*found["notices"][0], *found["ids"][0], *found["story"][0], *WISHES.values()}
    with_text = document_of(story, around, text=True).keys() - rows
    assert inner | with_text <= set(in_code(shown))


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


def test_the_guides_configuration_is_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Configurations on the pages on migration are tested in tests/recipes.
    [text] = re.findall(r"^```toml\n(.*?)^```$", README, re.M | re.S)
    (tmp_path / "cascade-key").write_text("the key\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    file = tmp_path / "bridge.toml"
    file.write_text(re.sub(r'"\$argon2id[^"]+"', f'"{HASHER.hash("password")}"', text))
    settings = load(file)
    minimal = tomllib.loads((REPOSITORY / "config/minimal.toml").read_text("utf-8"))
    # The guide's configuration is the minimal example with other secrets.
    guide = tomllib.loads(text)
    assert guide.keys() == minimal.keys()
    assert guide["smtp"] == minimal["smtp"]
    assert list(guide["accounts"]) == list(minimal["accounts"])
    assert settings.accounts["crm"].countries == ["UA"]


def test_the_page_on_the_configuration_is_made_from_the_file_with_every_key() -> None:
    spec = importlib.util.spec_from_file_location("page", REPOSITORY / "docs/configuration.py")
    assert spec is not None
    assert spec.loader is not None
    made: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    assert PAGES["docs/configuration.md"] == made.page(), "make docs"


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
        found = re.fullmatch(r'(?:(\w+)\.)?(\w+) = (".+")', code)
        if found is None:
            continue
        table, key, value = found.groups()
        models: list[Any] = [config.AccountSettings, config.Cascade]
        if table:
            models = [config.Settings.model_fields[table].annotation]
        models = [model for model in models if key in model.model_fields]
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


def test_the_levels_of_events_are_those_of_the_program() -> None:
    logged = events_in_code()
    for names, levels in event_rows():
        assert set().union(*(logged[name] for name in names)) <= set(levels), names


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
    forms = re.findall(r'(?:"([^"]+)"|(\S+))@sms\.example\.com', _FENCED.findall(text)[0][1])
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


def test_the_vendor_tlvs_are_those_of_the_program() -> None:
    tags = {
        "type": tlvs.CASCADE_TYPE,
        "survey option": tlvs.CASCADE_SURVEY_OPTION,
        "route": tlvs.CASCADE_ROUTE,
        "reference": tlvs.CASCADE_REFERENCE,
        "fallback text": tlvs.CASCADE_FALLBACK,
    }
    assert {row[1]: int(row[0], 0) for row in table("vendor TLVs, in UTF-8")} == tags
    for service_type in submit.SERVICE_TYPES:
        assert f"`{service_type.decode()}`" in section("Sending by SMPP")


# --- other people's programs ---------------------------------------------------------------------


def test_postfix_knows_every_parameter(tmp_path: Path) -> None:
    [main] = blocks("ini")
    (tmp_path / "main.cf").write_text(main)
    (tmp_path / "master.cf").write_text("")
    result = subprocess.run(
        [program("postconf"), "-c", str(tmp_path), "-n"], capture_output=True, text=True, check=True
    )
    assert "unused parameter" not in result.stderr
    assert set(main.split("\n")) - {""} <= set(result.stdout.split("\n"))


def test_msmtp_takes_its_configuration(tmp_path: Path) -> None:
    [block] = [block for block in blocks("") if block.startswith("account sms")]
    file = tmp_path / "msmtprc"
    (tmp_path / "password").write_text("secret12")
    file.write_text(block.replace("/etc/msmtp-sms.password", str(tmp_path / "password")))
    file.chmod(0o600)
    result = subprocess.run(
        [program("msmtp"), "-C", str(file), "--pretend", "somebody@sms.example.com"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "using account default" in result.stdout


# --- links ---------------------------------------------------------------------------------------


def anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(text: str) -> set[str]:
    return {anchor(heading) for heading in re.findall(r"^#+ (.+)$", _FENCED.sub("", text), re.M)}


@pytest.mark.parametrize("page", PAGES)
def test_internal_links_lead_somewhere(page: str) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", _FENCED.sub("", PAGES[page])):
        if "://" in link:
            continue
        path, _, heading = link.partition("#")
        target = (REPOSITORY / page).parent / path if path else REPOSITORY / page
        assert target.exists(), link
        if heading:
            assert heading in anchors(target.read_text("utf-8")), link


def test_every_page_is_reached_from_the_front_page() -> None:
    reached = {"README.md"}
    new = set(reached)
    while new:
        links = {
            str((Path(page).parent / path).as_posix()).replace("docs/../", "")
            for page in new
            for path in re.findall(r"\]\(([^)#:]+\.md)[)#]", PAGES[page])
        }
        new = (links & PAGES.keys()) - reached
        reached |= new
    assert reached == set(PAGES)


def test_files_that_are_named_exist() -> None:
    pattern = r"(?<![\w/-])((?:systemd|config|bridge|tests)/[\w./-]+\.\w+)"
    for path in re.findall(pattern, DOCUMENTS):
        assert (REPOSITORY / path).exists(), path


def test_every_night_call_of_the_page_is_staged_by_a_test_of_its_number() -> None:
    rows = re.findall(r"^\| (\d+) \|", PAGES["docs/night-calls.md"], re.M)
    assert [int(row) for row in rows] == list(range(1, len(rows) + 1))
    staged = set()
    for file in (REPOSITORY / "tests/night_calls").glob("test_*.py"):
        for name in re.findall(r"def test_(\d+(?:_and_\d+)*)_", file.read_text("utf-8")):
            staged |= set(name.split("_and_"))
    assert staged == set(rows)

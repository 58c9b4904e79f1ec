"""Tables of the documents that list what the code lists: a row too many or too few fails."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from typing import Any

from bridge.admin.console.pages import PAGES as CONSOLE_PAGES
from bridge.admin.console.visit import NAVIGATION
from bridge.cascade.answers import _BY_STATUS, Meaning
from bridge.cli import COMMANDS, Exit
from bridge.directory import importing
from bridge.feedback import hooks
from bridge.feedback.status_updates import UNHEARD, WORDS
from bridge.model.message import FINAL, State, Stored
from bridge.model.notice import Incoming, Kind, Notice, Unjoined, UnjoinedPart
from bridge.model.state_names import NEVER_SENT, REASON_ERRORS, STATE_ERRORS
from bridge.smpp.protocol import tlvs
from bridge.store import Alias, AnsweredIncoming, Story
from bridge.trace.part_story import part_document
from bridge.trace.story import WISHES, Around, document, incoming_document
from tests import samples
from tests.documents.pages import ALL, PAGES, REPOSITORY, in_code

OPERATIONS = PAGES["docs/operations.md"]


def made(page: str) -> str:
    """A page as its script makes it."""
    script = (REPOSITORY / page).with_suffix(".py")
    spec = importlib.util.spec_from_file_location("made", script)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text: str = module.page()
    return text


def rows(page: str, after: str) -> Iterator[list[str]]:
    """The cells of the first table after these words, without its head."""
    lines = ALL[page][ALL[page].index(after) :].partition("\n|")[2].partition("\n\n")[0]
    for line in lines.splitlines()[2:]:
        yield [cell.strip() for cell in line.strip("|").split(" | ")]


def test_the_page_on_the_configuration_is_made_from_the_file_with_every_key() -> None:
    assert PAGES["docs/configuration.md"] == made("docs/configuration.md"), "make docs"


def test_the_page_on_commands_is_made_from_their_help() -> None:
    assert PAGES["docs/commands.md"] == made("docs/commands.md"), "make docs"
    listed = [cells[0].strip("`") for cells in rows("docs/commands.md", "# Commands")]
    assert list(dict.fromkeys(name.split()[0] for name in listed)) == list(COMMANDS)


def test_exit_codes_are_those_of_the_commands() -> None:
    codes = [
        int(code)
        for cells in rows("docs/operations.md", "## Exit codes")
        for code in cells[0].split(", ")
    ]
    assert sorted(codes) == sorted(Exit)


def between(name: str) -> list[list[str]]:
    """The rows of the table between the comments of this name."""
    text = OPERATIONS.partition(f"<!-- {name}: ")[2].partition(f"<!-- /{name} -->")[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


AROUND = Around(0, str)
TOLD = Notice("smpp:crm", "crm", Kind.STATE, 1, 1, 0, 0)


def test_the_keys_of_a_trace_are_those_of_the_program() -> None:
    stored = Stored(samples.message(1), State.SENT, "", 0, "", "")
    story = Story(stored, (Alias(2, 1),), (), (TOLD,))
    found = document(story, AROUND, text=False)
    shown = between("trace")
    keys = {name for cells in shown for name in in_code(cells[0])}
    assert keys == found.keys()
    inner = {*found["notices"][0], *found["ids"][0], *found["story"][0], *WISHES.values()}
    with_text = document(story, AROUND, text=True).keys() - keys
    explained = {name for cells in shown for name in in_code(cells[1])}
    assert explained - {"null", "--text"} == inner | with_text


def test_the_keys_of_messages_from_phones_and_of_parts_are_those_of_the_program() -> None:
    incoming = AnsweredIncoming(
        Incoming(1, "u", "crm", "+380501234567", "Shop", "x", 0, 0), (TOLD,)
    )
    about = Unjoined("+380501234567", "Shop", 0, 1, 2, (2,), 0)
    part = part_document(UnjoinedPart(1, "crm", about, 0, None), AROUND)
    stored = Stored(samples.message(1), State.SENT, "", 0, "", "")
    ordinary = document(Story(stored, (), (), ()), AROUND, text=True).keys()
    own = (incoming_document(incoming, AROUND, text=True).keys() | part.keys()) - ordinary
    assert {name for cells in between("trace of others") for name in in_code(cells[0])} == own


def test_the_vendor_tlvs_are_those_of_the_program() -> None:
    shown = {cells[1]: int(cells[0], 0) for cells in rows("docs/smpp.md", "vendor TLVs, in UTF-8")}
    program_has = {
        name.removeprefix("CASCADE_").lower().replace("_", " "): tag
        for name, tag in vars(tlvs).items()
        if name.startswith("CASCADE_")
    }
    named = {name.removesuffix(" text"): tag for name, tag in shown.items()}
    assert named == program_has


def test_the_codes_of_receipts_are_those_of_the_program() -> None:
    shown = [int(cells[0]) for cells in rows("docs/smpp.md", "also the\n`error_code` of")]
    words = {ending.err for ending in WORDS.values() if ending is not None}
    known = {UNHEARD.err, NEVER_SENT, *REASON_ERRORS.values(), *STATE_ERRORS.values()}
    assert sorted(shown) == sorted(words | known)


def test_the_words_of_the_api_are_those_of_the_program() -> None:
    shown: dict[str, tuple[str, str]] = {}
    for words, state, err in rows("docs/webhooks.md", "Each refusal has its reason"):
        for word in words.removesuffix(", and unknown ones").split(", "):
            shown[word] = (state, err)
    none = shown.pop("none"), shown.pop("an hour after its validity")
    assert none == ((UNHEARD.state.value, str(UNHEARD.err)),) * 2
    assert shown == {
        word: ("on its way", "none") if ending is None else (ending.state.value, str(ending.err))
        for word, ending in WORDS.items()
    }


def test_the_answers_to_webhooks_are_those_of_the_program() -> None:
    shown = {int(cells[0].split()[0]) for cells in rows("docs/webhooks.md", "systemctl restart")}
    source = (REPOSITORY / "bridge/feedback/hooks.py").read_text("utf-8")
    refused = {int(status) for status in re.findall(r"HookRefusal\((\d+),", source)}
    # What every HTTP listener of ours answers to a request that does not come to its end.
    assert shown == {200, 408, *refused, *hooks._STATUSES.values()}


#: How a row of the API's answers begins to say what they mean.
MEANINGS = {
    "accepted": Meaning.TAKEN,
    "refused with": Meaning.BAD,
    "no message can": Meaning.HOLD,
    "split as for 400": Meaning.FORBIDDEN,
    "unknown outcome: proxies": Meaning.UNKNOWN,
    "smaller batches": Meaning.TOO_LARGE,
    "pause": Meaning.SLOW_DOWN,
    "not accepted": Meaning.BROKEN,
}


def test_the_answers_of_the_api_are_read_as_the_table_says() -> None:
    told: dict[int, Meaning] = {}
    for answers, effect in rows("docs/answers.md", "The API's answers, and their effect"):
        meaning = next((one for begin, one in MEANINGS.items() if effect.startswith(begin)), None)
        for first, last in re.findall(r"\b(\d{3})\b(?: to (\d{3}))?", answers):
            if meaning is not None and not answers.startswith("other 403, 409"):
                told |= dict.fromkeys(range(int(first), int(last or first) + 1), meaning)
    # In a row of its own: 403 without a JSON error.
    told[403] = Meaning.FORBIDDEN
    assert told == _BY_STATUS


def test_the_columns_of_files_are_those_of_the_program() -> None:
    shown = {
        file: tuple(re.findall(r"\b[a-z]\w*", re.sub(r"\(.*?\)|;.*", "", columns)))
        for file, columns in rows("docs/directory.md", "Unknown columns are ignored")
    }
    assert shown == {
        "contacts": importing.CONTACT_COLUMNS,
        "groups": importing.GROUP_COLUMNS,
        "templates": importing.TEMPLATE_COLUMNS,
        "black list": importing.BLACK_LIST_COLUMNS,
    }


def test_the_states_of_the_glossary_are_those_of_the_program() -> None:
    meanings = {cells[0]: cells[1] for cells in rows("docs/glossary.md", "## What is sent")}
    shown = [re.split(r", |: ", meanings[word])[1:] for word in ("state", "final")]
    assert shown == [[state.value for state in State], [one.value for one in State if one in FINAL]]


def test_every_recipe_says_what_it_was_tried_with() -> None:
    text = ALL["docs/recipes.md"]
    recipes = [name for name in re.findall(r"^## (.+)$", text, re.M) if name != "SMPP platforms"]
    tried = [re.findall(r"\[(.+)\]", cells[0])[0] for cells in rows("docs/recipes.md", "# Recipes")]
    assert tried == recipes


def test_the_pages_of_the_console_are_those_of_the_program() -> None:
    shown = [cells[0] for cells in rows("docs/operations.md", "## The console")]
    of_one = {"/messages/{id}": "Message", "/phones/{phone}": "Phone"}
    # These two show no page of their own.
    paths = CONSOLE_PAGES.keys() - {"/search", "/queue/confirm"}
    assert sorted(shown) == sorted((NAVIGATION | of_one)[path] for path in paths)

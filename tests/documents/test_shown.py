"""What the pages show as text is what the program has: texts, receipts, paths, diagrams."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re

import bridge
from bridge.admin.alerts import read
from bridge.feedback.hooks import HooksListener
from tests.documents.pages import BLOCKS, PAGES, Block
from tests.smpp.outbound.test_receipt import APPENDIX_B


def text_of(page: str, heading: str, language: str = "text") -> str:
    [block] = [one for one in BLOCKS if one[:3] == (page, heading, language)]
    return block.text


def test_the_text_of_an_alert() -> None:
    document = {
        "alerts": [
            {"status": "resolved", "annotations": {"summary": "web2 answers again"}},
            {"status": "firing", "annotations": {"summary": "the disk of web1 is full"}},
        ]
    }
    message = read(document, ["+380501234567"], "", 10)
    assert f"{message.text}\n" == text_of("docs/recipes.md", "Prometheus Alertmanager")


def test_the_text_of_a_receipt_has_the_specifications_form() -> None:
    assert APPENDIX_B.fullmatch(text_of("docs/smpp.md", "Receipts").strip())


def test_the_urls_of_the_webhooks_are_those_that_are_taken() -> None:
    paths = re.findall(r":8026(/\S+)", text_of("docs/webhooks.md", "Webhooks"))
    source = inspect.getsource(HooksListener)
    assert 'f"/hooks/cascade/{secret}/{hook}"' in source
    assert paths == [
        f"/hooks/cascade/<secret>/{hook}"
        for hook in re.findall(r'"(\w+)": (?:statuses|incoming)\b', source)
    ]


def test_the_lines_of_the_trace_are_those_of_the_program() -> None:
    shown = text_of("docs/operations.md", "What became of a message", "console")
    labels = re.findall(r"^([a-z][a-z ]+?)  ", shown, re.M)
    source = "".join(
        inspect.getsource(importlib.import_module(module.name))
        for module in pkgutil.walk_packages(bridge.__path__, "bridge.")
        if module.name.startswith(("bridge.trace", "bridge.cli.trace"))
    )
    assert len(labels) == 12
    for label in labels:
        assert f'"{label}"' in source, label


def diagrams() -> list[Block]:
    return [block for block in BLOCKS if block.text.startswith("sequenceDiagram\n")]


def test_a_diagram_of_a_sequence_has_only_its_participants() -> None:
    assert diagrams()
    for block in diagrams():
        assert block.page in PAGES
        named = set(re.findall(r"^    participant (\w+) as .+$", block.text, re.M))
        for line in block.text.splitlines()[1 + len(named) :]:
            found = re.fullmatch(r"    (?:(\w)--?>>(\w)|Note over (\w)): .+", line)
            assert found, line
            assert {one for one in found.groups() if one} <= named, line

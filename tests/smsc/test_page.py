"""The page on the dialect agrees with the program: parameters, answers, refusals."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final

from bridge.dialect.answers import error_text
from bridge.model.failure import Failure, Reason
from bridge.smsc import soap
from bridge.smsc.send import UNSUPPORTED
from bridge.smsc.status import NAMES

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/smsc.md").read_text("utf-8")
#: Module → the calls that it answers; ``every call`` has the common parameters.
MODULES: Final = {
    "send": {"send.php"},
    "status": {"status.php"},
    "phones": {"phones.php", "templates.php"},
    "jobs": {"jobs.php"},
    "others": {"balance.php", "senders.php", "get.php"},
    "listener": {"every call"},
    "parameters": {"every call"},
}
#: Methods that read a parameter, besides an index.
READERS: Final = {"flag", "given", "needed", "number"}
#: Parameters in loops of send.php, and common parameters that are read elsewhere.
_SEND_LOOPS: Final = {"viber", "tg", "bot"}


def between(name: str) -> str:
    found = re.search(rf"<!-- {name}: .*? -->\n(.*?)<!-- /{name} -->", PAGE, re.S)
    assert found, name
    return found[1]


def rows(name: str) -> list[list[str]]:
    lines = [line for line in between(name).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def parameters_in(module: str) -> set[str]:
    """The names of all parameters that a module reads."""
    names: set[str] = set()
    tree = ast.parse((REPOSITORY / f"bridge/smsc/{module}.py").read_text("utf-8"))
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(
                value=ast.Name(id="given" | "parameters") | ast.Attribute(attr="parameters"),
                slice=ast.Constant(value=str(name)),
            ):
                names.add(name)
            case ast.Call(func=ast.Attribute(attr=attr), args=[ast.Constant(value=name), *_]) if (
                attr in READERS
            ):
                names.add(str(name))
            case ast.Call(func=ast.Name(id="_phones"), args=[_, ast.Constant(value=name)]):
                names.add(str(name))
    return names


def table_in(module: str, name: str) -> set[str]:
    """The keys of a table in a module: a dictionary that is assigned or returned."""
    tree = ast.parse((REPOSITORY / f"bridge/smsc/{module}.py").read_text("utf-8"))
    for node in ast.walk(tree):
        match node:
            case ast.AnnAssign(target=ast.Name(id=own), value=ast.Dict(keys=keys)) if own == name:
                return {str(key.value) for key in keys if isinstance(key, ast.Constant)}
            case ast.FunctionDef(name=own, body=[ast.Return(value=ast.Dict(keys=keys))]) if (
                own == name
            ):
                return {str(key.value) for key in keys if isinstance(key, ast.Constant)}
    raise AssertionError(name)


def test_every_parameter_of_every_call_is_in_the_table() -> None:
    documented: dict[str, set[str]] = {}
    for call, _, cell in rows("calls"):
        documented[call.strip("`")] = set(re.findall(r"`([^`]+)`", cell))
    read = {module: parameters_in(module) for module in MODULES}
    read["send"] |= _SEND_LOOPS
    read["phones"] |= table_in("phones", "_CONTACT") | table_in("phones", "_commands")
    # The listener logs the number of a refused call.
    everywhere = (read.pop("listener") - {"phones", "phone"}) | read.pop("parameters")
    # JSON and multipart have it under both names.
    assert documented.pop("every call") == everywhere | {"charset"}
    for module, names in read.items():
        calls = MODULES[module]
        assert set().union(*(documented.pop(call) for call in calls)) == names, module
    assert not documented


def test_every_parameter_of_send_is_explained() -> None:
    part = PAGE[PAGE.index("**send.php**") : PAGE.index("**status.php** takes")]
    explained = set(re.findall(r"`([^`]+)`", part))
    [names] = [names for call, _, names in rows("calls") if call == "`send.php`"]
    assert set(re.findall(r"`([^`]+)`", names)) <= explained


def test_the_errors_are_those_of_the_program() -> None:
    documented = {
        (int(code), text, reason)
        for code, text, reasons in rows("errors")
        for reason in reasons.split(", ")
    }
    assert documented == {
        (reason.codes.fmt, error_text(Failure(reason)), reason.codes.text) for reason in Reason
    }


def test_what_is_refused_by_name() -> None:
    assert re.findall(r"`([^`]+)`", between("refused")) == list(UNSUPPORTED)


def test_the_codes_of_a_status_are_those_of_the_program() -> None:
    found = re.search(r"Codes: (.*?)\. Dates", PAGE, re.S)
    assert found
    told = dict(pair.split(" ", 1) for pair in re.split(r",\s+", " ".join(found[1].split())))
    assert {int(code): text.capitalize() for code, text in told.items()} == NAMES


def test_the_methods_of_soap() -> None:
    part = PAGE[PAGE.index("## SOAP") : PAGE.index("## Callbacks")]
    assert set(soap.METHODS) <= set(re.findall(r"`([^`]+)`", part))

"""Every regular expression of the package takes time in proportion to what it reads.

Most of them read what strangers send, and the interpreter does nothing else meanwhile. The patterns
and how they are used are found in the source, so that a new one needs no line here. Each is given
what makes its repetitions try every way to share the input out: a beginning that fits, one of its
characters many times, and an end that does not fit.
"""

from __future__ import annotations

import ast
import importlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import bridge

ROOT = Path(bridge.__file__).parent
#: The parser of regular expressions, which has no public name.
parser: Any = importlib.import_module("re._parser")
ops: Any = importlib.import_module("re._constants")
#: Calls that read a text; how each is made.
CALLS: dict[str, Callable[[re.Pattern[Any], Any], object]] = {
    "match": lambda pattern, text: pattern.match(text),
    "fullmatch": lambda pattern, text: pattern.fullmatch(text),
    "search": lambda pattern, text: pattern.search(text),
    "sub": lambda pattern, text: pattern.sub(text[:0], text),
    "split": lambda pattern, text: pattern.split(text),
    "findall": lambda pattern, text: pattern.findall(text),
    "finditer": lambda pattern, text: list(pattern.finditer(text)),
}
#: Characters of the inputs: a few more each time, so that exponential work is found before it takes
#: a day, and then two sizes of which linear work takes GROWTH times as long for the larger one.
FEW = range(24, 121, 8)
SIZE = 1_000
GROWTH = 8
#: Below this the clock and caches count for more than the work (seconds).
ENOUGH = 0.003
#: Most beginnings and characters of a pattern that are tried together.
MOST = 8
#: Patterns that get no such text where they are used, and why not.
BOUNDED = {
    "config/settings.py:_PIECE": "every number has its unit, or _DURATION had not matched",
    "smtp/reading/signatures.py:_DEVICE_ENDS": "the last line, of a signature's length at most",
}


class Use(NamedTuple):
    where: str
    pattern: re.Pattern[Any]
    call: str


def uses() -> Iterator[Use]:
    """Each pattern with each call that is made of it."""
    for file in sorted(ROOT.rglob("*.py")):
        relative = file.relative_to(ROOT)
        if file.name in ("__init__.py", "__main__.py") or relative.parts[0] == "cli":
            continue
        tree = ast.parse(file.read_text("utf-8"))
        names = vars(importlib.import_module(".".join(("bridge", *relative.with_suffix("").parts))))
        called = dict(_called(tree, names, str(relative)))
        yield from called.values()
        seen = {pattern for pattern, _ in called}
        for name, value in names.items():
            # Tables, whose patterns are called by another name.
            for one in _patterns(value) if isinstance(value, dict | tuple | list) else ():
                if one.pattern not in seen:
                    seen.add(one.pattern)
                    yield Use(f"{relative}:{name}", one, "search")


def _called(
    tree: ast.AST, names: dict[str, Any], file: str
) -> Iterator[tuple[tuple[str | bytes, str], Use]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in CALLS:
            if isinstance(node.value, ast.Name):
                for one in _patterns(names.get(node.value.id)):
                    use = Use(f"{file}:{node.value.id}", one, node.attr)
                    yield (one.pattern, node.attr), use
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            function, module = node.func.attr, node.func.value
            if not isinstance(module, ast.Name) or module.id != "re" or function not in CALLS:
                continue
            if isinstance(node.args[0], ast.Constant):
                one = re.compile(node.args[0].value)
                yield (one.pattern, function), Use(f"{file}:{node.lineno}", one, function)


def _patterns(value: object) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _patterns(one)
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _patterns(one)


# --- what makes a pattern try every way ----------------------------------------------------------


def attacks(pattern: re.Pattern[Any]) -> Iterator[tuple[str, str]]:
    """Beginnings of the pattern, each with a character or two of its repetitions."""
    flags = pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, bytes) else pattern.flags
    parsed = parser.parse(pattern.pattern, flags)
    heads: list[str] = [""]
    pieces: list[str] = [" ", "a", "1"]
    _walk(list(parsed), "", heads, pieces)
    heads, pieces = list(dict.fromkeys(heads))[:MOST], list(dict.fromkeys(pieces))[:MOST]
    for head in heads:
        for piece in pieces:
            yield head, piece


def _walk(nodes: Sequence[Any], before: str, heads: list[str], pieces: list[str]) -> None:
    for op, value in nodes:
        if op in (ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT):
            low, high, body = value
            heads.append(before)
            example = _example(list(body))
            if high > 8:
                pieces += [example, *_members(list(body))]
            _walk(list(body), before, heads, pieces)
            before += example * low
        elif op is ops.SUBPATTERN:
            _walk(list(value[-1]), before, heads, pieces)
            before += _example(list(value[-1]))
        elif op is ops.BRANCH:
            for branch in value[1]:
                _walk(list(branch), before, heads, pieces)
            before += _example(list(value[1][0]))
        else:
            before += _example([(op, value)])


def _example(nodes: Sequence[Any]) -> str:
    """A short text that these nodes match, as far as is easily seen."""
    text = ""
    for op, value in nodes:
        if op is ops.LITERAL:
            text += chr(value)
        elif op is ops.NOT_LITERAL:
            text += "a" if value != ord("a") else "b"
        elif op is ops.ANY:
            text += "a"
        elif op is ops.IN:
            text += _member(value)[0]
        elif op in (ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT):
            text += _example(list(value[2])) * max(value[0], 1 if value[1] > 8 else 0)
        elif op is ops.SUBPATTERN:
            text += _example(list(value[-1]))
        elif op is ops.ATOMIC_GROUP:
            text += _example(list(value))
        elif op is ops.BRANCH:
            text += _example(list(value[1][0]))
    return text


def _members(nodes: Sequence[Any]) -> list[str]:
    """Characters that the repeated nodes may begin with."""
    if len(nodes) == 1 and nodes[0][0] is ops.IN:
        return _member(nodes[0][1])
    return []


def _member(items: Sequence[Any]) -> list[str]:
    compiled = [item for item in items if item[0] is not ops.NEGATE]
    negated = len(compiled) < len(items)
    chars: list[str] = []
    for candidate in " a1\t\n;:,.-_=\"'<>/(*[x@&%#\\A+?ж\xa0":
        if any(_is_in(candidate, item) for item in compiled) is not negated:
            chars.append(candidate)
    for op, value in compiled if not negated else ():
        if op is ops.LITERAL:
            chars.append(chr(value))
        elif op is ops.RANGE:
            chars.append(chr(value[0]))
    return chars[:5] or ["a"]


def _is_in(char: str, item: Any) -> bool:
    op, value = item
    code = ord(char)
    if op is ops.LITERAL:
        return bool(code == value)
    if op is ops.RANGE:
        return bool(value[0] <= code <= value[1])
    if op is ops.CATEGORY:
        word, digit, space = char.isalnum() or char == "_", char.isdigit(), char.isspace()
        return {
            ops.CATEGORY_SPACE: space,
            ops.CATEGORY_NOT_SPACE: not space,
            ops.CATEGORY_DIGIT: digit,
            ops.CATEGORY_NOT_DIGIT: not digit,
            ops.CATEGORY_WORD: word,
            ops.CATEGORY_NOT_WORD: not word,
        }[value]
    return False


# --- the test ------------------------------------------------------------------------------------

USES = list(uses())


def _seconds(use: Use, text: str | bytes, enough: float) -> float:
    """The least of three runs, or one that took no more than this."""
    spent = 1e9
    for _ in range(3):
        began = time.thread_time()
        CALLS[use.call](use.pattern, text)
        spent = min(spent, time.thread_time() - began)
        if spent < enough:
            break
    return spent


def _input(use: Use, head: str, piece: str, tail: str, size: int) -> str | bytes:
    text = head + piece * (size // len(piece) + 1) + tail
    is_bytes = isinstance(use.pattern.pattern, bytes)
    return text.encode("latin-1", "replace") if is_bytes else text


@pytest.mark.parametrize("use", USES, ids=lambda use: f"{use.where} {use.call}")
def test_work_grows_with_the_input_and_no_faster(use: Use) -> None:
    if use.where in BOUNDED:
        return
    for head, piece in attacks(use.pattern):
        for tail in ("\x00", "x:\n"):
            for size in FEW:
                few = _seconds(use, _input(use, head, piece, tail, size), ENOUGH)
                assert few < 0.1, (head, piece, tail, size)
            large = _seconds(use, _input(use, head, piece, tail, SIZE * GROWTH), ENOUGH)
            if large >= ENOUGH:
                small = _seconds(use, _input(use, head, piece, tail, SIZE), 0.0)
                assert large < 3 * GROWTH * small, (head, piece, tail, small, large)


def test_the_patterns_are_found() -> None:
    assert len(USES) > 150
    assert BOUNDED.keys() <= {use.where for use in USES}


@pytest.mark.parametrize(
    ("pattern", "call"),
    [
        (r"(?:\+?[0-9][0-9 ().-]{4,} ?,? *)+:", "match"),
        (r"[ \t]+$", "search"),
        (r" *[0-9][0-9 ]* *", "fullmatch"),
        (r"<([^>]*)>(?:\s+(.*))?", "fullmatch"),
        (rb"[a-z]+(?:-[a-z]+)*=", "search"),
    ],
)
def test_work_that_grows_faster_is_noticed(pattern: str | bytes, call: str) -> None:
    with pytest.raises(AssertionError):
        test_work_grows_with_the_input_and_no_faster(Use("", re.compile(pattern), call))

"""Hidden content of HTML mails: preview texts, and parts for other programs.

Evaluates the style attributes, and the rules of style sheets outside of media queries whose
selectors are elements, classes and ids, also nested ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

_SQUEEZE = re.compile(r"[\s\x00]+|/\*[^*]*+\*/")
_ZERO = r"0*+(?:\.0*+)?(?:px|pt|em|rem|ex|in|cm|mm|vh|%)?"
_END = r"(?:!important)?(?=;|$)"
_HIDING = re.compile(
    rf"(?:^|;)(?:display:none|visibility:(?:hidden|collapse)|mso-hide:all"
    rf"|max-(?:height|width):{_ZERO}|opacity:0*+(?:\.0*+)?%?"
    rf"|(?:text-indent|margin-left|margin-top|left|top):-\d{{3,}}(?:px|em|pt)?"
    rf"|clip:rect\((?:[01](?:px)?,?)+\)|clip-path:inset\((?:50|100)%\)"
    rf"|transform:scale[xy]?\(0(?:,0)?\)){_END}"
)
#: With ``overflow:hidden`` such a box shows nothing.
_ZERO_SIZE = re.compile(rf"(?:^|;)(?:height|width):(?:{_ZERO}|1px){_END}")
_SHOWN = re.compile(r"(?:^|;)display:(?!none)[a-z]")
_FONT_SIZE = re.compile(r"(?:^|;)font(?:-size)?:(?:[^;]*?\s)?([\d.]+)([a-z%]*)")
#: The longest style sheet that is read.
_MAX_STYLES = 64 * 1024
_COMMENT = re.compile(r"/\*[^*]*+(?:\*(?!/)[^*]*+)*\*/|<!--|-->")
_SELECTOR = re.compile(r"(?:([a-z][a-z0-9]*+|\*)|[.#][\w-]++)(?:[.#][\w-]++)*+")
_NAME = re.compile(r"[.#]?[\w-]++")
#: "[class=x]", as mail programs need it that change the names of classes.
_ATTRIBUTE = re.compile(r"\[(class|id)~?=[\"']?([\w-]+)[\"']?\]")


def _of_attribute(found: re.Match[str]) -> str:
    return ("." if found[1] == "class" else "#") + found[2]


def _squeezed(style: str) -> str:
    return _SQUEEZE.sub("", style.lower()).lstrip(";")


def hides(style: str) -> bool:
    """Whether these squeezed declarations hide an element."""
    if _HIDING.search(style):
        return True
    return "overflow:hidden" in style and _ZERO_SIZE.search(style) is not None


def font_is_tiny(style: str) -> bool | None:
    """Whether these declarations set an invisible font size; ``None`` if they set no size."""
    found = _FONT_SIZE.search(style) if "font" in style else None
    if found is None:
        return None
    try:
        size = float(found[1])
    except ValueError:
        return None
    return size <= (1 if found[2] in ("", "px", "pt", "%") else 0.05)


#: The names of an element in selectors: the element's own, its classes (".x") and its id ("#x").
Marks = frozenset[str]
NO_MARKS: Marks = frozenset()


_OFTEN_LEFT_OUT = (frozenset({"html"}), frozenset({"body"}))
#: Limits of the work: rules, and comparisons with the elements around.
_MAX_RULES = 300
_MAX_STEPS = 1_000_000


class _Rule(NamedTuple):
    """A rule of a style sheet: the elements that it matches, and its effect on them."""

    number: int
    within: tuple[Marks, ...]
    element: Marks
    hides: bool
    tiny: bool | None


class Hidden:
    """The elements that style sheets hide."""

    def __init__(self) -> None:
        self._rules: dict[str, list[_Rule]] = {}
        self._count = 0
        self._room = _MAX_STYLES
        self._steps = _MAX_STEPS

    def add(self, styles: str) -> None:
        """Reads a style sheet, without media queries and other at-rules."""
        styles = styles[: self._room]
        self._room -= len(styles)
        at = depth = 0
        for rule in _COMMENT.sub(" ", styles).split("}"):
            *openings, declarations = rule.split("{")
            at = depth
            depth = max(0, depth + len(openings) - 1)
            if not openings or at or len(openings) > 1 or "@" in openings[0].rpartition(";")[2]:
                continue
            style = _squeezed(declarations)
            hiding, tiny = hides(style), font_is_tiny(style)
            if hiding or tiny is not None:
                for selector in openings[0].rpartition(";")[2].lower().split(","):
                    self._add_rule(selector, hiding, tiny)

    def _add_rule(self, selector: str, hiding: bool, tiny: bool | None) -> None:
        if "[" in selector:
            selector = _ATTRIBUTE.sub(_of_attribute, selector)
        steps = selector.replace(">", " ").split()
        if not steps or len(steps) > 8 or not all(map(_SELECTOR.fullmatch, steps)):
            return
        *within, element = [frozenset(_NAME.findall(step)) for step in steps]
        named = sorted(element)[0] if element else "*"
        # AMP hides the whole body until its script runs.
        hiding = hiding and any(name[0] in ".#" for step in (*within, element) for name in step)
        if (hiding or tiny is not None) and self._count < _MAX_RULES:
            self._count += 1
            rule = _Rule(self._count, tuple(within), element, hiding, tiny)
            self._rules.setdefault(named, []).append(rule)

    def marks(self, name: str, attributes: Mapping[str, str]) -> Marks:
        """The names by which selectors match an element; none if no rule was read."""
        if not self._rules:
            return NO_MARKS
        classes = ["." + one for one in attributes.get("class", "").lower().split()[:20]]
        return frozenset((name, "#" + attributes.get("id", "").lower(), *classes))

    def effect(
        self, marks: Marks, ancestors: Callable[[], Sequence[Marks]]
    ) -> tuple[bool, bool | None]:
        """Whether style sheets hide an element, and whether they make its letters tiny (``None``:
        they do not set the size)."""
        found = [
            rule
            for mark in marks
            for rule in self._rules.get(mark, ())
            if rule.element <= marks and (not rule.within or self._within(rule, ancestors))
        ]
        sizes = [(rule.number, rule.tiny) for rule in found if rule.tiny is not None]
        return any(rule.hides for rule in found), max(sizes)[1] if sizes else None

    def _within(self, rule: _Rule, ancestors: Callable[[], Sequence[Marks]]) -> bool:
        if self._steps <= 0:
            return False
        above = iter(ancestors())
        for wanted in rule.within:
            if wanted in _OFTEN_LEFT_OUT:
                continue
            self._steps -= 20
            for one in above:
                self._steps -= 1
                if wanted <= one:
                    break
            else:
                return False
        return True


def is_shown(style: str) -> bool:
    """Whether declarations, squeezed, show what a style sheet may hide."""
    return _SHOWN.search(style) is not None


def own_style(attributes: Mapping[str, str]) -> str:
    """The squeezed declarations of a style attribute."""
    style = attributes.get("style")
    return _squeezed(style) if style else ""

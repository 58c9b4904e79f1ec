"""Hidden content of HTML mails: preview texts, and parts for other programs.

Evaluates the style attributes and the simple rules of style sheets (a class, an id, or an element
with one of them) outside of media queries.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_SQUEEZE = re.compile(r"[\s\x00]+|/\*[^*]*+\*/")
_ZERO = r"0*+(?:\.0*+)?(?:px|pt|em|rem|ex|in|cm|mm|vh|%)?"
_END = r"(?:!important)?(?=;|$)"
_HIDING = re.compile(
    rf"(?:^|;)(?:display:none|visibility:(?:hidden|collapse)|mso-hide:all"
    rf"|max-(?:height|width):{_ZERO}|opacity:0*+(?:\.0*+)?"
    rf"|text-indent:-\d{{3,}}(?:px|em|pt)?|(?:left|top):-\d{{3,}}(?:px|em|pt)?){_END}"
)
_ZERO_SIZE = re.compile(rf"(?:^|;)(?:height|width):{_ZERO}{_END}")
_SHOWN = re.compile(r"(?:^|;)display:(?!none)[a-z]")
_FONT_SIZE = re.compile(r"(?:^|;)font(?:-size)?:(?:[^;]*?\s)?([\d.]+)(px|pt|em|rem|%)?")
#: The longest style sheet that is read.
_MAX_STYLES = 64 * 1024
_COMMENT = re.compile(r"/\*[^*]*+(?:\*(?!/)[^*]*+)*\*/|<!--|-->")
_SELECTOR = re.compile(r"(?:[a-z][a-z0-9]*+|\*)?([.#][\w-]++)")


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
    return size <= (0.05 if found[2] in ("em", "rem") else 1)


class Hidden:
    """The classes and ids that style sheets hide."""

    def __init__(self) -> None:
        self._hidden: set[str] = set()
        self._room = _MAX_STYLES

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
            if hides(_squeezed(declarations)):
                for selector in openings[0].rpartition(";")[2].lower().split(","):
                    found = _SELECTOR.fullmatch(selector.strip())
                    if found:
                        self._hidden.add(found[1])

    def has(self, attributes: Mapping[str, str], style: str) -> bool:
        """Whether the element with these attributes is hidden; ``style`` is its squeezed style
        attribute."""
        if "hidden" in attributes or (style and hides(style)):
            return True
        if not self._hidden or _SHOWN.search(style):
            return False
        names = ["." + name for name in attributes.get("class", "").lower().split()]
        names.append("#" + attributes.get("id", "").lower())
        return any(name in self._hidden for name in names)


def own_style(attributes: Mapping[str, str]) -> str:
    """The squeezed declarations of a style attribute."""
    style = attributes.get("style")
    return _squeezed(style) if style else ""

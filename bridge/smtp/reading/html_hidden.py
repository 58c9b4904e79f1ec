"""What of an HTML mail its reader does not see: preview texts, and parts for other programs.

Looked at are the elements' own styles and the simple rules of its style sheets (a class, an id, or
an element with one of them) outside of media queries.
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
#: A style sheet above this is no message's.
_MAX_STYLES = 64 * 1024
_COMMENT = re.compile(r"/\*[^*]*+(?:\*(?!/)[^*]*+)*\*/|<!--|-->")
_SELECTOR = re.compile(r"(?:[a-z][a-z0-9]*+|\*)?([.#][\w-]++)")


def _squeezed(style: str) -> str:
    return _SQUEEZE.sub("", style.lower()).lstrip(";")


def hides(style: str) -> bool:
    """Whether declarations, squeezed, hide the element that has them."""
    if _HIDING.search(style):
        return True
    return "overflow:hidden" in style and _ZERO_SIZE.search(style) is not None


def font_is_tiny(style: str) -> bool | None:
    """Whether declarations set a letter's size to nothing; ``None`` where they set none."""
    found = _FONT_SIZE.search(style) if "font" in style else None
    if found is None:
        return None
    try:
        size = float(found[1])
    except ValueError:
        return None
    return size <= (0.05 if found[2] in ("em", "rem") else 1)


class Hidden:
    """The elements that style sheets hide, by class and id."""

    def __init__(self) -> None:
        self._hidden: set[str] = set()
        self._room = _MAX_STYLES

    def add(self, styles: str) -> None:
        """Takes in a style sheet; media queries and other blocks with a name are passed over."""
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
        """Whether the element with these attributes is hidden; ``style`` is its own, squeezed."""
        if "hidden" in attributes or (style and hides(style)):
            return True
        if not self._hidden or _SHOWN.search(style):
            return False
        names = ["." + name for name in attributes.get("class", "").lower().split()]
        names.append("#" + attributes.get("id", "").lower())
        return any(name in self._hidden for name in names)


def own_style(attributes: Mapping[str, str]) -> str:
    """An element's own declarations, squeezed."""
    style = attributes.get("style")
    return _squeezed(style) if style else ""

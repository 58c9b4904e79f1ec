"""Fills templates: a text with placeholders such as ``{name}``, and values by name. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from bridge.model.contact import Template
from bridge.model.failure import Failure, Reason
from bridge.model.message import Submission

#: A placeholder begins with a letter, so that ``{1}`` and JSON in a text are left alone.
_PLACE: Final = re.compile(r"\{([^\W\d_]\w{0,39})\}")


def variables_of(message: str) -> list[str]:
    """The variables of a text, each once, in their order."""
    return list(dict.fromkeys(found[1] for found in _PLACE.finditer(message)))


def filled(message: str, variables: Mapping[str, str]) -> str:
    """The text with its placeholders replaced; placeholders in values are not.

    Raises Failure (bad parameter) with the first variable without a value.
    """

    def value(found: re.Match[str]) -> str:
        try:
            return variables[found[1]]
        except KeyError:
            raise Failure(Reason.BAD_PARAMETER, f"variable {found[1]} missing") from None

    return _PLACE.sub(value, message)


def from_template(submission: Submission, template: Template) -> Submission:
    """The submission with the text of its template. Its own sender takes precedence.

    Raises Failure (bad parameter) for a missing variable.
    """
    return submission._replace(
        text=filled(template.message, dict(submission.variables)),
        sender=submission.sender or template.sender,
        template="",
        variables=(),
    )

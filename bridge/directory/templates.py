"""Filling templates: a text with places such as ``{name}``, and values by name. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from bridge.model.contact import Template
from bridge.model.failure import Failure, Reason
from bridge.model.message import Submission

#: A place: a letter first, so that ``{1}`` and JSON in a text stay what they are.
_PLACE: Final = re.compile(r"\{([^\W\d_]\w{0,39})\}")


def variables_of(message: str) -> list[str]:
    """The variables that a text needs, each once, in their order."""
    return list(dict.fromkeys(found[1] for found in _PLACE.finditer(message)))


def filled(message: str, variables: Mapping[str, str]) -> str:
    """The text with a value in each place; values are not looked through for places.

    Raises Failure (bad parameter) that names the first variable without a value.
    """

    def value(found: re.Match[str]) -> str:
        try:
            return variables[found[1]]
        except KeyError:
            raise Failure(Reason.BAD_PARAMETER, f"variable {found[1]} missing") from None

    return _PLACE.sub(value, message)


def from_template(submission: Submission, template: Template) -> Submission:
    """What a submission that names this template stands for. Its own sender counts first.

    Raises Failure (bad parameter) where a variable is missing.
    """
    return submission._replace(
        text=filled(template.message, dict(submission.variables)),
        sender=submission.sender or template.sender,
        template="",
        variables=(),
    )

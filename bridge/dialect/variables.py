"""Variables of templates in the form ``name=value``."""

from __future__ import annotations

import re
from typing import Final

from bridge.model.failure import Failure, Reason

#: A letter first; letters, digits and underscores.
NAME: Final = re.compile(r"[^\W\d_]\w{0,39}")


def read_variable(written: str) -> tuple[str, str]:
    """A variable and its value. Raises Failure (bad parameter)."""
    name, equals, value = written.partition("=")
    name = name.strip()
    if not equals or NAME.fullmatch(name) is None:
        raise Failure(Reason.BAD_PARAMETER, "a variable is name=value")
    return name, value.strip()

"""A transaction of the directory as a value: statements out, rows in, an answer at the end.

A verb is a generator: it yields the statements of one transaction, is sent the rows of each, and
returns its answer. An engine only runs it (``sqlite/engine.py``, ``postgres/engine.py``), so that
both share every rule. Statements are SQL that both understand, with ``?`` for arguments. A
:class:`bridge.model.failure.Failure` raised in a verb takes back what it wrote: NOT_FOUND for what
is not there, OPERATION_FAILED for what is there already.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeVar

T = TypeVar("T")
Row = Sequence[Any]

#: How many values one statement looks for.
_CHUNK: Final = 500


class Statement(NamedTuple):
    """One statement; with ``many`` it runs once for each of these rows and answers nothing."""

    sql: str
    args: tuple[Any, ...] = ()
    many: Sequence[Row] | None = None


#: One transaction.
Verb = Generator[Statement, Sequence[Row], T]


def chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """The values in pieces that one statement can take."""
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]


def marks(values: Sequence[object]) -> str:
    """A ``?`` for each value."""
    return ",".join("?" * len(values))

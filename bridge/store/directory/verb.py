"""A verb of the directory: one transaction as a generator, the same for both engines.

A verb yields the statements of one transaction, receives the rows of each, and returns its answer.
The engines only run it, so that both share every rule. Statements are SQL that both engines
understand, with ``?`` for arguments. A :class:`bridge.model.failure.Failure` raised in a verb rolls
its statements back: NOT_FOUND for a missing record, OPERATION_FAILED for one that exists already.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Final, NamedTuple, TypeVar

from bridge.store.rows import Row

T = TypeVar("T")

#: Most values in one statement.
_CHUNK: Final = 500


class Statement(NamedTuple):
    """One statement. With ``many`` it runs for each of these rows, and only an INSERT returns rows:
    those of its RETURNING, whose ids grow in the order of the rows."""

    sql: str
    args: tuple[object, ...] = ()
    many: Sequence[Row] | None = None


#: One transaction.
Verb = Generator[Statement, Sequence[Row], T]


def chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """The values in pieces, each small enough for one statement."""
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]


def marks(values: Sequence[object]) -> str:
    """A ``?`` for each value."""
    return ",".join("?" * len(values))

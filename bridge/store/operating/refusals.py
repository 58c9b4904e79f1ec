"""Refusals, kept for a while with account, peer, number and reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from bridge.store.directory.verb import Statement, Verb

#: Most refusals that are kept.
MOST: Final = 50_000


class Refusal(NamedTuple):
    """A request that was refused.

    ``kind`` is ``submission``, ``recipient``, ``mail``, ``throttled``, ``bind``, ``login``,
    ``pdu``, ``hook``, ``connection`` or ``token``. ``phone`` is E.164 if it is a phone number, else
    as the client wrote it. ``at`` is a Unix time.
    """

    at: int
    kind: str
    protocol: str
    account: str
    peer: str
    phone: str
    reason: str


_COLUMNS: Final = ", ".join(f'"{name}"' for name in Refusal._fields)


def keep_refusals(refusals: Sequence[Refusal]) -> Verb[None]:
    """Stores refusals, and deletes the oldest beyond :data:`MOST`."""
    yield Statement(
        f"INSERT INTO refusal ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        many=refusals,
    )
    yield Statement(
        f"DELETE FROM refusal WHERE id <= (SELECT max(id) FROM refusal) - {MOST}"  # noqa: S608
    )


def forget_refusals(before: int) -> Verb[None]:
    """Deletes refusals from before then (Unix time)."""
    yield Statement("DELETE FROM refusal WHERE at < ?", (before,))


def left_out_of(id: int) -> str:
    """The beginning of the reason of a recipient that was left out of a submission."""
    return f"left out of {id}: "


def find_left_out(ids: Iterable[int]) -> Verb[list[Refusal]]:
    """The recipients that were left out of these submissions."""
    found: list[Refusal] = []
    for id in ids:
        begins = left_out_of(id)
        rows = yield Statement(
            f"SELECT {_COLUMNS} FROM refusal "  # noqa: S608
            "WHERE kind = 'recipient' AND substr(reason, 1, ?) = ? ORDER BY id",
            (len(begins), begins),
        )
        found += [Refusal(*row) for row in rows]
    return found


def find_refusals(
    phones: Sequence[str], account: str, kind: str, since: int, limit: int
) -> Verb[list[Refusal]]:
    """The newest refusals of these phones (empty: all), an account, a kind."""
    terms, args = ["at >= ?"], [since]
    values: list[object] = list(args)
    if phones:
        terms.append(f"phone IN ({', '.join('?' * len(phones))})")
        values += phones
    for column, value in (("account", account), ("kind", kind)):
        if value:
            terms.append(f"{column} = ?")
            values.append(value)
    rows = yield Statement(
        f"SELECT {_COLUMNS} FROM refusal WHERE {' AND '.join(terms)} "  # noqa: S608
        "ORDER BY id DESC LIMIT ?",
        (*values, limit),
    )
    return [Refusal(*row) for row in rows]

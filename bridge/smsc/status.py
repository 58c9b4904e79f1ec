"""``status.php``: the states of messages, by number and id (the client's or ours)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Final, Protocol

from bridge.accounts.accounts import Account
from bridge.dialect.answers import Format, Row, Value, done, enclosed, record, records, written_id
from bridge.dialect.times import MOSCOW
from bridge.model.failure import Failure, Reason
from bridge.model.message import Stored
from bridge.model.phone import country, normalise
from bridge.model.state_names import err_of, smsc_status
from bridge.net.rests import Rests
from bridge.smsc.call import Call

_NOT_FOUND: Final = -3
#: The dialect's names of its codes.
NAMES: Final = {
    -3: "Not found",
    -2: "Stopped",
    -1: "Waiting",
    0: "Sent",
    1: "Delivered",
    3: "Expired",
    20: "Undeliverable",
    22: "Wrong number",
    23: "Prohibited",
    25: "Unavailable",
}
_ZONE: Final = timezone(MOSCOW)
_MAX_MESSAGES: Final = 1000
#: All members, in the order of the provider's full answer.
_MEMBERS: Final = (
    *("status", "last_date", "last_timestamp", "err", "send_date", "send_timestamp", "phone"),
    *("mccmnc", "country", "operator", "region", "cost", "sender_id", "status_name", "message"),
    *("type", "id", "int_id", "sms_cnt", "format"),
)
#: Members only for ``all=2``.
_SUBSCRIBER: Final = frozenset({"mccmnc", "country", "operator", "region", "int_id", "format"})
#: The members of each ``all`` in the format of numbers. The text comes last, since clients split
#: at the first 8 or 11 commas; only in a list does the id follow it.
_NUMBERS: Final = {
    0: ("status", "last_timestamp", "err"),
    1: (
        *("status", "last_timestamp", "err", "send_timestamp", "phone", "cost", "sender_id"),
        *("status_name", "message"),
    ),
    2: (
        *("status", "last_timestamp", "err", "send_timestamp", "phone"),
        *("country", "operator", "region", "cost", "sender_id", "status_name", "message"),
    ),
}
#: Names of members in the text format, if they differ.
_IN_TEXT: Final = {"status": "Status", "last_date": "check_time", "id": "ID"}
#: Members that the text format omits: it has dates instead of seconds.
_NOT_IN_TEXT: Final = frozenset({"last_timestamp", "err", "send_timestamp"})


class Messages(Protocol):
    """The part of :class:`bridge.relay.relay.Relay` that status.php uses."""

    async def find_messages(
        self, account: Account, asked: Sequence[tuple[str, str, int]]
    ) -> list[Stored | None]: ...

    async def delete_for_client(self, account: Account, found: Sequence[Stored]) -> None: ...


@dataclass(frozen=True)
class StatusOf:
    """Answers status.php."""

    relay: Messages

    async def __call__(self, call: Call) -> str:
        phones, ids = call.needed("phone"), call.needed("id")
        if call.parameters.flag("del"):
            return await self._delete(call, phones, ids)
        every = call.number("all", 0, 2)
        if "," not in phones and "," not in ids:
            [found] = await self._find(call.account, [(phones, ids)])
            return record(_row(found, phones, ids, every, call.fmt), call.fmt)
        pairs = _pairs(phones, ids)
        pieces: list[str] = []
        rests = Rests()
        for (phone, id), found in zip(pairs, await self._find(call.account, pairs), strict=True):
            row = _row(found, phone, id, every, call.fmt, listed=True)
            pieces.append(records("message", [row], call.fmt))
            await rests.after_some()
        return enclosed(pieces, call.fmt)

    async def _delete(self, call: Call, phones: str, ids: str) -> str:
        """Deletes messages from the answers of this call, all or none; the sysadmin still finds
        them."""
        found = await self._find(call.account, _pairs(phones, ids))
        there = [one for one in found if one is not None]
        if not there or len(there) < len(found):
            raise Failure(Reason.OPERATION_FAILED, "not found")
        await self.relay.delete_for_client(call.account, there)
        return done(call.fmt)

    async def _find(
        self, account: Account, pairs: Sequence[tuple[str, str]]
    ) -> list[Stored | None]:
        """The messages by number and id, both as the client wrote them; None for unknown ones."""
        asked = [_asked(account, phone.strip(), id.strip()) for phone, id in pairs]
        found = iter(await self.relay.find_messages(account, [one for one in asked if one]))
        return [next(found) if one else None for one in asked]


def _asked(account: Account, phone: str, id: str) -> tuple[str, str, int] | None:
    """Reference, E.164 number and id; None for a wrong number."""
    try:
        number = normalise(phone, account.settings.region)
    except Failure:
        return None
    own = written_id(id)
    return id, number, own if isinstance(own, int) else 0


def _pairs(phones: str, ids: str) -> list[tuple[str, str]]:
    """Pairs of number and id from two lists; a comma at the end means a list."""
    first = [one.strip() for one in phones.split(",") if one.strip()]
    second = [one.strip() for one in ids.split(",") if one.strip()]
    if not 0 < len(first) == len(second) <= _MAX_MESSAGES:
        raise Failure(Reason.BAD_PARAMETER, "phone and id")
    return list(zip(first, second, strict=True))


def _date(at: int) -> str:
    return datetime.fromtimestamp(at, _ZONE).strftime("%d.%m.%Y %H:%M:%S") if at else ""


def _members(found: Stored | None, phone: str, id: str) -> dict[str, Value]:
    """All known values, by the dialect's names."""
    if found is None:
        nothing: dict[str, Value] = dict.fromkeys(_MEMBERS, "")
        return nothing | {
            "status": _NOT_FOUND,
            "last_timestamp": 0,
            "err": 0,
            "send_timestamp": 0,
            "phone": phone.lstrip("+"),
            "status_name": NAMES[_NOT_FOUND],
            "type": 0,
            "id": written_id(id),
            "int_id": 0,
            "sms_cnt": 0,
            "format": 0,
        }
    code, since = smsc_status(found)
    message = found.message
    return {
        "status": code,
        "last_date": _date(since),
        "last_timestamp": since,
        "err": err_of(found),
        "send_date": _date(message.accepted_at),
        "send_timestamp": message.accepted_at,
        "phone": message.phone.lstrip("+"),
        "mccmnc": "",
        "country": country(message.phone),
        "operator": "",
        "region": "",
        "cost": found.cost,
        "sender_id": message.sender,
        "status_name": NAMES[code],
        "message": message.text or message.fallback,
        "type": 0,
        "id": written_id(id),
        "int_id": message.id,
        "sms_cnt": found.counted_parts or message.parts,
        "format": 0,
    }


def _row(
    found: Stored | None, phone: str, id: str, every: int, fmt: Format, *, listed: bool = False
) -> Row:
    members = _members(found, phone, id)
    names: Sequence[str]
    if fmt is Format.NUMBERS:
        names = _NUMBERS[every]
        if listed:
            names = (*names, "id") if every else (*names, "id", "phone")
    elif every:
        names = [name for name in _MEMBERS if every == 2 or name not in _SUBSCRIBER]
    else:
        names = ["status", "last_date", "last_timestamp", "err"]
        names += ["id", "phone"] if listed else []
    if fmt is Format.TEXT:
        names = [name for name in names if name not in _NOT_IN_TEXT]
        return [(_IN_TEXT.get(name, name), members[name]) for name in names]
    return [(name, members[name]) for name in names]

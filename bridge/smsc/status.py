"""``status.php``: how messages stand, by the number and the client's id or ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Final, Protocol

from bridge.accounts.accounts import Account
from bridge.dialect.times import MOSCOW
from bridge.model.failure import Failure, Reason
from bridge.model.message import Stored
from bridge.model.phone import country, normalise
from bridge.model.state_names import err_of, smsc_status
from bridge.smsc.answers import Format, Row, Value, listing, record
from bridge.smsc.call import Call

_NOT_FOUND: Final = -3
#: How the dialect calls its codes.
_NAMES: Final = {
    -3: "Not found",
    -2: "Stopped",
    -1: "Waiting",
    0: "Sent",
    1: "Delivered",
    2: "Read",
    3: "Expired",
    20: "Undeliverable",
    22: "Wrong number",
    23: "Prohibited",
    25: "Unavailable",
}
_ZONE: Final = timezone(MOSCOW)
_MAX_MESSAGES: Final = 1000
#: Every member there is, in order.
_MEMBERS: Final = (
    *("status", "last_date", "last_timestamp", "err", "send_date", "send_timestamp", "phone"),
    *("cost", "sender_id", "country", "operator", "region", "status_name", "message", "type"),
    *("id", "sms_cnt"),
)
#: How many members each ``all`` has in the format of numbers: the text comes last in each.
_NUMBERS: Final = {
    0: ("status", "last_timestamp", "err"),
    1: (
        *("status", "last_timestamp", "err", "send_timestamp", "phone", "cost", "sender_id"),
        *("status_name", "message"),
    ),
    2: (
        *("status", "last_timestamp", "err", "send_timestamp", "phone", "cost", "sender_id"),
        *("country", "operator", "region", "status_name", "message"),
    ),
}


class Messages(Protocol):
    """What is asked of :class:`bridge.relay.relay.Relay`."""

    async def query(self, account: Account, id: int) -> Sequence[Stored]: ...

    async def find_reference(
        self, account: Account, reference: str, phone: str
    ) -> Stored | None: ...


@dataclass(frozen=True)
class StatusOf:
    """Answers status.php."""

    relay: Messages

    async def __call__(self, call: Call) -> str:
        phones, ids = call.needed("phone"), call.needed("id")
        if call.parameters.flag("del"):
            # Their time ends by the bridge's own rules: nothing is deleted at a client's wish.
            raise Failure(Reason.BAD_PARAMETER, "del")
        every = call.number("all", 0, 2)
        if "," not in phones and "," not in ids:
            found = await self._find(call.account, phones, ids)
            if call.fmt is Format.TEXT:
                return _line(found, phones, ids, every)
            return record(_row(found, phones, ids, every, call.fmt), call.fmt)
        pairs = _pairs(phones, ids)
        rows, lines = [], []
        for phone, id in pairs:
            found = await self._find(call.account, phone, id)
            lines.append(_line(found, phone, id, every, listed=True))
            rows.append(_row(found, phone, id, every, call.fmt, listed=True))
        if call.fmt is Format.TEXT:
            return "\n".join(lines)
        return listing("message", rows, call.fmt)

    async def _find(self, account: Account, phone: str, id: str) -> Stored | None:
        try:
            number = normalise(phone.strip(), account.settings.region)
        except Failure:
            return None
        found = await self.relay.find_reference(account, id.strip(), number)
        if found is None and id.strip().isascii() and id.strip().isdigit():
            try:
                messages = await self.relay.query(account, int(id))
            except Failure as failure:
                if failure.reason is not Reason.NOT_FOUND:
                    raise
                return None
            return next((one for one in messages if one.message.phone == number), None)
        return found


def _pairs(phones: str, ids: str) -> list[tuple[str, str]]:
    """Lists in matching order; a comma at the end keeps the form of a list."""
    first = [one.strip() for one in phones.split(",") if one.strip()]
    second = [one.strip() for one in ids.split(",") if one.strip()]
    if len(first) != len(second) or len(first) > _MAX_MESSAGES:
        raise Failure(Reason.BAD_PARAMETER, "phone and id")
    return list(zip(first, second, strict=True))


def _date(at: int) -> str:
    return datetime.fromtimestamp(at, _ZONE).strftime("%d.%m.%Y %H:%M:%S") if at else ""


def _members(found: Stored | None, phone: str, id: str) -> dict[str, Value]:
    """Everything that is known, by the names of the dialect."""
    if found is None:
        nothing: dict[str, Value] = dict.fromkeys(_MEMBERS, "")
        return nothing | {
            "status": _NOT_FOUND,
            "last_timestamp": 0,
            "err": 0,
            "send_timestamp": 0,
            "phone": phone.lstrip("+"),
            "status_name": _NAMES[_NOT_FOUND],
            "type": 0,
            "id": id,
            "sms_cnt": 0,
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
        "cost": found.cost,
        "sender_id": message.sender,
        "country": country(message.phone),
        "operator": "",
        "region": "",
        "status_name": _NAMES[code],
        "message": message.text or message.fallback,
        "type": 0,
        "id": int(id) if id.isdigit() else id,
        "sms_cnt": found.counted_parts or message.parts,
    }


def _row(
    found: Stored | None, phone: str, id: str, every: int, fmt: Format, *, listed: bool = False
) -> Row:
    members = _members(found, phone, id)
    if fmt is Format.NUMBERS:
        names: Sequence[str] = _NUMBERS[every]
        if listed:
            # The id goes before what a client splits at last.
            names = (*names[:3], "id", *(("phone",) if not every else ()), *names[3:])
    elif every:
        names = [name for name in members if every == 2 or name not in ("operator", "region")]
    else:
        names = ["status", "last_date", "last_timestamp", "err"]
        names += ["id", "phone"] if listed else []
    return [(name, members[name]) for name in names]


def _line(found: Stored | None, phone: str, id: str, every: int, *, listed: bool = False) -> str:
    """The format of text: dates instead of seconds."""
    members = _members(found, phone, id)
    fields: list[tuple[str, str]] = [
        ("Status", "status"),
        ("check_time", "last_date"),
    ]
    if every:
        names = ["send_date", "phone", "cost", "sender_id", "status_name", "message"]
        fields += [(name, name) for name in names]
    elif listed:
        fields.append(("phone", "phone"))
    if every == 2:
        fields += [(name, name) for name in ("country", "operator", "region", "type")]
    if every or listed:
        fields += [("ID", "id"), ("sms_cnt", "sms_cnt")] if every else [("ID", "id")]
    return ", ".join(f"{name} = {_one_line(members[member])}" for name, member in fields)


def _one_line(value: Value) -> str:
    return " ".join(str(value).splitlines())

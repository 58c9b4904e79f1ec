"""``balance.php``, ``senders.php`` and ``get.php``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Final

from bridge.accounts.accounts import Account
from bridge.dialect.answers import Format, Row, listing, record
from bridge.dialect.times import MOSCOW
from bridge.directory.directory import Directory
from bridge.directory.verbs import incoming_of
from bridge.model.failure import Failure, Reason
from bridge.model.notice import Incoming
from bridge.smsc.call import Call
from bridge.smsc.long_lists import long_list

_ZONE: Final = timezone(MOSCOW)
#: The balance counts messages, not money.
_CURRENCY: Final = "SMS"
#: The longest period of a query (hours), and most messages in an answer.
_LONGEST: Final = 168
_MOST: Final = 10_000


@dataclass(frozen=True)
class Balance:
    """Answers balance.php: the configured figure, or the rest of the daily limit."""

    balance_of: Callable[[Account], Awaitable[str]]

    async def __call__(self, call: Call) -> str:
        balance = await self.balance_of(call.account)
        currency = call.parameters.flag("cur")
        if call.fmt in (Format.TEXT, Format.NUMBERS):
            return f"{balance} {_CURRENCY}" if currency and call.fmt is Format.TEXT else balance
        row: list[tuple[str, int | str]] = [("balance", balance)]
        if currency:
            row.append(("currency", _CURRENCY))
        return record(row, call.fmt)


async def senders(call: Call) -> str:
    """Answers senders.php: lists the configured senders, and changes none."""
    if not call.parameters.flag("get"):
        raise Failure(Reason.BAD_PARAMETER, "senders are configured")
    names = sorted(call.account.senders)
    if not names:
        raise Failure(Reason.NOT_FOUND)
    return listing("sender", [[("sender", name)] for name in names], call.fmt)


@dataclass(frozen=True)
class Answers:
    """Answers get.php: messages from phones (``get_answers``)."""

    directory: Directory

    async def __call__(self, call: Call) -> str:
        if not call.parameters.flag("get_answers"):
            raise Failure(Reason.BAD_PARAMETER, "only get_answers")
        hours = call.number("hour", 1, _LONGEST) or 1
        after = call.number("after_id", 0, 2**53)
        since = 0 if after else int(call.now) - hours * 3600
        to_phone = call.parameters["to_phone"].strip()

        async def read(after: int, limit: int) -> list[Incoming]:
            return await self.directory.look_up(
                incoming_of, call.account.name, since, after, limit, to=to_phone
            )

        answer = await long_list("answer", read, _row, call.fmt, after=after, most=_MOST)
        if answer is not None:
            return answer
        if call.fmt in (Format.TEXT, Format.NUMBERS):
            # These formats have no empty list, and clients treat an empty body as an error.
            raise Failure(Reason.NOT_FOUND)
        return listing("answer", [], call.fmt)


def _row(incoming: Incoming) -> Row:
    return [
        ("id", incoming.id),
        ("phone", incoming.phone.lstrip("+")),
        ("to_phone", incoming.to),
        ("message", incoming.text),
        ("sent", _date(incoming.at)),
        ("received", _date(incoming.received_at)),
    ]


def _date(at: int) -> str:
    return datetime.fromtimestamp(at, _ZONE).strftime("%d.%m.%Y %H:%M:%S")

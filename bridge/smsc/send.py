"""``send.php``: its parameters → a submission, and its outcome → an answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from bridge.accounts.accounts import Account
from bridge.dialect.answers import Number, number_line, priced, refused, sent
from bridge.dialect.times import scheduled_at
from bridge.dialect.translit import transliteration
from bridge.directory.directory import Directory
from bridge.directory.groups import names_group
from bridge.directory.templates import filled
from bridge.directory.verbs import find_template
from bridge.model import message as vocabulary
from bridge.model.failure import Failure, Reason
from bridge.model.gsm0338 import count_parts, fitting
from bridge.model.message import Accepted, Outcome, Recipient, Route, Submission
from bridge.model.phone import normalise
from bridge.net.rests import Rests
from bridge.smsc.call import AnsweredRefusal, Call
from bridge.smsc.prices import balance_of, cost_of

#: Kinds of messages that Cascade does not offer, by their switch and by a prefix of the text.
UNSUPPORTED: Final = ("hlr", "ping", "mms", "mail", "call", "soc", "push", "bin", "tinyurl")
_PREFIX: Final = re.compile(r"__(CALL|VIBER|SOC|PING|HLR|MAIL|BOT)__", re.ASCII)
_TG_VIBER: Final = ("viber", "tg", "bot")
#: The client's own id.
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,40}", re.ASCII)
_VALID: Final = re.compile(r"(\d{1,2})(?::(\d\d))?", re.ASCII)
_BETWEEN: Final = re.compile(r"[,;\r\n]")
_ROW_PHONE: Final = re.compile(r"\+?[0-9][0-9 ().-]*|[Gg][0-9]+", re.ASCII)
#: SMSC's limits of the time over which messages are spread (hours).
_LONGEST_PERIOD: Final = 720
_MAX_PHONES: Final = 10_000
_VARIABLE: Final = re.compile(r"var\[(\w{1,40})\]")


class Submitter(Protocol):
    """The part of :class:`bridge.relay.relay.Relay` that send.php uses."""

    def submit(self, account: Account, submission: Submission) -> asyncio.Future[Outcome]: ...

    async def used_today(self, account: Account) -> int: ...


@dataclass(frozen=True)
class Sending:
    """Answers send.php.

    ``short_id`` gives an id for a submission without a client's id, ``group`` the phones of a
    group.
    """

    relay: Submitter
    prices: Callable[[], dict[str, str]]
    balance: Callable[[], str]
    short_id: Callable[[], int]
    directory: Directory
    group: Callable[[Account, str], AsyncIterator[str]]

    async def __call__(self, call: Call) -> str:
        id = _own_id(call)
        try:
            return await self._send(call, id)
        except Failure as failure:
            raise AnsweredRefusal(failure, refused(failure, call.fmt, id)) from None

    async def _send(self, call: Call, id: str) -> str:
        cost = call.number("cost", 0, 3)
        call = await with_template(call, self.directory)
        submission = await submission_of(call, id or str(self.short_id()))
        if cost == 1:
            submission = submission._replace(dry_run=True)
        outcome = await self.relay.submit(call.account, submission)
        if isinstance(outcome, Failure):
            numbers = await self._numbers(call, submission, outcome)
            raise AnsweredRefusal(outcome, refused(outcome, call.fmt, id, numbers))
        if cost == 1:
            numbers = await self._numbers(call, submission, outcome)
            whole = await self._price(call.account, submission, outcome)
            return priced(whole, outcome.parts, call.fmt, numbers)
        price = balance = None
        try:
            numbers = await self._numbers(call, submission, outcome)
            if cost:
                price = await self._price(call.account, submission, outcome)
            if cost == 3:
                balance = await self.balance_of(call.account)
        except Failure:
            # It is accepted, and after a refusal clients send again: an answer without these.
            numbers = ()
        return sent(
            told_id(submission, outcome),
            outcome.parts,
            call.fmt,
            cost=price,
            balance=balance,
            numbers=numbers,
        )

    async def balance_of(self, account: Account) -> str:
        """The balance in the answer of balance.php."""
        limit = account.settings.daily_limit
        used = await self.relay.used_today(account) if limit else 0
        return balance_of(self.balance(), limit, used)

    async def _price(self, account: Account, submission: Submission, outcome: Accepted) -> str:
        prices = self.prices()
        if not prices:
            return cost_of(prices, ())
        failed = {recipient.address for recipient, _ in outcome.refused}
        named: set[tuple[str, str]] = set()
        parts: list[tuple[str, int]] = []
        rests = Rests()
        for recipient in submission.recipients:
            address, text = recipient.address, _text(submission, recipient)
            if address not in failed and not names_group(address):
                phone = _written(account, address)
                if (phone, text) not in named:
                    named.add((phone, text))
                    parts.append((phone, count_parts(text)))
            await rests.after_some()
        known = {phone for phone, _ in parts}
        for recipient in submission.recipients:
            if recipient.address not in failed and names_group(recipient.address):
                count = count_parts(_text(submission, recipient))
                async for phone in self.group(account, recipient.address):
                    if phone not in known and phone not in failed:
                        known.add(phone)
                        parts.append((phone, count))
        return cost_of(prices, parts)

    async def _numbers(self, call: Call, submission: Submission, outcome: Outcome) -> Sequence[str]:
        """The numbers for ``op=1`` (all) and ``err=1`` (only wrong ones), those of groups too, as
        they are written in the answer."""
        every, wrong = call.parameters.flag("op"), call.parameters.flag("err")
        if not (every or wrong):
            return ()
        if isinstance(outcome, Failure):
            refused = [(recipient, outcome) for recipient in submission.recipients]
        else:
            refused = list(outcome.refused)
        failed = {recipient.address: failure for recipient, failure in refused}
        found: dict[str, str] = {}
        rests = Rests()
        async for address, text in self._addresses(call.account, submission, failed):
            await rests.after_some()
            phone = _written(call.account, address)
            number = None
            if phone in found:
                continue
            if (failure := failed.get(address)) is not None:
                code = str(failure.reason.codes.fmt)
                number = Number(phone.lstrip("+"), status="-1", error=code)
            elif every:
                price = cost_of(self.prices(), [(phone, count_parts(text))])
                number = Number(phone.lstrip("+"), cost=price)
            if number is not None:
                found[phone] = number_line(number, call.fmt)
            if len(found) >= _MAX_PHONES:
                break
        return list(found.values())

    async def _addresses(
        self, account: Account, submission: Submission, failed: Container[str]
    ) -> AsyncIterator[tuple[str, str]]:
        """Each address with its text; groups that were not refused, number by number."""
        for recipient in submission.recipients:
            text = _text(submission, recipient)
            if recipient.address in failed or not names_group(recipient.address):
                yield recipient.address, text
            else:
                async for phone in self.group(account, recipient.address):
                    yield phone, text


async def with_template(call: Call, directory: Directory) -> Call:
    """The call with the text of the template ``tpl``, unless it has its own text; variables are
    ``var[name]``.

    Raises Failure: NOT_FOUND, or bad parameter for a missing variable.
    """
    given = call.parameters
    name = given["tpl"].strip()
    if name in ("", "0") or given["mes"].strip() or given["list"].strip():
        return call
    template = await directory.look_up(find_template, call.account.name, name)
    variables = {found[1]: given[key] for key in given if (found := _VARIABLE.fullmatch(key))}
    sender = given["sender"].strip() or template.sender
    return call._replace(
        parameters=given.having(mes=filled(template.message, variables), sender=sender)
    )


async def submission_of(call: Call, reference: str) -> Submission:
    """The submission of a call.

    Raises Failure: bad parameter with the parameter's name, bad schedule time, bad validity, no
    text.
    """
    given = call.parameters
    for name in UNSUPPORTED:
        if given[name].strip() not in ("", "0", "false"):
            raise Failure(Reason.BAD_PARAMETER, f"{name} cannot be sent")
    route = Route.TG_VIBER if any(given.flag(name) for name in _TG_VIBER) else None
    text, route = _without_prefix(given["mes"], route)
    clean = _cleaner(call)
    recipients: list[Recipient] = []
    rests = Rests()
    for recipient in _recipients(call, clean):
        recipients.append(recipient)
        await rests.after_some()
    if not recipients:
        raise Failure(Reason.BAD_PARAMETER, "phones missing")
    text = clean(text)
    if not text and all(recipient.text is None for recipient in recipients):
        raise Failure(Reason.NO_TEXT, "mes")
    sender = given["sender"].strip()
    return Submission(
        vocabulary.Protocol.HTTP,
        tuple(recipients),
        text,
        call.peer,
        "" if sender == "." else sender,
        route=route,
        ttl=_ttl(given["valid"].strip()),
        scheduled_at=scheduled_at(f"{given['time']},{given['tz']}", call.now),
        reference=reference,
        spread=_spread(given["period"].strip()),
        reading=f"charset {given.read_as}",
    )


def told_id(submission: Submission, outcome: Accepted) -> str:
    """The id in the answer: the client's or a new one; for a duplicate the first one's, by which
    its status is found."""
    if outcome.repeats is None:
        return submission.reference
    return outcome.repeats or str(outcome.id)


def _own_id(call: Call) -> str:
    id = call.parameters["id"].strip()
    if id in ("", "0"):
        return ""
    if _ID.fullmatch(id) is None:
        raise Failure(Reason.BAD_PARAMETER, "id")
    return id


def _without_prefix(text: str, route: Route | None) -> tuple[str, Route | None]:
    found = _PREFIX.match(text)
    if found is None:
        return text, route
    if found[1] not in ("VIBER", "BOT"):
        raise Failure(Reason.BAD_PARAMETER, f"{found[0]} cannot be sent")
    return text[found.end() :].lstrip(), Route.TG_VIBER


def _cleaner(call: Call) -> Callable[[str], str]:
    """The function for ``nl``, ``translit`` and ``maxsms``, which changes each text."""
    given = call.parameters
    transliterated = transliteration(given["translit"].strip())
    most = call.number("maxsms", 0, 255)

    def clean(text: str) -> str:
        if given.flag("nl"):
            text = text.replace("\\n", "\n")
        text = transliterated(text).replace("\r\n", "\n").replace("\r", "\n").strip()
        return fitting(text, most) if most else text

    return clean


def _recipients(call: Call, clean: Callable[[str], str]) -> Iterator[Recipient]:
    given = call.parameters
    found = 0
    if given["list"].strip():
        for number, row in enumerate(given["list"].splitlines(), 1):
            if row.strip():
                phones, text = _row(row, number)
                text = clean(text)
                if not text:
                    raise Failure(Reason.NO_TEXT, f"list row {number}")
                for phone in phones:
                    found += 1
                    _check_count(found)
                    yield Recipient(phone, text=text)
        return
    for phone in _BETWEEN.split(given["phones"]):
        if phone := phone.strip():
            found += 1
            _check_count(found)
            yield Recipient(phone, written=phone)


def _check_count(found: int) -> None:
    if found > _MAX_PHONES:
        raise Failure(Reason.BAD_PARAMETER, f"more than {_MAX_PHONES} phones")


def _row(row: str, number: int) -> tuple[list[str], str]:
    """Phones and text of a row, separated by the first colon, or by a semicolon after a number."""
    head, colon, text = row.partition(":")
    if not colon or not _all_phones(head):
        head, colon, text = row.partition(";")
        if not colon or not _all_phones(head):
            raise Failure(Reason.BAD_PARAMETER, f"list row {number}")
    return [phone.strip() for phone in _BETWEEN.split(head) if phone.strip()], text


def _all_phones(text: str) -> bool:
    pieces = _BETWEEN.split(text)
    phones = [piece.strip(" ") for piece in pieces if piece.strip()]
    return any(pieces) and all(map(_ROW_PHONE.fullmatch, phones))


def _ttl(valid: str) -> int | None:
    """Seconds: ``1`` to ``24`` hours, or ``00:01`` to ``24:00``."""
    if valid in ("", "0"):
        return None
    found = _VALID.fullmatch(valid)
    seconds = int(found[1]) * 3600 + int(found[2] or 0) * 60 if found else 0
    if not 0 < seconds <= 24 * 3600 or (found and int(found[2] or 0) > 59):
        raise Failure(Reason.BAD_VALIDITY, "valid")
    return seconds


def _spread(period: str) -> int:
    """The time over which messages are spread (seconds); ``freq``, the number of steps, is
    ignored."""
    if not period:
        return 0
    try:
        hours = float(period.replace(",", "."))
    except ValueError:
        hours = -1.0
    if not 0 <= hours <= _LONGEST_PERIOD:
        raise Failure(Reason.BAD_PARAMETER, "period")
    return int(hours * 3600)


def _written(account: Account, address: str) -> str:
    """The number in E.164 without plus; an invalid one as the client wrote it."""
    try:
        return normalise(address, account.settings.region)
    except Failure:
        return address


def _text(submission: Submission, recipient: Recipient) -> str:
    return submission.text if recipient.text is None else recipient.text

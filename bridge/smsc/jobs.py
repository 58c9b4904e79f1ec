"""``jobs.php``: lists send-outs, and stops them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Final, Protocol

from bridge.accounts.accounts import Account
from bridge.dialect.answers import Row, created, done, listing, written_id
from bridge.dialect.times import MOSCOW
from bridge.directory import fields
from bridge.directory.directory import Directory
from bridge.directory.verbs import SendOut, find_send_out, forget_send_out, list_send_outs
from bridge.model.failure import Failure, Reason
from bridge.model.message import Outcome
from bridge.smsc.call import Call
from bridge.smsc.send import Submitter, submission_of, told_id, with_template

_ZONE: Final = timezone(MOSCOW)
_NUMBER: Final = 2**53


class Cancelling(Submitter, Protocol):
    """The part of :class:`bridge.relay.relay.Relay` that jobs.php uses."""

    async def cancel(self, account: Account, id: int) -> None: ...


@dataclass(frozen=True)
class Jobs:
    """Answers jobs.php."""

    relay: Cancelling
    directory: Directory
    short_id: Callable[[], int]

    async def __call__(self, call: Call) -> str:
        given = call.parameters
        if given.flag("add"):
            return await self._add(call)
        if given.flag("cancel"):
            known = await self._known(call)
            await self.relay.cancel(call.account, known.submission_id)
            return done(call.fmt)
        if given.flag("del"):
            return await self._delete(call)
        if given.flag("get"):
            return listing("job", [_row(await self._known(call))], call.fmt)
        if given.flag("get_all"):
            found = await self.directory.look_up(list_send_outs, call.account.name)
            if not found:
                raise Failure(Reason.NOT_FOUND)
            return listing("job", [_row(one) for one in found], call.fmt)
        raise Failure(Reason.BAD_PARAMETER, "no command")

    async def _add(self, call: Call) -> str:
        given = call.parameters
        if given["rpt"].strip() not in ("", "0"):
            raise Failure(Reason.BAD_PARAMETER, "rpt: send-outs are not repeated")
        name = fields.text("name", call.needed("name"))
        call = await with_template(call, self.directory)
        submission = await submission_of(call, str(self.short_id()))
        submission = submission._replace(name=name)
        outcome: Outcome = await self.relay.submit(call.account, submission)
        if isinstance(outcome, Failure):
            raise outcome
        own = written_id(told_id(submission, outcome))
        # The first one of a duplicate may have come by another protocol.
        return created("job", own if isinstance(own, int) else outcome.id, call.fmt)

    async def _delete(self, call: Call) -> str:
        """Stops what waits, and takes the send-out off the list. Its messages stay."""
        known = await self._known(call)
        try:
            await self.relay.cancel(call.account, known.submission_id)
        except Failure as failure:
            if failure.reason is not Reason.NOT_FOUND:  # all of it is sent
                raise
        await self.directory.note(forget_send_out, call.account.name, known.submission_id)
        return done(call.fmt)

    async def _known(self, call: Call) -> SendOut:
        id = call.number("id", 0, _NUMBER)
        return await self.directory.look_up(find_send_out, call.account.name, id)


def _row(send_out: SendOut) -> Row:
    at = datetime.fromtimestamp(send_out.at, _ZONE).strftime("%d.%m.%Y %H:%M:%S")
    own = written_id(send_out.reference)
    return [
        # Clients of other protocols need not give a number.
        ("id", own if isinstance(own, int) else send_out.submission_id),
        ("name", send_out.name),
        ("date", at),
        ("phones", send_out.recipients),
        ("cnt", send_out.parts),
        ("refused", send_out.refused),
    ]

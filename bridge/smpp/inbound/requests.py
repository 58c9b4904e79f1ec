"""Handles the requests of one bound session, and answers each of them once.

:mod:`bridge.smpp.protocol.session` decides which request may come when;
:mod:`bridge.smpp.inbound.submit` and :mod:`bridge.smpp.inbound.queries` read the fields. Here
outcomes become responses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import structlog

from bridge.accounts.accounts import Account
from bridge.log import unwritten
from bridge.model.failure import Failure, Reason, smpp_status
from bridge.model.message import Accepted, Outcome, Submission
from bridge.relay.concatenation import Segment
from bridge.relay.short_ids import submit_short
from bridge.smpp.inbound.queries import OPERATIONS, Asker
from bridge.smpp.inbound.refusal import refusal
from bridge.smpp.inbound.services import Services
from bridge.smpp.inbound.submit import Origin, joined, recipient_from, submission_from, word
from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.layouts import RESPONSES, SUBMITS
from bridge.smpp.protocol.pdu import (
    Body,
    DataSm,
    DistributionList,
    MessageIdResp,
    Pdu,
    PduError,
    SubmitMulti,
    SubmitMultiResp,
    SubmitSm,
    Tlv,
    UnsuccessSme,
)
from bridge.smpp.protocol.tlvs import CONGESTION_STATE
from bridge.smpp.protocol.versions import VERSION_50, has_short_ids, message_id_to

log = structlog.get_logger()

#: congestion_state is a percentage (SMPP 5.0 §4.8.4.18).
_MOST_CONGESTED: Final = 99

#: Refusals of a session that are logged one by one between two calls of
#: :meth:`Requests.log_counts`; the others are counted.
_MOST_TOLD: Final = 20


class Requests:
    """The requests of ``account``'s session with ``peer``; ``answer`` writes a response."""

    __slots__ = (
        "_account",
        "_answer",
        "_asker",
        "_interface_version",
        "_origin",
        "_peer",
        "_refused",
        "_services",
        "_short_id",
        "_throttled",
        "last_refusal",
        "refused",
        "submits",
        "throttled",
    )

    def __init__(
        self,
        services: Services,
        account: Account,
        origin: Origin,
        interface_version: int,
        answer: Callable[[Pdu], None],
    ) -> None:
        self._services = services
        self._account = account
        self._peer = origin.peer
        self._origin = origin
        self._interface_version = interface_version
        self._short_id = has_short_ids(interface_version)
        self._answer = answer
        self._asker = Asker(services.relay, account, interface_version, origin.default_alphabet)
        #: Counts of the whole session, for the list of sessions.
        self.submits = self.refused = self.throttled = 0
        self.last_refusal = ""
        self._throttled = 0
        self._refused = 0

    def take(self, pdu: Pdu) -> None:
        """Handles a request, which is answered in any case, now or later."""
        HANDLERS[pdu.command](self, pdu)

    # --- submits ---------------------------------------------------------------------------

    def submit(self, pdu: Pdu) -> None:
        """Hands a submit_sm, submit_multi or data_sm to the relay; a part to the gatherer."""
        self.submits += 1
        services = self._services
        try:
            now = services.clock()
            asked = submission_from(pdu, self._origin, now)
            if isinstance(asked, Segment):
                join = partial(joined, self._peer, now)
                outcome = services.gathering.add(
                    self._account, asked, join, short_id=self._short_id
                )
            else:
                outcome = self._submit(asked)
        except (Failure, PduError) as refused:
            self._refuse(pdu, refused)
        except Exception:  # the client must get an answer
            log.exception("request_failed", account=self._account.name, peer=self._peer)
            self._refuse(pdu, Failure(Reason.OPERATION_FAILED))
        else:
            settle = partial(self._settle, pdu)
            if outcome.done():
                settle(outcome)
            else:
                outcome.add_done_callback(settle)

    def _submit(self, submission: Submission) -> asyncio.Future[Outcome]:
        relay = self._services.relay
        if self._short_id:
            return submit_short(relay, self._account, submission)
        return relay.submit(self._account, submission)

    def _settle(self, pdu: Pdu, outcome: asyncio.Future[Outcome]) -> None:
        if outcome.cancelled():
            self._refuse(pdu, Failure(Reason.OPERATION_FAILED, cause="cancelled"))
            return
        error = outcome.exception()
        if error is not None:
            log.error("submission_failed", peer=self._peer, exc_info=error)
            self._refuse(pdu, Failure(Reason.OPERATION_FAILED, cause=type(error).__name__))
            return
        result = outcome.result()
        if isinstance(result, Accepted):
            message_id = message_id_to(result.id, self._interface_version)
            body: Body = MessageIdResp.__new__(MessageIdResp, message_id)
            if isinstance(pdu.body, SubmitMulti):
                body = SubmitMultiResp(message_id, tuple(self._unsuccess(pdu.body, result)))
            self._accept(pdu, body)
        else:
            self._refuse(pdu, result)

    def _unsuccess(self, body: SubmitMulti, accepted: Accepted) -> Iterator[UnsuccessSme]:
        """The refused destinations, as the client wrote them (SMPP 3.4 §4.5.2.1)."""
        failures = {recipient.address: failure for recipient, failure in accepted.refused}
        if not failures:
            return
        for destination in body.dest_address:
            failure = failures.get(recipient_from(destination).address)
            if failure is None:
                continue
            status = smpp_status(failure.reason, "submit_multi", self._interface_version)
            if isinstance(destination, DistributionList):
                yield UnsuccessSme(0, 0, destination.dl_name, status)
            else:
                yield UnsuccessSme(*destination, status)

    # --- queries ---------------------------------------------------------------------------

    def operate(self, pdu: Pdu) -> None:
        """Handles query_sm, cancel_sm and replace_sm, which may need the store."""
        self._services.create_task(self._operate(pdu))

    async def _operate(self, pdu: Pdu) -> None:
        try:
            body = await OPERATIONS[pdu.command](self._asker, pdu, self._services.clock())
        except (Failure, PduError) as refused:
            self._refuse(pdu, refused)
        except Exception:  # the client must get an answer
            log.exception("request_failed", account=self._account.name, peer=self._peer)
            self._refuse(pdu, Failure(Reason.OPERATION_FAILED))
        else:
            self._accept(pdu, body)

    # --- answers ---------------------------------------------------------------------------

    def _accept(self, pdu: Pdu, body: Body) -> None:
        command, sequence_number = RESPONSES[pdu.command], pdu.sequence_number
        self._answer(Pdu.__new__(Pdu, command, sequence_number, body, self._tlvs()))

    def _refuse(self, pdu: Pdu, refused: Failure | PduError) -> None:
        answer = refusal(
            pdu.command,
            pdu.sequence_number,
            refused,
            self._interface_version,
            self._account.settings,
            self._tlvs(),
        )
        self._answer(answer)
        reason = str(refused) if isinstance(refused, Failure) else refused.detail
        submit = pdu.command in SUBMITS
        self.log_refused(submit, answer.command_status, reason, _destination(pdu))

    def _tlvs(self) -> tuple[Tlv, ...]:
        if self._interface_version < VERSION_50:
            return ()
        congestion = min(self._services.relay.congestion(), _MOST_CONGESTED)
        return (Tlv(CONGESTION_STATE, bytes((congestion,))),)

    # --- the log ---------------------------------------------------------------------------

    def log_refused(self, submit: bool, status: int, reason: str, to: str = "") -> None:
        """Logs one line each, up to a limit; throttled submits and all others are only counted."""
        self.last_refusal = f"{CommandStatus(status).name}: {reason}"
        if status == CommandStatus.ESME_RTHROTTLED:
            self.throttled += 1
            self._throttled += 1
            return
        self.refused += 1
        self._refused += 1
        told = {
            "account": self._account.name,
            "peer": self._peer,
            "recipient": to,
            "reason": reason,
            "status": CommandStatus(status).name,
        }
        if self._refused > _MOST_TOLD:
            unwritten("submission_refused" if submit else "pdu_refused", **told)
        else:
            log.warning("submission_refused" if submit else "pdu_refused", **told)

    def log_counts(self) -> None:
        """Logs how many refusals had no line since the last call."""
        self._log_count("submissions_throttled", self._throttled)
        self._log_count("submissions_refused", self._refused - _MOST_TOLD)
        self._throttled = self._refused = 0

    def _log_count(self, event: str, count: int) -> None:
        if count > 0:
            log.warning(
                event,
                account=self._account.name,
                peer=self._peer,
                submits=count,
                reason=self.last_refusal,
            )


def _destination(pdu: Pdu) -> str:
    body = pdu.body
    if isinstance(body, SubmitSm | DataSm):
        return word(body.destination_addr)
    if isinstance(body, SubmitMulti):
        return recipient_from(body.dest_address[0]).address
    return ""


#: Request → its handler. Any other request is answered with ESME_RINVCMDID.
HANDLERS: Final[dict[str, Callable[[Requests, Pdu], None]]] = {
    **dict.fromkeys(SUBMITS, Requests.submit),
    **dict.fromkeys(OPERATIONS, Requests.operate),
}

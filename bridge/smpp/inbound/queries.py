"""query_sm, cancel_sm, replace_sm: calls the relay, and writes its answers as SMPP bodies.

The relay decides whether a message may still be cancelled or replaced.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, NamedTuple

from bridge.accounts.accounts import Account
from bridge.model import gsm0338
from bridge.model.failure import Failure, Reason
from bridge.model.message import FINAL
from bridge.model.notice import UnjoinedPart
from bridge.model.state_names import err_of, err_unsent, telling
from bridge.smpp.inbound.services import RelayVerbs
from bridge.smpp.inbound.submit import (
    RECEIPTS,
    SERVICE_TYPES,
    address_from,
    schedule_from,
    sender_from,
    ttl_from,
)
from bridge.smpp.protocol.data_coding import Encoded, decode_text
from bridge.smpp.protocol.pdu import Body, CancelSm, Empty, Pdu, QuerySm, QuerySmResp, ReplaceSm
from bridge.smpp.protocol.times import is_no_time
from bridge.smpp.protocol.tlvs import MESSAGE_PAYLOAD
from bridge.smpp.protocol.versions import message_id_from, message_state

_UCS2: Final = 8


class Asker(NamedTuple):
    """The account, and the properties of its session that the answer depends on."""

    relay: RelayVerbs
    account: Account
    interface_version: int
    default_alphabet: str


async def query(asker: Asker, pdu: Pdu, now: float) -> Body:
    """The state of a message, of a submission as a whole, or of a part without a message."""
    assert isinstance(pdu.body, QuerySm)
    message_id = pdu.body.message_id
    id = message_id_from(message_id, asker.interface_version)
    try:
        known = telling(await asker.relay.query(asker.account, id))
    except Failure as failure:
        if failure.reason is not Reason.NOT_FOUND:
            raise
        return _part(message_id, await asker.relay.unjoined(asker.account, id), asker)
    message = known.message
    # Later attempts have a due time too.
    at = message.scheduled_at or (0 if message.attempts else message.due_at)
    return QuerySmResp(
        message_id,
        _final_date(known.changed_at) if known.state in FINAL else b"",
        message_state(
            known.state,
            at > now and not known.sent_at,
            asker.interface_version,
            perhaps_sent=known.perhaps_sent,
        ),
        err_of(known),
    )


def _part(message_id: bytes, part: UnjoinedPart, asker: Asker) -> QuerySmResp:
    """The state of a part that waits for the others, or whose message was never completed."""
    return QuerySmResp(
        message_id,
        _final_date(part.changed_at) if part.state in FINAL else b"",
        message_state(part.state, False, asker.interface_version),
        err_unsent(part.state),
    )


def _final_date(unix_time: int) -> bytes:
    """An absolute time in UTC (SMPP 3.4 §7.1.1.1)."""
    return datetime.fromtimestamp(unix_time, UTC).strftime("%y%m%d%H%M%S000+").encode()


async def cancel(asker: Asker, pdu: Pdu, _: float) -> Body:
    """Cancels one message by its id, or all with this source, destination and service type."""
    body = pdu.body
    assert isinstance(body, CancelSm)
    relay, account = asker.relay, asker.account
    if body.message_id:
        await relay.cancel(account, message_id_from(body.message_id, asker.interface_version))
        return Empty()
    if not body.destination_addr:
        # SMPP 3.4 §4.9.1 requires both addresses; otherwise all of the account's would go.
        raise Failure(Reason.NOT_FOUND, "neither message_id nor destination_addr")
    await relay.cancel_matching(
        account,
        sender_from(body.source_addr),
        address_from(body.dest_addr_ton, body.destination_addr),
        SERVICE_TYPES.get(body.service_type.upper().rstrip(b" ")),
    )
    return Empty()


async def replace(asker: Asker, pdu: Pdu, now: float) -> Body:
    """Replaces the text of a waiting message; empty times stay as they were."""
    body = pdu.body
    assert isinstance(body, ReplaceSm)
    id = message_id_from(body.message_id, asker.interface_version)
    known = await asker.relay.query(asker.account, id)
    octets = pdu.tlv(MESSAGE_PAYLOAD) or body.short_message  # the TLV is SMPP 5.0's
    schedule, validity = body.schedule_delivery_time, body.validity_period
    await asker.relay.replace(
        asker.account,
        id,
        sender=sender_from(body.source_addr),
        text=_replacing(octets, known[0].message.text, asker.default_alphabet),
        scheduled_at=schedule_from(schedule, now) if schedule else None,
        ttl=None if is_no_time(validity) else ttl_from(validity, now),
        receipts=RECEIPTS[body.registered_delivery],
    )
    return Empty()


def _replacing(octets: bytes, text: str, default_alphabet: str) -> str:
    """The new text, in the alphabet of the old one: replace_sm has no data_coding.

    If the old text needs UCS-2, the new one is UCS-2. If not, it may be UCS-2 all the same: the
    zeros before its characters tell.
    """
    wide = not len(octets) % 2 and (not gsm0338.is_gsm(text) or not any(octets[::2]))
    return decode_text(Encoded(_UCS2 if octets and wide else 0, octets, default_alphabet))


#: Command → its handler.
OPERATIONS: Final[dict[str, Callable[[Asker, Pdu, float], Awaitable[Body]]]] = {
    "query_sm": query,
    "cancel_sm": cancel,
    "replace_sm": replace,
}

"""The whole way of SMPP octets before anything is stored, as one function.

Faults are: an unexpected exception, an invalid answer.
"""

from __future__ import annotations

import contextlib

from bridge.model.failure import Failure
from bridge.relay.concatenation import Segment
from bridge.smpp.inbound.connection import OFFERED
from bridge.smpp.inbound.submit import Origin, joined, submission_from
from bridge.smpp.protocol.codec import decode, encode
from bridge.smpp.protocol.framing import Framer
from bridge.smpp.protocol.layouts import BODIES, RESPONSE, RESPONSES, SUBMITS
from bridge.smpp.protocol.pdu import Bind, Pdu, PduError
from bridge.smpp.protocol.session import HandleRequest, SmppSession, Timers, WritePdu
from bridge.smpp.protocol.versions import VERSION_33, VERSION_34, VERSION_50
from tests.smpp.reported import REPORTED
from tests.smpp.test_world import CASES

NOW = 1_795_262_400.0
_NOTHING = Pdu("unbind", 1)
_TIMERS = Timers(10, 30, 120)
_ORIGINS = [
    Origin("192.0.2.1:4242", alphabet)
    for alphabet in ("gsm7", "gsm7-packed", "latin1", "ascii", "utf8")
]
_VERSIONS = (VERSION_33, VERSION_34, VERSION_50)
#: Each alphabet with each version (see :func:`one_input`).
FIRST_OCTETS = range(len(_ORIGINS) * len(_VERSIONS))


def seeds() -> list[bytes]:
    """A PDU of every command, PDUs that broke other software, and those of real clients."""
    every = [Pdu(command, 1, body()) for command, body in BODIES.items() if "multi" not in command]
    world = (bytes.fromhex(pdu) for case in CASES for pdu in case["pdus"])
    return [*map(encode, every), *(reported.octets for reported in REPORTED), *world]


def one_input(data: bytes) -> None:
    """Reads ``data`` as a stream; its first octet chooses the pieces, the alphabet
    and the version."""
    if not data:
        return
    version, alphabet = divmod(data[0], len(_ORIGINS))
    origin, version = _ORIGINS[alphabet], _VERSIONS[version % len(_VERSIONS)]
    cut = 1 + data[0] * (len(data) - 1) // 255
    framer, session = Framer(), _bound(version)
    for piece in (data[1:cut], data[cut:]):
        framer.feed(piece)
        try:
            while (frame := framer.next()) is not None:
                _one_pdu(frame, session, origin)
        except PduError as error:
            encode(session.framing_lost(error).last or _NOTHING)
            return


def _bound(interface_version: int) -> SmppSession:
    session = SmppSession(_TIMERS, 0.0, OFFERED)
    bind = Pdu("bind_transceiver", 1, Bind(b"crm"))
    session.receive(encode(bind), 0.0)
    session.bound(bind, 1000, interface_version)
    return session


def _one_pdu(frame: bytes, session: SmppSession, origin: Origin) -> None:
    with contextlib.suppress(PduError):
        pdu = decode(frame, session.interface_version)
        # An omitted body is written with empty fields.
        again = decode(encode(pdu), session.interface_version)
        assert again == pdu or pdu.body is None
    action = session.receive(frame, 1.0)
    command_id, sequence_number = frame[4:8], int.from_bytes(frame[12:16], "big")
    if isinstance(action, WritePdu):
        assert not command_id[0] & RESPONSE >> 24
        assert action.pdu.sequence_number == sequence_number
        encode(action.pdu)
    elif isinstance(action, HandleRequest):
        assert action.pdu.command in RESPONSES
        if action.pdu.command in SUBMITS:
            _one_submit(action.pdu, origin)


def _one_submit(pdu: Pdu, origin: Origin) -> None:
    with contextlib.suppress(PduError, Failure):
        asked = submission_from(pdu, origin, NOW)
        if isinstance(asked, Segment):
            assert 1 <= asked.number <= asked.total
            asked = joined(origin.peer, NOW, [asked.content] * min(asked.total, 3))
        asked.text.encode()

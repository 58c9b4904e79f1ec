"""Cuts the octets of a connection into PDUs by their command_length."""

from __future__ import annotations

from struct import Struct
from typing import Final

from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.pdu import PduError

#: The longest PDU that is taken: room for a message_payload of 65,535 octets and the other fields.
MAX_LENGTH: Final = 70_000

HEADER: Final = Struct(">IIII")  # command_length, command_id, command_status, sequence_number
_LENGTH: Final = Struct(">I")


class Framer:
    """Cuts the stream into PDUs. An incomplete PDU waits for the rest."""

    __slots__ = ("_buffer", "_position", "_waiting", "_wanted")

    def __init__(self) -> None:
        self._buffer = b""
        self._position = 0
        self._waiting = bytearray()  # an incomplete PDU, grown in place
        self._wanted = 0

    def feed(self, data: bytes) -> None:
        """Takes octets from the stream."""
        if self._waiting:
            self._waiting += data
            if len(self._waiting) < self._wanted:
                return
            data = bytes(self._waiting)
            self._waiting.clear()
        self._buffer = self._buffer[self._position :] + data if self._buffer else data
        self._position = 0

    @property
    def empty(self) -> bool:
        """Whether nothing waits but the beginning of a PDU."""
        return not self._buffer

    def next(self) -> bytes | None:
        """The next complete PDU, or None.

        Raises PduError (ESME_RINVCMDLEN) for an impossible command_length: the start of the next
        PDU is then unknown.
        """
        buffer, start = self._buffer, self._position
        left = len(buffer) - start
        if left >= 4:
            (length,) = _LENGTH.unpack_from(buffer, start)
            if not HEADER.size <= length <= MAX_LENGTH:
                sequence = HEADER.unpack_from(buffer, start)[3] if left >= HEADER.size else 0
                raise PduError(
                    CommandStatus.ESME_RINVCMDLEN,
                    f"command_length {length}",
                    sequence_number=sequence,
                )
            if left >= length:
                end = start + length
                if end == len(buffer):
                    self._buffer, self._position = b"", 0
                else:
                    self._position = end
                return buffer[start:end]
            self._wanted = length
        else:
            self._wanted = 4
        if left:
            self._waiting += buffer[start:]
            self._buffer, self._position = b"", 0
        return None

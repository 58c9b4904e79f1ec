"""The octets of a mail while it arrives, and the memory that all arriving mails share.

Decides when a mail is discarded: over its limit, or if the others leave no room. The rest of a
discarded mail takes no memory, however long it is.
"""

from __future__ import annotations

from bridge.model.failure import Failure, Reason
from bridge.smtp.reply import MAIL_TOO_BIG, Refused

#: The most memory for all arriving mails together (octets), beyond the socket buffers: a mail that
#: arrives in one piece does not count.
MAX_BUFFERED = 256 * 1024 * 1024


class SharedMemory:
    """The part of :data:`MAX_BUFFERED` that is in use."""

    __slots__ = ("used",)

    def __init__(self) -> None:
        self.used = 0

    def take(self, size: int) -> bool:
        """Counts ``size`` octets if there is room for them; returns whether there is."""
        if self.used + size > MAX_BUFFERED:
            return False
        self.used += size
        return True

    def give_back(self, size: int) -> None:
        self.used -= size


class MailBuffer:
    """One mail of at most ``limit`` octets. :meth:`close` it in any case.

    ``size`` counts all octets that came. ``refusal`` is the reason for which the mail is discarded.
    """

    __slots__ = ("_kept", "_memory", "_taken", "limit", "refusal", "size")

    def __init__(self, limit: int, memory: SharedMemory) -> None:
        self._memory = memory
        self._kept = bytearray()
        self._taken = 0
        self.limit = limit
        self.size = 0
        self.refusal: Refused | Failure | None = None

    def add(self, octets: bytes | bytearray) -> None:
        """Keeps a piece that is not the last."""
        self.size += len(octets)
        if self.refusal is not None:
            return
        if self.size > self.limit:
            self.refuse(Refused(MAIL_TOO_BIG))
        elif not self._memory.take(len(octets)):
            self.refuse(Failure(Reason.BRIDGE_FULL, "too many large mails at once"))
        else:
            self._taken += len(octets)
            self._kept += octets

    def add_last(self, octets: bytes | bytearray) -> None:
        """Keeps the last piece. The mail is read at once, so it takes no shared memory."""
        self.size += len(octets)
        if self.refusal is None and self.size > self.limit:
            self.refuse(Refused(MAIL_TOO_BIG))
        if self.refusal is None:
            self._kept += octets

    def refuse(self, refusal: Refused | Failure) -> None:
        """Discards the mail: the octets so far and those to come."""
        self.refusal = refusal
        self.close()

    def octets(self) -> bytes:
        return bytes(self._kept)

    def close(self) -> None:
        """Gives the memory back; may be called again."""
        self._memory.give_back(self._taken)
        self._taken = 0
        self._kept = bytearray()

"""The octets of a mail while it arrives, and the memory that all arriving mails share.

Decides when a mail is thrown away: over its limit, or where the others leave no room. What is
thrown away takes no memory from then on, however long it goes on.
"""

from __future__ import annotations

from bridge.model.failure import Failure, Reason
from bridge.smtp.reply import MAIL_TOO_BIG, Refused

#: All mails that are arriving may take this much memory together (octets), beyond what the sockets
#: hold: a mail that arrives in one piece is not counted.
MAX_BUFFERED = 256 * 1024 * 1024


class SharedMemory:
    """How much of :data:`MAX_BUFFERED` is in use."""

    __slots__ = ("used",)

    def __init__(self) -> None:
        self.used = 0

    def take(self, size: int) -> bool:
        """Counts ``size`` octets, if there is room for them."""
        if self.used + size > MAX_BUFFERED:
            return False
        self.used += size
        return True

    def give_back(self, size: int) -> None:
        self.used -= size


class MailBuffer:
    """One mail of at most ``limit`` octets. :meth:`close` it, whatever becomes of the mail.

    ``size`` counts the octets that came, kept or not. ``refusal`` says why the mail is thrown away.
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
        """Keeps a piece, more of which will follow."""
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
        """Keeps the last piece; it is read at once, so that it takes no shared memory."""
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

"""The buffer of an arriving mail: shared memory, and discarded mails."""

from __future__ import annotations

import pytest

from bridge.model.failure import Failure, Reason
from bridge.smtp.inbound.mail_buffer import MailBuffer, SharedMemory
from bridge.smtp.reply import MAIL_TOO_BIG, Refused


def test_pieces_are_kept_and_counted() -> None:
    memory = SharedMemory()
    buffer = MailBuffer(100, memory)
    buffer.add(b"one ")
    buffer.add_last(b"two")
    assert (buffer.octets(), buffer.size, memory.used) == (b"one two", 7, 4)
    buffer.close()
    buffer.close()
    assert memory.used == 0


def test_a_mail_over_its_limit_takes_no_memory_however_long_it_goes_on() -> None:
    memory = SharedMemory()
    buffer = MailBuffer(10, memory)
    for _ in range(1000):
        buffer.add(b"123456")
        assert memory.used <= 10
    assert isinstance(buffer.refusal, Refused)
    assert buffer.refusal.reply == MAIL_TOO_BIG
    assert (buffer.octets(), buffer.size, memory.used) == (b"", 6000, 0)


def test_the_last_piece_counts_for_the_limit() -> None:
    buffer = MailBuffer(10, SharedMemory())
    buffer.add_last(b"12345678901")
    assert buffer.refusal is not None
    assert buffer.octets() == b""


def test_a_mail_beyond_the_shared_memory_is_refused_and_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bridge.smtp.inbound.mail_buffer.MAX_BUFFERED", 10)
    memory = SharedMemory()
    first, second = MailBuffer(100, memory), MailBuffer(100, memory)
    first.add(b"12345678")
    second.add(b"123")
    assert isinstance(second.refusal, Failure)
    assert second.refusal.reason is Reason.BRIDGE_FULL
    second.add(b"1")
    first.add(b"90")
    assert first.octets() == b"1234567890"
    first.close()
    assert memory.used == 0

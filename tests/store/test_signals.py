"""Signals of the store."""

from __future__ import annotations

from bridge.store.signals import Signal, StoreSignals


def test_listeners_are_called_in_the_order_in_which_they_came() -> None:
    signal: Signal[[str]] = Signal()
    heard: list[str] = []
    signal.send("before")
    signal.listen(lambda words: heard.append(f"first {words}"))
    signal.listen(lambda words: heard.append(f"second {words}"))
    signal.send("now")
    assert heard == ["first now", "second now"]


def test_each_store_has_its_own_signals() -> None:
    one, other = StoreSignals(), StoreSignals()
    heard: list[object] = []
    one.owed.listen(heard.append)
    other.owed.send({"mail"})
    one.owed.send(None)
    assert heard == [None]

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.model.message import Message, MessageType, Route
from bridge.sending.queue import SendQueue, level_of
from tests.samples import message


def queue_of(*messages: Message) -> SendQueue:
    queue = SendQueue(Route.ASYNC)
    for one in messages:
        queue.push(one)
    return queue


def promos(account: str, ids: range) -> list[Message]:
    return [message(id, account=account, level=0) for id in ids]


def test_transactions_go_before_promos_and_flagged_before_others() -> None:
    levels = [
        level_of(MessageType.PROMO, 0),
        level_of(MessageType.PROMO, 3),
        level_of(MessageType.TRANSACTION, 0),
        level_of(MessageType.FLASHCALL, 2),
        level_of(MessageType.VIBER_SURVEY, 3),
    ]
    assert levels == sorted(levels)
    assert len(set(levels)) == 5


def test_within_a_lane_the_first_goes_first() -> None:
    queue = queue_of(*(message(id) for id in range(10)))
    assert [m.id for m in queue.fill(4)] == [0, 1, 2, 3]
    assert [m.id for m in queue.fill(100)] == [4, 5, 6, 7, 8, 9]
    assert queue.fill(100) == []


def test_a_campaign_delays_another_accounts_password_by_no_batch() -> None:
    queue = queue_of(*promos("shop", range(10_000)), message(99_999, account="bank"))
    assert 99_999 in [m.id for m in queue.fill(1000)]


def test_accounts_take_turns() -> None:
    queue = queue_of(
        *(message(id, account="a") for id in range(1000)),
        *(message(id, account="b") for id in range(1000, 1010)),
    )
    batch = queue.fill(100)
    assert sum(m.account == "b" for m in batch) == 10
    assert len(batch) == 100


def test_promos_get_a_tenth_while_transactions_wait() -> None:
    queue = queue_of(*(message(id) for id in range(5000)), *promos("shop", range(5000, 9000)))
    for _ in range(3):
        batch = queue.fill(1000)
        assert len(batch) == 1000
        assert sum(m.level == 0 for m in batch) == 100


def test_what_is_put_back_comes_first_again() -> None:
    queue = queue_of(*(message(id) for id in range(10)))
    queue.push_back(queue.fill(5))
    assert [m.id for m in queue.fill(10)] == list(range(10))


def test_a_refused_batch_is_split_by_account_then_in_halves() -> None:
    queue = SendQueue(Route.ASYNC)
    queue.split([message(1, account="a"), message(2, account="b"), message(3, account="a")])
    assert [[m.id for m in queue.fill_split(100)] for _ in range(2)] == [[1, 3], [2]]
    queue.split([message(id) for id in range(5)])
    assert [[m.id for m in queue.fill_split(100)] for _ in range(2)] == [[0, 1, 2], [3, 4]]


def test_the_longest_waiting_message_is_known() -> None:
    assert SendQueue(Route.ASYNC).oldest() is None
    queue = queue_of(message(1, due_at=50), message(2, due_at=40, account="b"))
    assert queue.oldest() == 40


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 7)), max_size=60),
    st.integers(1, 20),
)
def test_every_message_goes_once(lanes: list[tuple[str, int]], limit: int) -> None:
    queue = queue_of(*(message(i, account=a, level=n) for i, (a, n) in enumerate(lanes)))
    seen: list[int] = []
    while batch := queue.fill(limit):
        assert len(batch) <= limit
        seen += [m.id for m in batch]
    assert sorted(seen) == list(range(len(lanes)))
    assert len(queue) == 0


def test_a_held_account_waits_and_the_others_go() -> None:
    queue = queue_of(message(1, account="a"), message(2, account="b"))
    queue.held.by_operator.add("a")
    assert [m.id for m in queue.fill(10)] == [2]
    assert queue.fill(10) == []
    queue.held.by_operator.clear()
    assert [m.id for m in queue.fill(10)] == [1]


def test_a_message_can_be_taken_out_wherever_it_waits() -> None:
    queue = queue_of(*(message(id) for id in range(4)))
    assert queue.remove(2, 4, "crm")
    assert not queue.remove(2, 4, "crm")
    queue.split(queue.fill(10))
    assert queue.remove(3, 4, "crm")
    assert [[m.id for m in queue.fill_split(100)] for _ in range(2)] == [[0, 1], []]


def test_an_account_whose_messages_are_refused_is_batched_on_its_own() -> None:
    queue = queue_of(*(message(id, account=name) for id in range(5) for name in ("bad", "good")))
    assert [queue.conduct.refused("bad") for _ in range(4)] == [False, False, True, False]
    assert {m.account for m in queue.fill(100)} == {"good"}
    assert {m.account for m in queue.fill_split(100)} == {"bad"}
    assert queue.fill_split(100) == []


def test_an_account_is_batched_with_others_again_after_enough_accepted_messages() -> None:
    queue = queue_of()
    for _ in range(3):
        queue.conduct.refused("bad")
    assert queue.conduct.taken([message(id, account="bad") for id in range(99)]) == []
    assert queue.conduct.taken([message(id, account="good") for id in range(99)]) == []
    assert queue.conduct.taken([message(1, account="bad")]) == ["bad"]
    assert queue.conduct.apart == set()


def test_accounts_that_are_apart_take_turns() -> None:
    queue = queue_of(
        *(message(id, account="x", due_at=10) for id in range(3)),
        *(message(id, account="y", due_at=11) for id in range(3, 6)),
    )
    for name in ("x", "y"):
        for _ in range(3):
            queue.conduct.refused(name)
    assert {m.account for m in queue.fill_split(2)} == {"x"}


def test_nothing_of_an_account_that_is_held_goes_in_a_piece_of_a_refused_batch() -> None:
    queue = queue_of(message(1, account="gone"), message(2, account="stays"))
    queue.split(queue.fill(10))
    queue.held.by_operator.add("gone")
    assert [m.id for m in queue.fill_split(10) + queue.fill_split(10)] == [2]
    queue.held.by_operator.clear()
    assert [m.id for m in queue.fill(10)] == [1]

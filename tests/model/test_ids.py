from hypothesis import given
from hypothesis import strategies as st

from bridge.model.ids import EPOCH, Ids, first_id


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_ids_grow_and_carry_their_second() -> None:
    clock = Clock(EPOCH + 1000.9)
    ids = Ids(0, 0, clock)
    first, second = ids.next(), ids.next()
    assert second == first + 1
    assert first == first_id(EPOCH + 1000)
    clock.now += 1
    assert ids.next() == first_id(EPOCH + 1001)


def test_a_clock_set_back_repeats_no_id() -> None:
    clock = Clock(EPOCH + 5000)
    ids = Ids(3, 0, clock)
    before = [ids.next() for _ in range(10)]
    clock.now = EPOCH + 10
    assert min(ids.next() for _ in range(10)) > max(before)


def test_a_restart_goes_on_behind_the_last_stored_id() -> None:
    clock = Clock(EPOCH + 5000)
    last = [Ids(1, 0, clock).next() for _ in range(3)][-1]
    clock.now -= 100
    assert Ids(1, last, clock).next() > last
    # a node number that another node had before does not repeat that node's ids either
    assert Ids(0, last, clock).next() > last


def test_more_than_a_seconds_worth_borrows_from_the_next() -> None:
    ids = Ids(63, 0, Clock(EPOCH + 1))
    many = [ids.next() for _ in range(70_000)]
    assert len(set(many)) == 70_000
    assert many == sorted(many)
    assert {(id >> 16) & 63 for id in many} == {63}


@given(st.integers(0, 2**31 - 1), st.integers(0, 63))
def test_an_id_fits_in_a_json_number(second: int, node: int) -> None:
    assert Ids(node, 0, Clock(EPOCH + second)).next() < 2**53

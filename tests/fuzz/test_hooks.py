"""The hooks with documents by Hypothesis, and with reproducibly damaged requests."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.feedback.hooks import LIMITS
from bridge.feedback.status_updates import WORDS
from tests.fuzz.hooks import ON_THEIR_WAY, Hooks, answered, path_of, request
from tests.fuzz.test_mail import damaged
from tests.onway import upstream_id


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hooks]:
    with Hooks(tmp_path_factory.mktemp("hooks")) as running:
        yield running


# --- documents -----------------------------------------------------------------------------------


class Pairs(list[tuple[str, Any]]):
    """An object in written form: a name may occur twice."""


_TEXTS = st.text() | st.text(st.characters(categories=["Cs", "Cc", "So", "Cf", "Nd"]))
_LONG = st.builds(lambda text, times: text * times, st.text(min_size=1), st.integers(50, 20_000))
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | _TEXTS
)
_JSON = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=8,
)


def _name(name: str) -> st.SearchStrategy[str]:
    """A name in an equivalent spelling, mostly the documented one."""
    return st.sampled_from([name] * 6 + [name.upper(), name.title(), "_".join(name)])


def _object(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Pairs]:
    """Fields with valid or any values; some missing, some repeated, some unknown."""
    pairs = [st.tuples(_name(name), values | _JSON) for name, values in fields.items()]
    whole = st.tuples(*(st.tuples(st.just(name), values) for name, values in fields.items()))
    more = st.lists(st.one_of(*pairs) | st.tuples(_TEXTS, _JSON), max_size=2)
    some = st.lists(st.one_of(*pairs), max_size=7)
    return st.builds(lambda one, other: Pairs([*one, *other]), whole, more) | st.builds(Pairs, some)


_NUMBER = "380501234567"
_DATES = st.datetimes().map(lambda at: at.isoformat()) | st.integers(-(2**40), 2**53)
_STATUSES = _object(
    messageId=st.sampled_from([*map(upstream_id, ON_THEIR_WAY), upstream_id(2**40)]) | _TEXTS,
    deliverystatus=st.sampled_from([*WORDS, *map(str.upper, WORDS), "unheard of"]) | _TEXTS,
    timestamp=_DATES,
    cost=st.floats() | st.integers(),
    partscount=st.integers(0, 300),
)
_INCOMING = _object(
    idUuid=st.uuids().map(str) | _TEXTS | st.integers(),
    alphaName=st.sampled_from(["Shop", "shop ", "Bank", "Nobody"]) | _TEXTS,
    phoneNumber=st.sampled_from([_NUMBER, f"+{_NUMBER}", f"00{_NUMBER}", int(_NUMBER), "Shop"]),
    text=_TEXTS | _LONG,
    dt=_DATES | _TEXTS,
)


def written(value: object, *, ascii: bool) -> str:
    """As JSON, with NaN and repeated names."""
    if isinstance(value, Pairs):
        fields = (f"{written(n, ascii=ascii)}: {written(v, ascii=ascii)}" for n, v in value)
        return "{" + ", ".join(fields) + "}"
    if isinstance(value, list):
        return "[" + ",".join(written(one, ascii=ascii) for one in value) + "]"
    return json.dumps(value, ensure_ascii=ascii)


_FRAMING = {
    "ascii": st.booleans(),
    "mark": st.booleans(),
    "content_type": st.sampled_from(["application/json", "text/xml; charset=utf-16", "x" * 500]),
    "chunks": st.just(()) | st.lists(st.integers(1, 3000), max_size=6),
    "cuts": st.lists(st.integers(1, 2000), max_size=6),
    "times": st.integers(1, 3),
}


def taken(running: Hooks, hook: str, document: object, framing: dict[str, Any]) -> None:
    """Posts it several times on one connection, in pieces, and checks the answers."""
    body = written(document, ascii=framing["ascii"]).encode("utf-8", "surrogatepass")
    if framing["mark"]:
        body = b"\xef\xbb\xbf" + body
    head = f"Content-Type: {framing['content_type']}\r\n"
    # After the answer to a body that is too large the connection ends.
    times = framing["times"] if len(body) <= LIMITS.max_body else 1
    asked = request(path_of(hook), body, chunks=framing["chunks"], head=head) * times
    cuts = [0, *sorted(framing["cuts"]), len(asked)]
    pieces = [asked[start:end] for start, end in pairwise(cuts)]
    for answer in running.ask([piece for piece in pieces if piece], times):
        running.judge(hook, body, answer)


_BOUNDED = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@_BOUNDED
@given(_STATUSES | st.lists(_STATUSES | _JSON, max_size=6) | _JSON, st.fixed_dictionaries(_FRAMING))
def test_whatever_is_posted_as_a_status_is_kept_and_told_or_refused(
    running: Hooks, document: object, framing: dict[str, Any]
) -> None:
    taken(running, "status", document, framing)


@_BOUNDED
@given(_INCOMING | st.lists(_INCOMING | _JSON, max_size=6) | _JSON, st.fixed_dictionaries(_FRAMING))
def test_whatever_is_posted_as_from_a_phone_is_kept_and_told_or_refused(
    running: Hooks, document: object, framing: dict[str, Any]
) -> None:
    taken(running, "incoming", document, framing)


@pytest.mark.parametrize("bad", [0, 7])
def test_thousands_at_once_are_kept_but_for_those_that_are_none(running: Hooks, bad: int) -> None:
    others: Sequence[object] = [{"no": "thing"}, "\ud800", None, 0.5, [], 7, {"messageId": "x"}]
    none = others[:bad]
    statuses = [{"messageId": f"many-{n}", "deliverystatus": "sent"} for n in range(2000)]
    incoming = [
        {"idUuid": f"{bad}-{n}", "alphaName": "Bank", "phoneNumber": _NUMBER, "text": "Да"}
        for n in range(2000)
    ]
    for hook, document in (("status", statuses), ("incoming", incoming)):
        body = json.dumps([*document[:1000], *none, *document[1000:]]).encode()
        [answer] = running.ask([request(path_of(hook), body)], 1)
        running.judge(hook, body, answer)
        assert answer.status == 200
        assert answer.body == (b'{"refused":%d}' % bad if bad else b"")


@pytest.mark.parametrize("depth", [10, 1000, 100_000])
@pytest.mark.parametrize("hook", ["status", "incoming"])
def test_json_of_any_depth_is_refused(running: Hooks, hook: str, depth: int) -> None:
    for open, close in ((b"[", b"]"), (b'{"a":', b"}")):
        body = open * depth + b"1" + close * depth
        [answer] = running.ask([request(path_of(hook), body)], 1)
        assert answer.status == 400


# --- requests ------------------------------------------------------------------------------------

#: Tokens of HTTP.
_WORDS = (
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b"\r\n\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: -1\r\n",
    b"Content-Length: 99999999999999999999\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Connection: close\r\n",
    b"Connection: Upgrade\r\nUpgrade: h2c\r\n",
    b"Expect: 100-continue\r\n",
    b"ffffffffffffffff\r\n",
    b"0\r\n\r\n",
    b"5;x=y\r\n",
    b" HTTP/1.0\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01",
)
_GOOD = [
    request(path_of("status"), b'{"messageId": "early", "deliverystatus": "sent"}'),
    request(path_of("status"), b'[{"messageId": "early", "deliverystatus": "sent"}]', chunks=(9,)),
    request(path_of("incoming"), b"[]", head="Expect: 100-continue\r\n"),
    request("/nothing", b"{}" * 40),
]


def test_damaged_requests_are_answered_or_cut_and_harm_nobody(running: Hooks) -> None:
    source = random.Random(20_261_122)
    for _ in range(300):
        asked = b"".join(source.choices(_GOOD, k=source.randrange(1, 4)))
        for _ in range(source.randrange(4)):
            at = source.randrange(len(asked))
            asked = asked[:at] + source.choice(_WORDS) + asked[at:]
        answered(running.talk(damaged(source, asked) if source.random() < 0.5 else asked))
    [answer] = running.ask(_GOOD[:1], 1)
    assert answer.status == 200


def test_a_request_is_answered_also_when_nothing_more_can_come(running: Hooks) -> None:
    for good in _GOOD[:3]:
        said = running.talk(good)
        assert b"HTTP/1.1 200 OK\r\n" in said


def test_a_content_length_that_lies_is_answered(tmp_path: Path) -> None:
    body = b'{"messageId": "early", "deliverystatus": "sent"}'
    asked = request(path_of("status"), body)
    with Hooks(tmp_path, request_within=0.3) as running:
        for declared, status in ((+1, 408), (+5000, 408), (-1, 400)):
            lies = asked.replace(b": %d\r\n" % len(body), b": %d\r\n" % (len(body) + declared))
            [answer] = running.ask([lies], 1)
            assert answer.status == status, declared


def test_many_requests_at_once_are_answered_in_order(running: Hooks) -> None:
    bodies = [b"[]", b"{", b" " * (LIMITS.max_body // 8), b"[" * 100] * 50
    asked = b"".join(request(path_of("status"), body) for body in bodies)
    statuses = [answer.status for answer in running.ask([asked], len(bodies))]
    assert statuses == [200, 400, 400, 400] * 50

"""Paths and recipients in the forms of clients."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.failure import Failure, Reason
from bridge.model.message import MessageType, Recipient, Route
from bridge.smtp.address import comparable_domains, parse_path, parse_recipient


@pytest.mark.parametrize(
    ("argument", "path", "rest"),
    [
        ("<a@b.cd>", ("a", "b.cd"), ""),
        (" <a@B.CD.> SIZE=1  BODY=7BIT", ("a", "b.cd"), "SIZE=1  BODY=7BIT"),
        ("<>", ("", ""), ""),
        ("<> RET=HDRS", ("", ""), "RET=HDRS"),
        ("a@b.cd SIZE=1", ("a", "b.cd"), "SIZE=1"),
        ("<@relay.one,@relay.two:a@b.cd>", ("a", "b.cd"), ""),
        ("<380501234567>", ("380501234567", ""), ""),
        ('<"+380 (50) 123"@b.cd>', ("+380 (50) 123", "b.cd"), ""),
        ('<"a\\"b@c"@b.cd>', ('a"b@c', "b.cd"), ""),
        ("<+380 50 123-45-67@b.cd>", ("+380 50 123-45-67", "b.cd"), ""),
        ("<a@[127.0.0.1]>", ("a", "[127.0.0.1]"), ""),
        # The sender's form of some appliances.
        ("", ("", ""), ""),
        (" megaraid", ("megaraid", ""), ""),
        (" megaraid SIZE=1", ("megaraid", ""), "SIZE=1"),
        ("<user@>", ("user", ""), ""),
        ("user@", ("user", ""), ""),
        ("<LB one <lb@b.cd>>", ("lb", "b.cd"), ""),
        ("LB one <lb@b.cd> SIZE=1", ("lb", "b.cd"), "SIZE=1"),
        ('"LB one" <lb@b.cd>', ("lb", "b.cd"), ""),
        ('"LB <one>" <lb@b.cd>', ("lb", "b.cd"), ""),
        ("<<lb@b.cd>>", ("lb", "b.cd"), ""),
        ("<<lb@b.cd> SIZE=1", ("lb", "b.cd"), "SIZE=1"),
        ("<lb@b.cd>> SIZE=1", ("lb", "b.cd"), "SIZE=1"),
        ("<lb@b.cd", ("lb", "b.cd"), ""),
        ("lb@b.cd>", ("lb", "b.cd"), ""),
        ("<lb@b.cd>;", ("lb", "b.cd"), ""),
        ("<lb@b.cd>, SIZE=1", ("lb", "b.cd"), "SIZE=1"),
        ("<lb@b.cd> AUTH=<>", ("lb", "b.cd"), "AUTH=<>"),
        ("lb@b.cd (LB one)", ("lb", "b.cd"), ""),
        ("<lb@b.cd> (LB one) SIZE=1", ("lb", "b.cd"), "SIZE=1"),
        ("<SMS=+380501234567@b.cd>", ("SMS=+380501234567", "b.cd"), ""),
    ],
)
def test_a_path_is_read_as_clients_write_it(
    argument: str, path: tuple[str, str], rest: str
) -> None:
    assert parse_path(argument) == (path, rest)


@pytest.mark.parametrize(
    "argument",
    [
        "<",
        "<a",
        "<a@b SIZE=1",
        "<a <b@c>",
        "<a@@b>",
        "<a@b c>",
        "<a\x01@b>",
        "<a<b@c>",
        "SIZE=1",
        "a b <",
    ],
)
def test_what_is_no_path(argument: str) -> None:
    assert parse_path(argument) is None


@given(st.text(alphabet='<>@:", \\\t.a+1()', max_size=60))
def test_paths_never_raise(argument: str) -> None:
    parse_path(argument)


@pytest.mark.parametrize(
    ("local", "recipient"),
    [
        ("380501234567", Recipient("380501234567")),
        ("+380501234567", Recipient("+380501234567")),
        ("+38 (050) 123-45.67", Recipient("+380501234567")),
        ("00380501234567", Recipient("00380501234567")),
        # SAPconnect's form of a pager's or phone's address.
        ("SMS=+380501234567", Recipient("+380501234567")),
        ("sms=0501234567+promo", Recipient("0501234567", MessageType.PROMO)),
        ("smtp:380501234567", Recipient("380501234567")),
        ("SMS=oncall", Recipient("SMS=oncall")),
        ("0501234567+promo", Recipient("0501234567", MessageType.PROMO)),
        ("+380501234567+Survey", Recipient("+380501234567", MessageType.VIBER_SURVEY)),
        ("380501234567+flash", Recipient("380501234567", MessageType.FLASHCALL)),
        ("380501234567+tgviber", Recipient("380501234567", None, Route.TG_VIBER)),
        (
            "380501234567+transaction+async",
            Recipient("380501234567", MessageType.TRANSACTION, Route.ASYNC),
        ),
        ("clients", Recipient("clients")),
        ("g17+promo", Recipient("g17", MessageType.PROMO)),
        ("Нічна зміна", Recipient("Нічна зміна")),
        ("R+D", Recipient("R+D")),
    ],
)
def test_recipients(local: str, recipient: Recipient) -> None:
    assert parse_recipient(local) == recipient


@pytest.mark.parametrize(
    ("local", "reason"),
    [
        ("380501234567+no", Reason.BAD_PARAMETER),
        ("380501234567+promo+promo", Reason.BAD_PARAMETER),
        ("380501234567+", Reason.BAD_PARAMETER),
        ("380501234567;5", Reason.WRONG_PHONE),
        ("٣٨٠", Reason.WRONG_PHONE),
    ],
)
def test_wrong_recipients(local: str, reason: Reason) -> None:
    with pytest.raises(Failure) as refused:
        parse_recipient(local)
    assert refused.value.reason is reason


def test_domains_compare_in_lower_case_and_in_both_forms() -> None:
    assert comparable_domains(["SMS.Example.com.", "смс.укр"]) == {
        "sms.example.com",
        "смс.укр",
        "xn--l1ajb.xn--j1amh",
    }

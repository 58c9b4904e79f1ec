"""Reports: content, recipients, and safe composition from any values."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage, Message
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.config.settings import AccountSettings
from bridge.model.failure import Failure, Reason
from bridge.model.mail_record import Original, dump, dump_refused, load, original_of
from bridge.model.message import Envelope, Protocol, Receipts, Recipient, State, Stored
from bridge.model.notice import MAIL, Kind, Notice, Owed
from bridge.smtp.outbound.mime import Letter
from bridge.smtp.outbound.report import MailIdentity, NoMail, compose
from tests.samples import NOW, message

IDENTITY = MailIdentity(
    "bridge.test", "bridge@sms.example.com", "sms.example.com", frozenset({"sms.example.com"})
)
ORIGINAL = Original(
    return_path="erp@shop.example",
    envid="QQ 314",
    message_id="<m1@shop.example>",
    subject="Заказ 17",
    to="0501234567@sms.example.com",
    orcpt="rfc822;Ivan@shop.example",
)
PHONE = "+380501234567"


def stored(state: State = State.REJECTED, original: Original = ORIGINAL, **fields: Any) -> Stored:
    of_message = {
        "protocol": Protocol.SMTP,
        "receipts": Receipts.FAILURE | Receipts.SUCCESS | Receipts.INTERMEDIATE | Receipts.DELAY,
        "envelope": dump(original) if any(original) else "",
        "text": "Your code is 1234",
    }
    for name in list(fields):
        if name not in Stored._fields:
            of_message[name] = fields.pop(name)
    values = {"failure": "WRONG_PHONE" if state is State.REJECTED else "", "changed_at": NOW + 9}
    return Stored(
        message=message(5, **of_message),
        state=state,
        upstream_id="",
        cause="the API's own words",
        **(values | fields),
    )


def owed(
    known: Stored | None, state: State | None = None, kind: Kind = Kind.STATE, content: str = ""
) -> Owed:
    state = state or (known.state if known and kind is Kind.STATE else None)
    return Owed(
        Notice(MAIL, "crm", kind, 5, 5, NOW + 9, NOW + 9, state, content=content, id=77), known
    )


def account(**settings: Any) -> AccountSettings:
    return AccountSettings.model_validate(settings)


def letter(one: Owed, settings: AccountSettings | None = None) -> Letter:
    made = compose(one, settings, IDENTITY)
    assert isinstance(made, Letter), made
    return made


def why_not(one: Owed, settings: AccountSettings | None = None) -> str:
    made = compose(one, settings, IDENTITY)
    assert isinstance(made, NoMail)
    return made.cause


class Parsed:
    """A report, parsed by the standard library."""

    def __init__(self, made: Letter) -> None:
        self.octets = made.octets
        self.recipients = made.recipients
        mail = email.message_from_bytes(made.octets, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        assert not [part.defects for part in mail.walk() if part.defects]
        self.mail = mail
        first, second, self.returned = mail.iter_parts()
        assert isinstance(first, EmailMessage)
        self.text: str = first.get_content().replace("\r\n", "\n")
        assert second.get_content_type() == "message/delivery-status"
        self.whole, *self.each = cast(list[Message], second.get_payload())

    @property
    def only(self) -> dict[str, str]:
        [group] = self.each
        return {name: str(value) for name, value in group.items()}


def test_a_failure_is_told_in_a_sentence_to_people_and_in_fields_to_machines() -> None:
    report = Parsed(letter(owed(stored())))
    assert report.recipients == ("erp@shop.example",)
    mail = report.mail
    assert mail.get_content_type() == "multipart/report"
    assert mail.get_param("report-type") == "delivery-status"
    assert mail["from"] == "cascade-bridge <bridge@sms.example.com>"
    assert mail["to"] == "erp@shop.example"
    assert mail["subject"] == f"Not delivered: message to {PHONE}"
    assert mail["auto-submitted"] == "auto-replied"
    assert mail["in-reply-to"] == mail["references"] == "<m1@shop.example>"
    assert report.text.startswith(
        f"The message to {PHONE} was refused: wrong phone number.\n\n"
        "ERROR = 7 (wrong phone number)\n"
    )
    assert "Subject: Заказ 17" in report.text
    assert report.whole["original-envelope-id"] == "QQ 314"
    assert report.whole["reporting-mta"] == "dns; bridge.test"
    assert report.whole["arrival-date"] == "Thu, 01 Jan 2026 00:00:00 +0000"
    assert report.only == {
        "Original-Recipient": "rfc822;Ivan@shop.example",
        "Final-Recipient": "rfc822; 0501234567@sms.example.com",
        "Action": "failed",
        "Status": "5.1.3",
        "Diagnostic-Code": "smtp; 550 5.1.3 ERROR = 7 (wrong phone number)",
        "Last-Attempt-Date": "Thu, 01 Jan 2026 00:00:09 +0000",
        "X-Cascade-Id": "5",
        "X-Cascade-State": "rejected",
    }
    assert "the API's own words" not in report.octets.decode()


def test_the_same_notice_is_the_same_mail_whenever_it_is_told() -> None:
    first, again = letter(owed(stored())), letter(owed(stored()))
    assert first == again
    assert Parsed(first).mail["message-id"] == f"<state-77-{NOW + 9}@bridge.test>"


@pytest.mark.parametrize(
    ("state", "fields", "action", "status", "told"),
    [
        (State.DELIVERED, {}, "delivered", "2.0.0", "was delivered"),
        (State.SENT, {}, "relayed", "2.0.0", "was passed on"),
        (State.UNDELIVERABLE, {}, "failed", "5.0.0", "could not be delivered"),
        (State.UNDELIVERABLE, {"err": 1}, "failed", "5.1.1", "could not be delivered"),
        (State.UNDELIVERABLE, {"err": 250}, "failed", "5.7.1", "could not be delivered"),
        (State.EXPIRED, {}, "failed", "5.4.7", "while it was valid"),
        (State.CANCELLED, {}, "failed", "5.0.0", "was cancelled"),
        (State.REJECTED, {"failure": "SENDER_NOT_ALLOWED"}, "failed", "5.7.1", "sender not"),
        (State.REJECTED, {"failure": "A_LATER_REASON"}, "failed", "5.1.1", "refused by the API"),
    ],
)
def test_every_state_has_its_action_and_its_status(
    state: State, fields: dict[str, Any], action: str, status: str, told: str
) -> None:
    report = Parsed(letter(owed(stored(state, **fields))))
    assert (report.only["Action"], report.only["Status"]) == (action, status)
    assert told in report.text
    assert ("Diagnostic-Code" in report.only) == (action == "failed")


@pytest.mark.parametrize("state", [State.CANCELLED, State.EXPIRED])
def test_what_may_have_been_sent_is_not_said_to_be_lost(state: State) -> None:
    report = Parsed(letter(owed(stored(state, unknown=1))))
    assert report.mail["subject"] == f"Perhaps not delivered: message to {PHONE}"
    assert "may have been delivered or not" in report.text
    assert (report.only["Action"], report.only["Status"]) == ("failed", "5.4.2")
    sent = Parsed(letter(owed(stored(state, unknown=1, sent_at=NOW))))
    assert "may have been" not in sent.text


def test_a_notice_tells_its_own_state_not_a_later_one() -> None:
    report = Parsed(letter(owed(stored(State.DELIVERED), State.SENT)))
    assert report.only["Action"] == "relayed"
    assert "Status = 0, check_time = 01.01.2026 00:00:09" in report.text


@pytest.mark.parametrize(
    ("fmt", "refused", "expired"),
    [
        (0, "ERROR = 7 (wrong phone number)", "Status = 3, check_time = 01.01.2026 00:00:09"),
        (1, "0,-7", f"3,{NOW + 9}"),
        (2, "<error_code>7</error_code>", "<status>3</status>"),
        (3, '{"error": "wrong phone number", "error_code": 7}', '{"status": 3,'),
    ],
)
def test_the_machine_line_has_the_accounts_form(fmt: int, refused: str, expired: str) -> None:
    settings = account(reply_fmt=fmt)
    for state, line in ((State.REJECTED, refused), (State.EXPIRED, expired)):
        report = Parsed(letter(owed(stored(state)), settings))
        assert line in report.text
        assert line in report.only["Diagnostic-Code"]


# --- who hears of it -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("receipts", "receipts_to", "readers"),
    [
        (Receipts.FAILURE, "", ["erp@shop.example"]),
        (Receipts.FAILURE, "sender", ["erp@shop.example"]),
        (Receipts.FAILURE | Receipts.REPORT, "ops@shop.example", ["erp@shop.example", "ops@"]),
        (Receipts.SUCCESS | Receipts.REPORT, "ops@shop.example", ["ops@shop.example"]),
        (Receipts.FAILURE | Receipts.REPORT, "erp@shop.example", ["erp@shop.example"]),
    ],
)
def test_reports_go_to_the_sender_and_to_receipts_to(
    receipts: Receipts, receipts_to: str, readers: list[str]
) -> None:
    report = Parsed(letter(owed(stored(receipts=receipts)), account(receipts_to=receipts_to)))
    assert [r.startswith(s) for r, s in zip(report.recipients, readers, strict=True)]
    assert report.mail["to"] == ", ".join(report.recipients)
    assert ("Account: crm" in report.text) == (receipts_to.startswith(("ops", "erp")))


def test_the_end_of_an_smpp_message_is_reported_to_receipts_to() -> None:
    known = stored(
        State.DELIVERED,
        Original(),
        protocol=Protocol.SMPP,
        receipts=Receipts.SUCCESS | Receipts.REPORT,
        reference="order 17",
    )
    report = Parsed(letter(owed(known), account(receipts_to="ops@shop.example")))
    assert report.recipients == ("ops@shop.example",)
    assert report.only["Final-Recipient"] == "rfc822; +380501234567@sms.example.com"
    assert "Reference: order 17" in report.text
    assert "In-Reply-To" not in report.mail
    assert why_not(owed(known), account()) == "there is nobody to tell"
    assert why_not(owed(known)) == "there is nobody to tell"


@pytest.mark.parametrize(
    "return_path",
    ["", "380501234567@sms.example.com", "+380 50 123@SMS.example.com", "380501234567+promo@"],
)
def test_no_report_becomes_a_message_to_a_phone(return_path: str) -> None:
    if return_path.endswith("@"):
        return_path += "sms.example.com"
    original = ORIGINAL._replace(return_path=return_path)
    assert why_not(owed(stored(original=original))) == "there is nobody to tell"


def test_a_person_at_the_domain_of_the_phones_is_told() -> None:
    original = ORIGINAL._replace(return_path="erp2@sms.example.com")
    assert letter(owed(stored(original=original))).recipients == ("erp2@sms.example.com",)


def test_an_address_that_needs_quotes_gets_them() -> None:
    original = ORIGINAL._replace(return_path='john "j" doe@shop.example')
    assert letter(owed(stored(original=original))).recipients == (
        '"john \\"j\\" doe"@shop.example',
    )


def test_of_a_message_that_is_not_kept_any_more_nothing_is_told() -> None:
    assert why_not(owed(None, State.EXPIRED)) == "the message was deleted"
    assert why_not(owed(None, kind=Kind.DELAY)) == "the message was deleted"


# --- delays --------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.ACCEPTED, State.SENDING, State.HELD, State.SENT])
def test_a_delay_is_told_while_there_is_no_end(state: State) -> None:
    report = Parsed(letter(owed(stored(state), kind=Kind.DELAY)))
    assert report.mail["subject"] == f"Delayed: message to {PHONE}"
    assert (report.only["Action"], report.only["Status"]) == ("delayed", "4.4.7")
    assert report.only["Will-Retry-Until"] == "Fri, 02 Jan 2026 00:00:00 +0000"
    assert "It is tried until 2026-01-02 00:00:00 UTC" in report.text


@pytest.mark.parametrize("state", [State.DELIVERED, State.REJECTED, State.CANCELLED])
def test_a_delay_is_not_told_of_what_has_ended(state: State) -> None:
    cause = f"not needed: the message is {state.value}"
    assert why_not(owed(stored(state), kind=Kind.DELAY)) == cause


def test_a_report_names_the_requested_times() -> None:
    asked = ORIGINAL._replace(deliver_by=NOW + 60, hold="until;2026-01-01T00:00:30Z")
    report = Parsed(letter(owed(stored(original=asked))))
    assert report.whole["deliver-by-date"] == "Thu, 01 Jan 2026 00:01:00 +0000"
    assert report.whole["future-release-request"] == "until;2026-01-01T00:00:30Z"
    plain = Parsed(letter(owed(stored())))
    assert "deliver-by-date" not in plain.whole
    assert "future-release-request" not in plain.whole


# --- some of many --------------------------------------------------------------------------------


def test_a_report_names_each_refused_recipient_with_the_reason() -> None:
    other = ORIGINAL._replace(to="vip@sms.example.com", orcpt="")
    content = dump_refused(
        [(ORIGINAL, Failure(Reason.WRONG_PHONE)), (other, Failure(Reason.NOT_FOUND, "no group"))]
    )
    report = Parsed(letter(owed(stored(), kind=Kind.REFUSED, content=content)))
    assert report.recipients == ("erp@shop.example",)
    assert report.mail["subject"] == "Not delivered: 2 of the recipients"
    assert [group["Final-Recipient"] for group in report.each] == [
        "rfc822; 0501234567@sms.example.com",
        "rfc822; vip@sms.example.com",
    ]
    assert [group["Status"] for group in report.each] == ["5.1.3", "5.1.1"]
    assert {group["Action"] for group in report.each} == {"failed"}
    assert "vip@sms.example.com: ERROR = 3 (nothing found: no group)" in report.text


# --- what is given back --------------------------------------------------------------------------


def test_header_fields_are_given_back_and_no_text() -> None:
    for ret in ("", "HDRS"):
        report = Parsed(letter(owed(stored(original=ORIGINAL._replace(ret=ret)))))
        assert report.returned.get_content_type() == "text/rfc822-headers"
        octets = report.returned.get_payload(decode=True)
        assert isinstance(octets, bytes)
        fields = email.message_from_bytes(octets, policy=email.policy.default)
        assert fields["to"] == "0501234567@sms.example.com"
        assert fields["subject"] == "Заказ 17"
        assert fields["message-id"] == "<m1@shop.example>"
        assert b"1234\r\n" not in report.octets.replace(b"1234567", b"")


def test_the_text_is_given_back_where_that_was_asked_for_and_something_failed() -> None:
    full = ORIGINAL._replace(ret="FULL")
    text = "Ваш код\n.\nFrom me: 1234 " + "x" * 2000
    report = Parsed(letter(owed(stored(original=full, text=text))))
    assert report.returned.get_content_type() == "message/rfc822"
    [inner] = cast(list[Message], report.returned.get_payload())
    assert isinstance(inner, EmailMessage)
    assert inner["subject"] == "Заказ 17"
    assert inner.get_content().replace("\r\n", "\n").rstrip("\n") == text
    delivered = Parsed(letter(owed(stored(State.DELIVERED, full))))
    assert delivered.returned.get_content_type() == "text/rfc822-headers"
    blanked = Parsed(letter(owed(stored(original=full, text=""))))
    assert blanked.returned.get_content_type() == "text/rfc822-headers"


def test_ascii_alone_goes_out_unless_an_address_is_none() -> None:
    assert letter(owed(stored())).octets.isascii()
    known = stored(original=ORIGINAL._replace(to="група@sms.example.com", orcpt="utf-8;ж@c.d"))
    report = Parsed(letter(owed(known)))
    assert report.octets.isascii()
    assert report.only["Original-Recipient"] == "utf-8;\\x{436}@c.d"
    assert report.only["Final-Recipient"].startswith("utf-8; \\x{433}")
    other = stored(original=ORIGINAL._replace(return_path="ящик@пошта.укр"))
    assert letter(owed(other)).recipients == ("ящик@пошта.укр",)
    assert "To: ящик@пошта.укр\r\n".encode() in letter(owed(other)).octets


ANY = st.text(max_size=300) | st.text('\r\n =?<>"\\:;,@.ж', max_size=60)


@given(ANY, ANY, ANY, ANY, ANY, ANY, ANY)
def test_no_value_breaks_out_of_its_field(
    return_path: str, envid: str, message_id: str, subject: str, to: str, orcpt: str, text: str
) -> None:
    strings = [return_path, envid, message_id, subject, to, orcpt, text]
    strings = [s.encode("utf-8", "replace").decode() for s in strings]
    return_path, envid, message_id, subject, to, orcpt, text = strings
    original = Original(return_path, "FULL", envid, message_id, subject, to, orcpt)
    made = compose(owed(stored(original=original, text=text)), None, IDENTITY)
    if isinstance(made, NoMail):
        return
    assert b"\n" not in made.octets.replace(b"\r\n", b"")
    assert b"\r" not in made.octets.replace(b"\r\n", b"")
    assert max(map(len, made.octets.split(b"\r\n"))) <= 998
    head = made.octets.partition(b"\r\n\r\n")[0]
    names = [line.partition(b":")[0] for line in head.split(b"\r\n") if line[:1] not in b" \t"]
    allowed = b"Date From To Subject Message-ID In-Reply-To References Auto-Submitted"
    assert set(names) <= {*allowed.split(), b"MIME-Version", b"Content-Type"}
    assert len(names) == len(set(names))
    assert made.octets.count(b"--=_report-77") == 4


# --- what is kept of a mail ----------------------------------------------------------------------


def test_what_is_kept_is_small_and_read_back() -> None:
    envelope = Envelope("a@b.cd", "FULL", "7", message_id="<1@b>", subject="x")
    original = original_of(envelope, Recipient("380501234567", written="380501234567@sms"))
    assert load(dump(original)) == original
    assert load("") == Original()
    assert load('{"return_path":"a@b","later":1}') == Original("a@b")
    asked = Original("a@b", deliver_by=NOW, hold="for;60")
    assert load(dump(asked)) == asked
    assert dump(Original("a@b")) == '{"return_path":"a@b"}'

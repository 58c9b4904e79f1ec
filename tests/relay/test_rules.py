from __future__ import annotations

from typing import Any

import pytest

from bridge.accounts.accounts import Account
from bridge.model.failure import Failure, Reason
from bridge.model.mail_record import Original, load
from bridge.model.message import (
    Envelope,
    Message,
    MessageType,
    Protocol,
    Receipts,
    Recipient,
    Route,
    Submission,
)
from bridge.model.notice import Kind
from bridge.relay.rules import delays, prepare
from tests.samples import NOW, account, submission

DAY = 86400


def prepared(
    account: Account, submission: Submission
) -> tuple[list[Message], list[tuple[Recipient, Failure]]]:
    ids = iter(range(100, 1000))
    pairs, refused = prepare(
        account, submission, route=Route.ASYNC, now=NOW + 0.7, next_id=lambda: next(ids)
    )
    return [message for _, message in pairs], refused


def only(account: Account, submission: Submission) -> Message:
    [message], refused = prepared(account, submission)
    assert not refused
    return message


def why_not(settings: dict[str, Any], *phones: str, **fields: Any) -> Failure:
    with pytest.raises(Failure) as caught:
        prepared(account(**settings), submission(*phones, **fields))
    return caught.value


def test_the_accounts_defaults_stand_where_the_client_says_nothing() -> None:
    message = only(account(ttl="1h"), submission("0501234567"))
    assert message.phone == "+380501234567"
    assert message.sender == "Shop"
    assert message.message_type is MessageType.TRANSACTION
    assert message.route is Route.ASYNC
    assert (message.due_at, message.expires_at) == (NOW, NOW + 3600)
    assert message.id == message.submission_id


def test_a_recipients_fields_take_precedence_over_the_submissions() -> None:
    recipient = Recipient("+380501234567", MessageType.PROMO, Route.TG_VIBER, "own text")
    message = only(account(), submission(recipients=(recipient,), route=Route.ASYNC))
    assert (message.message_type, message.route) == (MessageType.PROMO, Route.TG_VIBER)
    assert message.text == "own text"


def test_several_recipients_share_a_submission_id() -> None:
    messages, refused = prepared(account(), submission("0501234567", "12", "0671234567"))
    assert [m.phone for m in messages] == ["+380501234567", "+380671234567"]
    assert [(r.address, f.reason) for r, f in refused] == [("12", Reason.WRONG_PHONE)]
    ids = {m.id for m in messages}
    assert len(ids | {messages[0].submission_id}) == 3
    assert messages[0].submission_id == messages[1].submission_id


def test_a_number_named_twice_gets_one_message() -> None:
    messages, refused = prepared(account(), submission("0501234567", "+380501234567"))
    assert len(messages) == 1
    assert not refused


def test_only_the_accounts_senders_may_be_used() -> None:
    assert only(account(), submission(sender="Shop UA")).sender == "Shop UA"
    assert only(account(), submission(sender="SHOP UA")).sender == "Shop UA"
    assert why_not({}, sender="Bank").reason is Reason.SENDER_NOT_ALLOWED
    assert why_not({"sender": "", "senders": []}).reason is Reason.SENDER_NOT_ALLOWED


def test_only_the_accounts_types_may_be_used() -> None:
    settings = {"message_types": ["transaction"]}
    assert why_not(settings, message_type=MessageType.PROMO).reason is Reason.BAD_PARAMETER
    assert only(account(), submission(message_type=MessageType.PROMO)).level == 0


def test_only_the_accounts_countries_may_be_reached() -> None:
    only(account(countries=["UA"]), submission("+380501234567"))
    failure = why_not({"countries": ["UA"]}, "+16502530000")
    assert failure.reason is Reason.PROHIBITED
    assert failure.description == "message prohibited: country not allowed: US"


def test_a_group_that_is_none_is_not_found() -> None:
    assert why_not({}, "friends").reason is Reason.NOT_FOUND


@pytest.mark.parametrize("text", ["", " ", "\n\t"])
def test_a_message_needs_a_text(text: str) -> None:
    assert why_not({}, text=text).reason is Reason.NO_TEXT


@pytest.mark.parametrize("text", ["%name=1%", "see %url=12%", "%SHORT_URL=3%!"])
def test_template_variables_need_leave(text: str) -> None:
    assert why_not({}, text=text).reason is Reason.PROHIBITED
    assert only(account(allow_variables=True), submission(text=text)).text == text


def test_the_options_of_a_survey_may_hold_no_variable_either() -> None:
    survey = {"message_type": MessageType.VIBER_SURVEY, "options": ("yes", "%url=1%")}
    assert why_not({}, **survey).reason is Reason.PROHIBITED
    assert only(account(allow_variables=True), submission(**survey)).options == ("yes", "%url=1%")


def test_a_percent_sign_is_no_variable() -> None:
    assert only(account(), submission(text="-50% today, name=1%")).parts == 1


def test_an_unpaired_surrogate_is_no_text() -> None:
    assert why_not({}, text="a\ud83d").reason is Reason.UNDECODABLE_TEXT
    assert why_not({}, reference="\ud83d").reason is Reason.UNDECODABLE_TEXT
    survey = {"message_type": MessageType.VIBER_SURVEY, "options": ("a", "\ud83d")}
    assert why_not({}, **survey).reason is Reason.UNDECODABLE_TEXT


def test_a_text_of_too_many_parts_is_refused_or_cut() -> None:
    long = "a" * 400
    failure = why_not({"max_parts": 2}, text=long)
    assert failure.reason is Reason.TEXT_TOO_LONG
    assert failure.description == "text too long: 3 parts, 2 allowed"
    cut = only(account(max_parts=2, long_text="truncate"), submission(text=long))
    assert (cut.text, cut.parts) == ("a" * 306, 2)
    emoji = only(account(max_parts=1, long_text="truncate"), submission(text="👋" * 40))
    assert emoji.text == "👋" * 35


@pytest.mark.parametrize(
    ("text", "options", "part"),
    [
        ("x" * 86, ("a", "b"), "85"),
        ("x", ("a",), "2 to 5"),
        ("x", tuple("abcdef"), "2 to 5"),
        ("x", ("a", "b" * 30), "1 to 29"),
        ("x", ("a", " "), "1 to 29"),
    ],
)
def test_survey_rules(text: str, options: tuple[str, ...], part: str) -> None:
    failure = why_not({}, message_type=MessageType.VIBER_SURVEY, text=text, options=options)
    assert failure.reason is Reason.BAD_PARAMETER
    assert part in failure.description


def test_a_survey_within_the_rules_passes() -> None:
    options = ("a" * 29, *"bcde")
    survey = submission(message_type=MessageType.VIBER_SURVEY, text="x" * 85, options=options)
    assert only(account(), survey).options == options


def test_options_belong_to_a_survey_and_a_fallback_to_a_flash_call() -> None:
    assert why_not({}, options=("a", "b")).reason is Reason.BAD_PARAMETER
    assert why_not({}, fallback="x").reason is Reason.BAD_PARAMETER


def test_the_text_of_a_flash_call_is_its_fallback() -> None:
    call = only(account(), submission(message_type=MessageType.FLASHCALL, text="Code 1"))
    assert (call.text, call.fallback) == ("", "Code 1")
    assert only(account(), submission(message_type=MessageType.FLASHCALL, text="")).parts == 1


def test_a_validity_is_cut_to_the_accounts_and_must_not_be_over() -> None:
    assert only(account(max_ttl="2d"), submission(ttl=9 * DAY)).expires_at == NOW + 2 * DAY
    assert why_not({}, ttl=0).reason is Reason.BAD_VALIDITY


def test_a_schedule_is_told_to_the_provider() -> None:
    message = only(account(ttl="1h"), submission(scheduled_at=NOW + DAY))
    assert (message.due_at, message.scheduled_at) == (NOW, NOW + DAY)
    assert message.expires_at == NOW + DAY + 3600


def test_a_schedule_can_be_kept_by_the_bridge() -> None:
    message = only(account(schedule="bridge", ttl="1h"), submission(scheduled_at=NOW + DAY))
    assert (message.due_at, message.scheduled_at) == (NOW + DAY, None)
    assert message.expires_at == NOW + DAY + 3600


def test_a_schedule_lies_ahead_but_not_over_30_days() -> None:
    assert only(account(), submission(scheduled_at=NOW - 30)).scheduled_at is None
    assert why_not({}, scheduled_at=NOW - 3600).reason is Reason.BAD_SCHEDULE
    assert only(account(), submission(scheduled_at=NOW + 30 * DAY)).scheduled_at
    assert why_not({}, scheduled_at=NOW + 30 * DAY + 60).reason is Reason.BAD_SCHEDULE


# --- who wants to hear of a mail -----------------------------------------------------------------

MAIL_FROM = Envelope("erp@shop.example", "HDRS", "17", message_id="<1@shop>", subject="x")
ALL = Receipts.SUCCESS | Receipts.FAILURE


def mail(notify: Receipts | None = None, **envelope: Any) -> Submission:
    to = Recipient("0501234567", notify=notify, orcpt="rfc822;a@b", written="0501234567@sms")
    return submission(
        protocol=Protocol.SMTP, recipients=(to,), envelope=MAIL_FROM._replace(**envelope)
    )


@pytest.mark.parametrize(
    ("notify", "receipts_to", "wishes"),
    [
        (None, "", Receipts.FAILURE),
        (Receipts.NONE, "", Receipts.NONE),
        (Receipts.SUCCESS, "", Receipts.SUCCESS),
        (Receipts.DELAY, "", Receipts.DELAY),
        (None, "sender", ALL),
        (Receipts.DELAY, "sender", ALL | Receipts.DELAY),
        (Receipts.NONE, "sender", Receipts.NONE),
        (None, "ops@shop.example", Receipts.FAILURE | Receipts.REPORT),
        (Receipts.NONE, "ops@shop.example", Receipts.REPORT),
    ],
)
def test_the_sender_of_a_mail_gets_reports(
    notify: Receipts | None, receipts_to: str, wishes: Receipts
) -> None:
    assert only(account(receipts_to=receipts_to), mail(notify)).receipts == wishes


def test_deliverby_adds_reports_unless_notify_is_never() -> None:
    asked: dict[str, Any] = {"delay_after": 60, "trace": True}
    wishes = Receipts.FAILURE | Receipts.DELAY | Receipts.INTERMEDIATE
    assert only(account(), mail(**asked)).receipts == wishes
    assert only(account(), mail(Receipts.NONE, **asked)).receipts == Receipts.NONE


def test_to_the_null_return_path_nothing_is_reported() -> None:
    for notify in (None, ALL):
        null = mail(notify, return_path="", delay_after=60, trace=True)
        assert only(account(receipts_to="sender"), null).receipts == Receipts.NONE
        message = only(account(receipts_to="ops@shop.example"), null)
        assert message.receipts == Receipts.REPORT
        assert load(message.envelope).subject == "x"


def test_smpp_gets_the_requested_receipts_and_receipts_to_all() -> None:
    asked = submission(receipts=Receipts.SUCCESS)
    assert only(account(receipts_to="sender"), asked).receipts == Receipts.SUCCESS
    message = only(account(receipts_to="ops@shop.example"), asked)
    assert message.receipts == Receipts.SUCCESS | Receipts.REPORT
    assert message.envelope == ""


def test_a_message_keeps_what_a_report_needs_and_its_trace() -> None:
    kept = Original(
        "erp@shop.example", "HDRS", "17", "<1@shop>", "x", "0501234567@sms", "rfc822;a@b"
    )
    assert load(only(account(), mail()).envelope) == kept
    # The trace finds it by its Message-ID.
    assert load(only(account(), mail(Receipts.NONE)).envelope) == kept


def test_a_message_keeps_how_its_text_was_read_and_what_was_cut() -> None:
    asked = submission(text="a" * 200)
    assert only(account(), asked).envelope == ""
    read = asked._replace(reading="data_coding 0 (gsm7)")
    assert load(only(account(), read).envelope).reading == "data_coding 0 (gsm7)"
    short = account(long_text="truncate", max_parts=1)
    cut = "cut: over 1 parts (40 characters)"
    assert load(only(short, asked).envelope).reading == cut
    assert load(only(short, read).envelope).reading == f"data_coding 0 (gsm7); {cut}"
    assert load(only(short, mail()._replace(text="a" * 200)).envelope).reading == cut


def test_a_delay_is_told_after_a_while_or_when_deliverby_says() -> None:
    def due(asked: Submission, settings: dict[str, Any] | None = None) -> list[int]:
        message = only(account(**(settings or {})), asked)
        notices = delays(asked, [message], 3600)
        assert all(notice.kind is Kind.DELAY and notice.about == message.id for notice in notices)
        # Not in the line of what follows, which may be told long before.
        assert all(notice.known_as == 0 for notice in notices)
        assert all(notice.at == notice.due_at for notice in notices)
        return [notice.due_at - NOW for notice in notices]

    assert due(mail()) == []
    assert due(submission(receipts=Receipts.SUCCESS)) == []
    assert due(mail(Receipts.DELAY)) == [3600]
    assert due(mail(delay_after=60)) == [60]
    assert due(mail(delay_after=-60)) == [0]
    assert due(mail(Receipts.NONE, delay_after=60)) == []
    later = mail(Receipts.DELAY)._replace(scheduled_at=NOW + 7200)
    assert due(later) == [3600 + 7200]
    assert due(later, {"schedule": "bridge"}) == [3600 + 7200]

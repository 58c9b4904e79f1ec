"""Each invariant finds its violation, and nothing in a good run."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable

import pytest

from tests.chaos import invariants
from tests.chaos.evidence import Evidence, Mail, Message, Notice
from tests.chaos.invariants import INVARIANTS, Invariant
from tests.chaos.record import Phoned, Receipt, Record, Said, Text, Try
from tests.smtp.smarthost import Taken


def message(text: Text, id: int, **more: object) -> Message:
    plain = Message(
        id, id, text.account, text.phone, text.text, "delivered", "", "", 0, 1, f"up-{id}", 3
    )
    return plain._replace(**more)  # type: ignore[arg-type]


def receipt(state: int, at: float = 0.0, *, taken: bool = True) -> Receipt:
    return Receipt(at or time.monotonic(), state, "0.1", 1, taken)


class Run:
    """A good run: one text by SMPP, one mail and one message from a phone."""

    def __init__(self) -> None:
        self.record = Record(random.Random(1))
        self.text = self._text("crm", "plain", 100)
        self.mail = self._text("erp", "mail", 200)
        self.phoned = Phoned("uid", "Yes", "+380501112233", "crm", 1, True)
        self.record.phoned[self.phoned.phone] = self.phoned
        self.record.incoming["380501112233"] = ["Yes"]
        self.record.receipt(100, receipt(2))
        self.messages = {100: message(self.text, 100), 200: message(self.mail, 200)}
        self.posts = Counter({100: 1, 200: 1})
        self.sent = {(one.phone, one.text): {one.id} for one in self.messages.values()}
        self.mails = [self.report(self.mail.phone, "<1@host>")]
        self.notices: dict[int, list[Notice]] = {}

    def report(self, phone: str, message_id: str, action: str = "delivered") -> Mail:
        return Mail("erp@client.test", message_id, ((phone, action),), "", "")

    def _text(self, account: str, kind: str, id: int) -> Text:
        text = self.record.text(account, kind)
        text.parts[0].append(Try("0.1", 0.0, Said.YES, id))
        self.record.answered(text, text.parts[0][0])
        return text

    def evidence(self) -> Evidence:
        by_text = {(one.phone, one.text): [one] for one in self.messages.values()}
        return Evidence(
            *(self.record, [], self.messages, {}, {}, set(), self.notices),
            *(self.posts, self.sent, self.mails),
            by_text=by_text,
        )


def lose_the_row(run: Run) -> None:
    del run.messages[100]


def forget_a_recipient(run: Run) -> None:
    run.mail.phones = (run.mail.phone, "+380501234567")


def say_sent_without_a_post(run: Run) -> None:
    del run.posts[100]


def send_what_was_refused(run: Run) -> None:
    run.text.parts[0][0].said = Said.NO
    run.record.receipts.clear()


def post_it_a_fourth_time(run: Run) -> None:
    run.posts[100] = 4


def make_two_of_one(run: Run) -> None:
    run.messages[101] = message(run.text, 101)
    run.sent[run.text.phone, run.text.text].add(101)
    run.posts[101] = 1


def send_what_is_not_stored(run: Run) -> None:
    run.posts[999] = 1


def tell_as_never_sent(run: Run) -> None:
    run.text.ttl = 3
    run.messages[100] = message(run.text, 100, state="expired", sent_at=0)
    run.record.receipts[100] = [receipt(3)]


def leave_it_waiting(run: Run) -> None:
    run.messages[100] = message(run.text, 100, state="accepted")
    run.record.receipts.clear()


def hold_it_without_a_cause(run: Run) -> None:
    run.messages[100] = message(run.text, 100, state="held")
    run.record.receipts.clear()


def send_what_was_cancelled(run: Run) -> None:
    run.text.kind = "timed"
    run.text.cancelled = Said.YES


def send_what_was_replaced(run: Run) -> None:
    run.text.kind = "timed"
    run.text.replaced.append(("new", Said.YES))


def swallow_the_receipt(run: Run) -> None:
    run.record.receipts.clear()


def tell_another_state(run: Run) -> None:
    run.record.receipts[100].append(receipt(5))


def tell_it_is_under_way_after_its_end(run: Run) -> None:
    run.record.receipts[100].append(receipt(1))


def swallow_what_a_phone_said(run: Run) -> None:
    run.record.incoming.clear()


def tear_what_a_phone_said(run: Run) -> None:
    run.record.incoming["380501112233"].append("Y")


def swallow_the_report(run: Run) -> None:
    run.mails.clear()


def report_twice(run: Run) -> None:
    run.mails.append(run.report(run.mail.phone, "<2@host>"))


def tell_the_receipt_before_the_id(run: Run) -> None:
    run.record.receipt(300, receipt(2, time.monotonic() - 2))
    run.record.answered(run.text, Try("0.1", 0.0, Said.YES, 300))


@pytest.mark.parametrize(
    ("lie", "seen_by"),
    [
        (lose_the_row, invariants.nothing_accepted_was_lost),
        (forget_a_recipient, invariants.every_recipient_has_a_message),
        (say_sent_without_a_post, invariants.nothing_accepted_was_lost),
        (send_what_was_refused, invariants.nothing_refused_was_sent),
        (post_it_a_fourth_time, invariants.no_message_was_posted_too_often),
        (make_two_of_one, invariants.what_came_again_is_one_message),
        (send_what_is_not_stored, invariants.everything_was_sent_that_is_known),
        (tell_as_never_sent, invariants.everything_was_sent_that_is_known),
        (leave_it_waiting, invariants.no_state_is_without_a_reason),
        (hold_it_without_a_cause, invariants.no_state_is_without_a_reason),
        (send_what_was_cancelled, invariants.what_was_cancelled_or_replaced_was_not_sent),
        (send_what_was_replaced, invariants.what_was_cancelled_or_replaced_was_not_sent),
        (swallow_the_receipt, invariants.every_receipt_came),
        (tell_another_state, invariants.receipts_are_in_order),
        (tell_it_is_under_way_after_its_end, invariants.receipts_are_in_order),
        (swallow_what_a_phone_said, invariants.every_message_from_a_phone_came_whole),
        (tear_what_a_phone_said, invariants.every_message_from_a_phone_came_whole),
        (swallow_the_report, invariants.every_report_came),
        (report_twice, invariants.every_report_came),
        (tell_the_receipt_before_the_id, invariants.what_was_seen_meanwhile),
    ],
)
def test_a_broken_invariant_is_seen(lie: Callable[[Run], None], seen_by: Invariant) -> None:
    run = Run()
    lie(run)
    assert list(seen_by(run.evidence()))


def test_nothing_is_seen_where_nothing_was_wrong() -> None:
    run = Run()
    assert {i.__name__: list(i(run.evidence())) for i in INVARIANTS} == {
        i.__name__: [] for i in INVARIANTS
    }


def test_a_report_is_read_out_of_a_mail() -> None:
    from tests.chaos.evidence import read_mail

    octets = (
        b"Message-ID: <a@b>\r\nSubject: s\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/report; boundary="x"\r\n\r\n'
        b"--x\r\nContent-Type: text/plain\r\n\r\nwords\r\n"
        b"--x\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; h\r\n\r\n"
        b"Final-Recipient: rfc822; 380501234567@sms.example.com\r\nAction: failed\r\n\r\n--x--\r\n"
    )
    taken = Taken("", ["a@b.c"], octets)
    mail = read_mail(taken.recipients, taken.octets)
    assert mail == Mail("a@b.c", "<a@b>", (("+380501234567", "failed"),), "s", "words")

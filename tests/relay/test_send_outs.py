"""Submissions to groups: with few numbers, with many (send-outs), with a black list."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from bridge.model.contact import Blocks, Contact, Group
from bridge.model.failure import Failure, Reason
from bridge.model.ids import Ids
from bridge.model.mail_record import load
from bridge.model.measures import SUBMISSIONS
from bridge.model.message import (
    Accepted,
    Envelope,
    Protocol,
    Recipient,
    State,
    Stored,
    Submission,
)
from bridge.model.selection import Selection
from bridge.relay.group_recipients import AT_ONCE
from bridge.relay.send_out_plan import NAMED
from bridge.relay.send_outs import ABANDONED_AFTER, SendOuts
from bridge.sandbox import Sandbox
from bridge.store import Acceptance, Change
from bridge.store.directory.black_list import add_to_black_list
from bridge.store.directory.contacts import add_contact
from bridge.store.directory.groups import add_group
from bridge.store.directory.importing import Entry, import_contacts
from bridge.store.directory.staging import (
    SEND_OUT,
    SendOut,
    StagedPhone,
    abandoned_imports,
    begin_import,
    commit_send_out,
    list_send_outs,
    stage_phones,
    staged_phones,
)
from bridge.store.operating.erase import erase, find_about
from bridge.store.operating.mentions import Numbers
from bridge.store.rows import to_row
from bridge.store.types import StagedLines
from tests.relaying import Relaying, reason_of, relaying, repeated, taking_no
from tests.samples import message, submission

FIRST, SECOND, THIRD = "+380501234567", "+380671112233", "+380631112233"
MANY = 3 * AT_ONCE + 10


async def group_of(bridge: Relaying, *phones: str, **options: Any) -> str:
    """Makes a group with these phones; returns its address."""
    group = Group(0, "Night shift", 7, **options)
    id = await bridge.directory.change(add_group, "crm", group)
    for phone in phones:
        await bridge.directory.change(add_contact, "crm", Contact(0, (phone,), groups=(id,)))
    return "G7"


async def large_group(bridge: Relaying, size: int = MANY) -> str:
    entries = [
        Entry(n, Contact(0, (f"+38050{n:07}",)), ("Everybody",)) for n in range(1000, 1000 + size)
    ]
    await bridge.directory.change(import_contacts, "crm", entries, dry_run=False)
    return "everybody"


def to(*addresses: str, text: str = "hello", **more: Any) -> Submission:
    return submission(text=text, **more)._replace(
        recipients=tuple(Recipient(address) for address in addresses)
    )


def numbers(size: int) -> list[str]:
    """The numbers of :func:`large_group`."""
    return [f"+38050{n:07}" for n in range(1000, 1000 + size)]


async def arrived(bridge: Relaying, count: int) -> list[str]:
    """The phones of the API's messages, once there are this many."""
    async with asyncio.timeout(30):
        while len(bridge.sandbox.messages) < count:  # noqa: ASYNC110 - the sandbox tells no event
            await asyncio.sleep(0.01)
    return [message.phone for message in bridge.sandbox.messages]


async def made(bridge: Relaying, outcome: Accepted, count: int) -> list[Stored]:
    """The messages of a send-out, once there are this many."""
    async with asyncio.timeout(30):
        while len(stored := await bridge.store.submission(outcome.id)) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return list(stored)


async def test_a_stop_does_not_wait_for_a_send_out_that_cannot_be_stored(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with asyncio.timeout(30):
        async with relaying(tmp_path, sandbox) as bridge:
            address = await large_group(bridge)
            with taking_no(tmp_path, "message"), capture_logs() as logs:
                outcome = await bridge.submit(to(address))
                assert isinstance(outcome, Accepted)
                while "send_out_delayed" not in [one["event"] for one in logs]:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                bridge.send_outs.close()
                await asyncio.sleep(0)
        assert not sandbox.messages
    # It is not lost.
    async with relaying(tmp_path, sandbox) as bridge:
        assert await bridge.store.look_up(staged_phones, 1, 1)


async def test_a_send_out_that_its_client_cancels_while_its_messages_are_made_sends_none(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.relay.send_outs.MESSAGES_PER_SECOND", 1000)
    async with relaying(tmp_path, sandbox, accounts={"crm": {}, "shop": {}}) as bridge:
        await bridge.dispatcher.set_hold("upstream", "cascade", True)
        outcome = await bridge.submit(to(await large_group(bridge)))
        assert isinstance(outcome, Accepted)
        with pytest.raises(Failure):
            await bridge.relay.cancel(bridge.account("shop"), outcome.id)
        await bridge.relay.cancel(bridge.account(), outcome.id)
        assert await bridge.states(outcome) == [State.CANCELLED] * MANY
        with pytest.raises(Failure):
            await bridge.relay.cancel(bridge.account(), outcome.id)


async def test_a_send_out_that_is_stopped_while_its_messages_are_made_sends_none(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.relay.send_outs.MESSAGES_PER_SECOND", 1000)
    async with relaying(tmp_path, sandbox, accounts={"crm": {}, "shop": {}}) as bridge:
        await bridge.dispatcher.set_hold("upstream", "cascade", True)
        outcome = await bridge.submit(to(await large_group(bridge)))
        assert isinstance(outcome, Accepted)
        campaign = Selection(account="crm", id=outcome.id)
        assert await bridge.dispatcher.move_selected(campaign, State.CANCELLED) == MANY
        await bridge.dispatcher.set_hold("upstream", "cascade", False)
        await bridge.drained()
        assert sandbox.message_count == 0


class TestFewNumbers:
    """A group of few numbers is accepted in one transaction, and its client can get the result."""

    @pytest.mark.parametrize("address", ["G7", "g7", "night SHIFT", "night.shift"])
    async def test_each_number_once(self, tmp_path: Path, address: str) -> None:
        async with Sandbox() as sandbox, relaying(tmp_path, sandbox) as bridge:
            await group_of(bridge, FIRST, SECOND)
            outcome = await bridge.submit(to(address, SECOND, THIRD))
            assert isinstance(outcome, Accepted)
            assert (outcome.parts, outcome.queued, outcome.refused) == (3, False, ())
            assert sorted(await arrived(bridge, 3)) == sorted([FIRST, SECOND, THIRD])

    async def test_a_number_may_get_several_texts_beside_a_group(self, tmp_path: Path) -> None:
        async with Sandbox() as sandbox, relaying(tmp_path, sandbox) as bridge:
            address = await group_of(bridge, SECOND)
            rows = ((FIRST, "a"), (FIRST, "b"), (address, "c"))
            outcome = await bridge.submit(
                to()._replace(recipients=tuple(Recipient(one, text=text) for one, text in rows))
            )
            assert isinstance(outcome, Accepted)
            assert {(m.phone, m.text) for m in sandbox.messages} == {
                (FIRST, "a"),
                (FIRST, "b"),
                (SECOND, "c"),
            }

    async def test_an_unknown_and_an_empty_group_are_not_found(self, tmp_path: Path) -> None:
        async with Sandbox() as sandbox, relaying(tmp_path, sandbox) as bridge:
            await group_of(bridge)
            for address in ("G8", "G7", "nobody"):
                outcome = await bridge.submit(to(address))
                assert isinstance(outcome, Failure)
                assert outcome.reason is Reason.NOT_FOUND
            bridge.relay.check_recipient(bridge.account(), Recipient("G7"))
            with pytest.raises(Failure):
                bridge.relay.check_recipient(bridge.account(), Recipient("G8"))
            assert not sandbox.messages

    async def test_a_group_is_its_accounts_alone(self, tmp_path: Path) -> None:
        accounts: dict[str, dict[str, Any]] = {"crm": {}, "shop": {}}
        async with Sandbox() as sandbox, relaying(tmp_path, sandbox, accounts=accounts) as bridge:
            await group_of(bridge, FIRST)
            outcome = await bridge.submit(to("G7"), "shop")
            assert isinstance(outcome, Failure)

    async def test_parts_are_bounded_by_the_group(self, tmp_path: Path) -> None:
        async with Sandbox() as sandbox, relaying(tmp_path, sandbox) as bridge:
            address = await group_of(bridge, FIRST, max_parts=1)
            outcome = await bridge.submit(to(address, text="x" * 200))
            assert isinstance(outcome, Failure)
            assert outcome.reason is Reason.TEXT_TOO_LONG


class TestBlackList:
    async def test_a_black_list_stops_what_its_entries_say(self, tmp_path: Path) -> None:
        async with Sandbox() as sandbox, relaying(tmp_path, sandbox) as bridge:
            for phone, blocks in (
                (FIRST, Blocks.ALL),
                (SECOND, Blocks.BULK),
                (THIRD, Blocks.SINGLE),
            ):
                await bridge.directory.change(add_to_black_list, "crm", phone, blocks)
            single = [await bridge.submit(to(phone)) for phone in (FIRST, SECOND, THIRD)]
            assert [isinstance(outcome, Accepted) for outcome in single] == [False, True, False]
            assert isinstance(single[0], Failure)
            assert single[0].reason is Reason.PROHIBITED
            bulk = await bridge.submit(to(FIRST, SECOND, THIRD))
            assert isinstance(bulk, Accepted)
            assert bulk.parts == 1
            assert [one.address for one, _ in bulk.refused] == [FIRST, SECOND]

    async def test_a_group_of_one_is_bulk(self, tmp_path: Path) -> None:
        async with Sandbox() as sandbox, relaying(tmp_path, sandbox) as bridge:
            address = await group_of(bridge, FIRST)
            await bridge.directory.change(add_to_black_list, "crm", FIRST, Blocks.BULK)
            outcome = await bridge.submit(to(address))
            assert isinstance(outcome, Failure)
            assert outcome.reason is Reason.PROHIBITED

    async def test_a_recipient_hears_it_at_once(self, tmp_path: Path) -> None:
        async with Sandbox() as sandbox, relaying(tmp_path, sandbox) as bridge:
            await bridge.directory.change(add_to_black_list, "crm", FIRST, Blocks.ALL)
            with pytest.raises(Failure) as caught:
                bridge.relay.check_recipient(bridge.account(), Recipient(FIRST))
            assert caught.value.reason is Reason.PROHIBITED


class TestSendOuts:
    async def test_many_numbers_are_accepted_whole_and_follow(self, tmp_path: Path) -> None:
        async with Sandbox() as sandbox, relaying(tmp_path, sandbox) as bridge:
            address = await large_group(bridge)
            blocked = "+380500001005"
            await bridge.directory.change(add_to_black_list, "crm", blocked, Blocks.BULK)
            outcome = await bridge.submit(to(address, FIRST, text="y" * 200))
            assert isinstance(outcome, Accepted)
            assert outcome.parts == 2 * MANY
            assert outcome.queued
            assert [one.address for one, _ in outcome.refused] == [blocked]
            phones = await arrived(bridge, MANY)
            assert len(phones) == len(set(phones)) == MANY
            assert FIRST in phones
            assert blocked not in phones
            stored = await bridge.relay.query(bridge.account(), outcome.id)
            assert len(stored) == MANY

    async def test_many_numbers_without_a_group_are_accepted_whole_too(
        self, tmp_path: Path
    ) -> None:
        async with Sandbox() as sandbox, relaying(tmp_path, sandbox) as bridge:
            wrong = [f"12{n}" for n in range(NAMED + 10)]
            outcome = await bridge.submit(to(*numbers(MANY), *wrong, f"38050{1000:07}"))
            assert isinstance(outcome, Accepted)
            assert (outcome.parts, outcome.queued) == (MANY, True)
            # The client has written them, so all are named.
            assert [one.address for one, _ in outcome.refused] == wrong
            assert sorted(await arrived(bridge, MANY)) == numbers(MANY)
            assert len(await bridge.states(outcome)) == MANY

    async def test_numbers_of_a_mail_are_not_a_send_out(self, tmp_path: Path) -> None:
        # Each recipient of a mail has wishes for reports.
        async with Sandbox() as sandbox, relaying(tmp_path, sandbox) as bridge:
            mail = to(*numbers(MANY))._replace(envelope=Envelope("sender@example.com"))
            outcome = await bridge.submit(mail)
            assert isinstance(outcome, Accepted)
            assert not outcome.queued

    async def test_a_recipient_may_have_a_text_of_its_own(self, tmp_path: Path) -> None:
        async with Sandbox() as sandbox, relaying(tmp_path, sandbox) as bridge:
            own = [Recipient(phone, text=f"text {n}") for n, phone in enumerate(numbers(MANY))]
            long, two = Recipient(FIRST, text="x" * 5000), Recipient(FIRST, text="y" * 200)
            outcome = await bridge.submit(
                to()._replace(recipients=(long, *own, two, Recipient(own[0].address, text="more")))
            )
            assert isinstance(outcome, Accepted)
            assert outcome.parts == MANY + 2 + 1
            assert [one for one, _ in outcome.refused] == [long]
            await arrived(bridge, MANY + 2)
            texts = {(m.phone, m.text) for m in sandbox.messages}
            assert texts == {
                *((one.address, one.text) for one in (*own, two)),
                (own[0].address, "more"),
            }
            stored = await bridge.relay.query(bridge.account(), outcome.id)
            assert sum(one.message.parts for one in stored) == outcome.parts

    async def test_a_dry_run_of_many_numbers_gives_the_same_answer(self, tmp_path: Path) -> None:
        async with Sandbox() as sandbox, relaying(tmp_path, sandbox) as bridge:
            own = Recipient(FIRST, text="y" * 200)
            many = to(*numbers(MANY), "12")
            many = many._replace(recipients=(*many.recipients, own), dry_run=True)
            outcome = await bridge.submit(many)
            assert isinstance(outcome, Accepted)
            assert outcome.parts == MANY + 2
            assert len(outcome.refused) == 1
            assert sandbox.message_count == 0

    async def test_a_number_of_a_group_that_the_client_has_also_written_gets_one_message(
        self, tmp_path: Path
    ) -> None:
        async with Sandbox() as sandbox, relaying(tmp_path, sandbox) as bridge:
            written = f"38050{1000:07}"  # without the plus that the group's has
            outcome = await bridge.submit(to(written, await large_group(bridge)))
            assert isinstance(outcome, Accepted)
            assert outcome.parts == MANY
            assert sorted(await arrived(bridge, MANY)) == numbers(MANY)

    async def test_duplicates_are_refused_unless_the_first_was_cancelled(
        self, tmp_path: Path
    ) -> None:
        refusing = {"duplicate_window": "1h", "duplicates": "refuse"}
        async with (
            Sandbox() as sandbox,
            relaying(tmp_path, sandbox, accounts={"crm": refusing}) as bridge,
        ):
            await bridge.dispatcher.set_hold("upstream", "cascade", True)
            many = to(*numbers(MANY))
            first = await bridge.submit(many)
            assert isinstance(first, Accepted)
            assert reason_of(await bridge.submit(many)) is Reason.DUPLICATE
            assert isinstance(await bridge.submit(to(*numbers(MANY), text="other")), Accepted)
            await bridge.relay.cancel(bridge.account(), first.id)
            assert isinstance(await bridge.submit(many), Accepted)
            assert reason_of(await bridge.submit(many)) is Reason.DUPLICATE

    async def test_a_duplicate_gets_the_first_answer(self, tmp_path: Path) -> None:
        account = {"duplicate_window": "1h"}
        async with (
            Sandbox() as sandbox,
            relaying(tmp_path, sandbox, accounts={"crm": account}) as bridge,
        ):
            many = to(*numbers(MANY), reference="7")
            first, second = await bridge.submit(many), await bridge.submit(many)
            assert isinstance(first, Accepted)
            assert second == repeated(first, "7")
            assert len(await arrived(bridge, MANY)) == MANY

    async def test_what_clients_were_told_is_counted(self, tmp_path: Path) -> None:
        async with Sandbox() as sandbox, relaying(tmp_path, sandbox) as bridge:
            before = dict(SUBMISSIONS.counts)
            await bridge.submit(to(*numbers(MANY), protocol=Protocol.HTTP))
            await bridge.submit(to(*["12"] * MANY, protocol=Protocol.HTTP))
            new = {labels: n - before.get(labels, 0) for labels, n in SUBMISSIONS.counts.items()}
            assert new["http", "queued", ""] == 1
            assert new["http", "refused", "WRONG_PHONE"] == 1

    async def test_a_name_makes_a_send_out_of_few(self, tmp_path: Path) -> None:
        async with Sandbox() as sandbox, relaying(tmp_path, sandbox) as bridge:
            outcome = await bridge.submit(to(FIRST, SECOND, name="Black Friday"))
            assert isinstance(outcome, Accepted)
            await arrived(bridge, 2)
            [found] = await bridge.store.look_up(list_send_outs, "crm")
            assert found.submission_id == outcome.id
            assert (found.name, found.recipients, found.parts) == ("Black Friday", 2, 2)

    async def test_the_same_mail_to_other_recipients_is_no_repeat(self, tmp_path: Path) -> None:
        # A mail server passes a mail on in two pieces.
        async with Sandbox() as sandbox, relaying(tmp_path, sandbox) as bridge:
            mail = to(FIRST, name="Alarm", repeat_key=b"<1@example.com>")
            other = mail._replace(recipients=(Recipient(SECOND),))
            first, second = await bridge.submit(mail), await bridge.submit(other)
            assert isinstance(first, Accepted)
            assert isinstance(second, Accepted)
            assert first.id != second.id
            assert await bridge.submit(mail) == repeated(first)
            assert sorted(await arrived(bridge, 2)) == [FIRST, SECOND]

    async def test_a_repeat_is_not_sent_again(self, tmp_path: Path) -> None:
        accounts = {"crm": {"daily_limit": 2 * MANY}}
        async with Sandbox() as sandbox, relaying(tmp_path, sandbox, accounts=accounts) as bridge:
            mail = to(await large_group(bridge), repeat_key=b"<1@example.com>")
            first, again = await bridge.submit(mail), await bridge.submit(mail)
            assert again == repeated(first)
            await arrived(bridge, MANY)
            # A repeat is not counted again.
            assert await bridge.relay.used_today(bridge.account()) == MANY
            assert len(sandbox.messages) == MANY

    async def test_its_messages_are_spread_over_time(self, tmp_path: Path) -> None:
        async with Sandbox() as sandbox, relaying(tmp_path, sandbox) as bridge:
            outcome = await bridge.submit(to(FIRST, SECOND, THIRD, spread=3600))
            assert isinstance(outcome, Accepted)
            await arrived(bridge, 1)
            stored = await bridge.relay.query(bridge.account(), outcome.id)
            due = [one.message.due_at for one in stored]
            assert [at - due[0] for at in due] == [0, 1200, 2400]
            assert [one.state for one in stored[1:]] == 2 * [State.ACCEPTED]

    async def test_a_scheduled_one_is_spread_too(self, tmp_path: Path) -> None:
        at = int(time.time()) + 7200
        async with Sandbox() as sandbox, relaying(tmp_path, sandbox) as bridge:
            both = to(FIRST, SECOND, spread=3600, scheduled_at=at)
            outcome = await bridge.submit(both)
            assert isinstance(outcome, Accepted)
            stored = [one.message for one in await made(bridge, outcome, 2)]
            assert [(one.due_at, one.scheduled_at) for one in stored] == [
                (at, None),
                (at + 1800, None),
            ]
            assert stored[1].expires_at - stored[0].expires_at == 1800

    async def test_the_hours_of_the_group_hold_for_its_last_message_too(
        self, tmp_path: Path
    ) -> None:
        accounts = {"crm": {"zone": "UTC"}}
        async with Sandbox() as sandbox, relaying(tmp_path, sandbox, accounts=accounts) as bridge:
            group = await group_of(bridge, FIRST, SECOND, THIRD, hours="9-21")
            evening = (int(time.time()) // 86400 + 2) * 86400 + 20 * 3600
            outcome = await bridge.submit(to(group, spread=3 * 3600, scheduled_at=evening))
            assert isinstance(outcome, Accepted)
            stored = [one.message for one in await made(bridge, outcome, 3)]
            assert [one.due_at - evening for one in stored] == [0, 13 * 3600, 14 * 3600]

    async def test_reports_of_a_mail_name_the_recipient_that_they_are_about(
        self, tmp_path: Path
    ) -> None:
        async with Sandbox() as sandbox, relaying(tmp_path, sandbox) as bridge:
            address = await group_of(bridge, THIRD)
            mail = submission(protocol=Protocol.SMTP, envelope=Envelope("erp@shop.example"))
            recipients = (
                Recipient("0501234567", written="0501234567@sms.example.com", orcpt="rfc822;a@b"),
                Recipient("0671112233", written="0671112233@sms.example.com"),
                Recipient(address, written="g7@sms.example.com"),
            )
            told = {
                FIRST: ("0501234567@sms.example.com", "rfc822;a@b"),
                SECOND: ("0671112233@sms.example.com", ""),
                THIRD: (THIRD, ""),
            }
            for name in ("May", ""):
                outcome = await bridge.submit(mail._replace(recipients=recipients, name=name))
                assert isinstance(outcome, Accepted)
                stored = [one.message for one in await made(bridge, outcome, 3)]
                originals = {one.phone: load(one.envelope) for one in stored}
                found = {phone: (one.to, one.orcpt) for phone, one in originals.items()}
                assert found == told, name
                assert {one.return_path for one in originals.values()} == {"erp@shop.example"}

    async def test_it_keeps_to_the_rate_of_the_account(self, tmp_path: Path) -> None:
        accounts = {"crm": {"rate": 2}}
        async with Sandbox() as sandbox, relaying(tmp_path, sandbox, accounts=accounts) as bridge:
            address = await large_group(bridge, AT_ONCE + 1)
            outcome = await bridge.submit(to(address))
            assert isinstance(outcome, Accepted)
            async with asyncio.timeout(30):
                stored = await bridge.store.submission(outcome.id)
                while len(stored) <= AT_ONCE:
                    await asyncio.sleep(0.01)
                    stored = await bridge.store.submission(outcome.id)
            assert stored[-1].message.due_at - stored[0].message.due_at == AT_ONCE // 2

    async def test_what_the_daily_limit_refuses_leaves_nothing(self, tmp_path: Path) -> None:
        accounts = {"crm": {"daily_limit": AT_ONCE}}
        async with Sandbox() as sandbox, relaying(tmp_path, sandbox, accounts=accounts) as bridge:
            address = await large_group(bridge)
            outcome = await bridge.submit(to(address))
            assert isinstance(outcome, Failure)
            assert outcome.reason is Reason.TOO_FAST
            async with asyncio.timeout(30):
                while await bridge.store.look_up(staged_phones, 1, 1):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert isinstance(await bridge.submit(to(FIRST)), Accepted)
            assert await arrived(bridge, 1) == [FIRST]

    async def test_what_could_not_be_dropped_at_once_is_dropped_later(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        accounts = {"crm": {"daily_limit": AT_ONCE}}
        async with Sandbox() as sandbox, relaying(tmp_path, sandbox, accounts=accounts) as bridge:
            with taking_no(tmp_path, "import_line", "DELETE"), capture_logs() as logs:
                assert isinstance(await bridge.submit(to(await large_group(bridge))), Failure)
                async with asyncio.timeout(30):
                    while "send_out_not_dropped" not in [one["event"] for one in logs]:  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
            monkeypatch.setattr("bridge.relay.send_outs.ABANDONED_AFTER", -1)
            running = asyncio.create_task(bridge.send_outs.run())
            async with asyncio.timeout(30):
                while await bridge.store.look_up(staged_phones, 1, 1):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            running.cancel()

    async def test_it_is_known_by_its_id_before_its_messages_are_made(self, tmp_path: Path) -> None:
        async with Sandbox() as sandbox, relaying(tmp_path, sandbox) as bridge:
            with taking_no(tmp_path, "import_line", "DELETE"):
                outcome = await bridge.submit(to(FIRST, name="Alarm"))
                assert isinstance(outcome, Accepted)
                assert await bridge.states(outcome) == [State.ACCEPTED]
                with pytest.raises(Failure):
                    await bridge.relay.query(bridge.account(), outcome.id + 1)
                with pytest.raises(Failure) as failure:
                    await bridge.relay.replace(bridge.account(), outcome.id, text="other")
                assert failure.value.reason is Reason.NOT_FOUND
            assert await arrived(bridge, 1) == [FIRST]

    async def test_another_process_makes_the_messages_that_are_missing(
        self, tmp_path: Path
    ) -> None:
        async with Sandbox() as sandbox, relaying(tmp_path, sandbox) as bridge:
            # The data of a process that died after its answer, and of one that died before it.
            now = int(time.time())
            for count in (MANY, 0):
                file = await bridge.store.change(begin_import, "crm", SEND_OUT, now)
                phones = [StagedPhone(n, f"+38050{n:07}", 1000 + n) for n in range(1, MANY + 1)]
                await bridge.store.change(stage_phones, file.id, phones, now)
                if count:
                    head = orjson.dumps(
                        {
                            "message": to_row(
                                message(0, submission_id=5000, due_at=now, expires_at=now + 600)
                            ),
                            "interval": 0,
                        }
                    ).decode()
                    send_out = SendOut(5000, "", now, count, count, 0)
                    await bridge.store.change(commit_send_out, file.id, "crm", head, send_out, now)
            ids = Ids(0, 9000, time.time)
            async with asyncio.TaskGroup() as tasks:
                later = SendOuts(
                    bridge.store,
                    bridge.dispatcher,
                    ids,
                    tasks,
                    lambda: time.time() + ABANDONED_AFTER + 5,
                )
                running = tasks.create_task(later.run())
                phones_sent = await arrived(bridge, MANY)
                while await bridge.store.look_up(staged_phones, 2, 1):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                running.cancel()
            assert len(phones_sent) == len(set(phones_sent)) == MANY
            assert len(await bridge.relay.query(bridge.account(), 5000)) == MANY


@pytest.mark.parametrize("done", [0, 1, 2, 3])
async def test_retention_and_erasing_between_its_steps_lose_none_and_repeat_none(
    tmp_path: Path, sandbox: Sandbox, done: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.relay.send_outs.ABANDONED_AFTER", -1)
    phones = [FIRST, SECOND, THIRD]
    async with relaying(tmp_path, sandbox) as bridge:
        now, store = int(time.time()), bridge.store
        # A process made some of the messages before it died, and they ended.
        file = await store.change(begin_import, "crm", SEND_OUT, now)
        staged = [StagedPhone(n, phone, 1000 + n) for n, phone in enumerate(phones, 1)]
        await store.change(stage_phones, file.id, staged, now)
        one = message(0, submission_id=5000, phone="", due_at=now, expires_at=now + 600)
        head = orjson.dumps({"message": to_row(one), "interval": 0}).decode()
        row = SendOut(5000, "May", now, 3, 3, 0)
        await store.change(commit_send_out, file.id, "crm", head, row, now)
        for n in range(1, done + 1):
            made = one._replace(id=1000 + n, phone=phones[n - 1])
            await store.accept(Acceptance((made,), staged=StagedLines(file.id, n - 1, n)))
            await store.finish(0, [Change(made.id, State.REJECTED)])
        while await store.sweep(now + 10, now + 10, 10):
            pass
        numbers = Numbers(phones, {"crm": "UA"})
        assert (await erase(store, numbers, await store.look_up(find_about, numbers))).left == (
            3 - done
        )
        running = asyncio.create_task(bridge.send_outs.run())
        assert sorted(await arrived(bridge, 3 - done)) == sorted(phones[done:])
        async with asyncio.timeout(30):
            while await store.change(abandoned_imports, (SEND_OUT,), now + 9, now):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        running.cancel()
        assert sandbox.message_count == 3 - done


async def test_a_message_outside_the_groups_hours_is_scheduled(tmp_path: Path) -> None:
    accounts = {"crm": {"zone": "UTC", "schedule": "bridge"}}
    async with Sandbox() as sandbox, relaying(tmp_path, sandbox, accounts=accounts) as bridge:
        hour = int(time.time()) // 3600 % 24
        hours = f"{(hour + 2) % 24}-{(hour + 3) % 24 or 24}"
        outcome = await bridge.submit(to(await group_of(bridge, FIRST, hours=hours)))
        assert isinstance(outcome, Accepted)
        assert outcome.queued
        [stored] = await bridge.relay.query(bridge.account(), outcome.id)
        assert stored.message.due_at // 3600 % 24 == (hour + 2) % 24

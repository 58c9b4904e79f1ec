"""Two daemons on one PostgreSQL: a status at one becomes a receipt at the other's receiver.

The long run prints figures: ``CASCADE_BRIDGE_KILL_ROUNDS=50 .venv/bin/pytest
tests/serving/test_serve_nodes.py -k random -s``
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import smtplib
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import httpx
import pytest

from bridge.sandbox import Sandbox
from bridge.sandbox.ledger import Received
from bridge.smpp.protocol.pdu import MessageIdResp, Pdu, QuerySm, QuerySmResp, SubmitSm
from bridge.smpp.protocol.tlvs import MESSAGE_STATE, RECEIPTED_MESSAGE_ID
from tests.serving.daemon import Bridge, run, serving, write_config
from tests.serving.test_serve_receipts import ENDED, SECRET, Receiver
from tests.smpp.peer import Peer, a_submit
from tests.smtp.smarthost import smarthost
from tests.store.conftest import database, postgres  # noqa: F401 - fixtures
from tests.support import free_port

ROUNDS = int(os.environ.get("CASCADE_BRIDGE_KILL_ROUNDS", "3"))
LEASE = 2
WINDOW = 20
#: Values of message_state (SMPP 3.4 §5.2.28).
ENROUTE, DELIVERED = 1, 2
#: registered_delivery: success, failure and intermediate states.
BOTH, EVERYTHING = 0x01, 0x11


# --- the nodes ---------------------------------------------------------------------------------


class Node:
    """One of the daemons, and its addresses. ``number`` is its node number."""

    def __init__(self, bridge: Bridge, number: int, smtp: int, smpp: int, hooks: str) -> None:
        self.bridge = bridge
        self.number = number
        self.smtp = smtp
        self.smpp = smpp
        self._hooks = hooks

    async def hear(self, what: str, *documents: Any) -> None:
        """The API posts each of the documents to this node."""
        async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
            for document in documents:
                answer = await client.post(f"{self._hooks}/{what}", json=document)
                assert answer.status_code == 200, answer.text

    async def said(self, command: str, *arguments: str) -> str:
        """The output of ``cascade-bridge`` with this node's configuration."""
        program = (sys.executable, "-m", "bridge.cli", command)
        code, output = await run(*program, *arguments, "--config", str(self.bridge.config))
        assert code == 0, output
        return output

    async def story(self, id: int) -> dict[str, Any]:
        [found] = json.loads(await self.said("trace", "--json", str(id)))
        assert isinstance(found, dict)
        return found


class Nodes:
    """Daemons that share the database at ``url`` and the sandbox API.

    ``cascade`` and ``account`` are further lines of these tables.
    """

    def __init__(
        self,
        folder: Path,
        sandbox: Sandbox,
        url: str,
        *,
        cascade: str = "poll = false",
        account: str = "",
    ) -> None:
        self.sandbox = sandbox
        self._folder = folder
        self._url = url
        self._cascade = cascade
        self._account = f"receive_window = {WINDOW}\n{account}"

    @asynccontextmanager
    async def node(self) -> AsyncIterator[Node]:
        """Starts one more daemon."""
        hooks = free_port()
        folder = self._folder / str(hooks)
        folder.mkdir()
        table = f'[hooks]\nlisten = ["127.0.0.1:{hooks}"]\nsecret = "{SECRET}"'
        path = write_config(folder, self.sandbox.url, account=f"{self._account}\n{table}")
        text = path.read_text().replace(f"sqlite:///{folder}/bridge.db", self._url)
        text = text.replace("[smtp]", f'lease = "{LEASE}s"\n[smtp]')
        path.write_text(text.replace("[cascade]", f"[cascade]\n{self._cascade}"))
        async with serving(path) as bridge:
            smtp, smpp = await bridge.ready()
            number = (await bridge.event("store_opened"))["node"]
            url = f"http://127.0.0.1:{hooks}/hooks/cascade/{SECRET}"
            yield Node(bridge, number, smtp.port, smpp.port, url)

    async def ids(self, query: str) -> list[int]:
        connection = await asyncpg.connect(self._url)
        try:
            return [row[0] for row in await connection.fetch(query)]
        finally:
            await connection.close()

    async def count(self, what: str) -> int:
        """The number of rows of ``what``, a table with a condition."""
        connection = await asyncpg.connect(self._url)
        try:
            return int(await connection.fetchval(f"SELECT count(*) FROM {what}"))
        finally:
            await connection.close()

    async def until(self, what: str, count: int) -> None:
        async with asyncio.timeout(30):
            while await self.count(what) != count:  # noqa: ASYNC110 - another process counts
                await asyncio.sleep(0.02)


@asynccontextmanager
async def two(
    folder: Path, sandbox: Sandbox, url: str, **lines: str
) -> AsyncIterator[tuple[Nodes, Node, Node]]:
    """Node 0 and node 1, with ``lines`` of :class:`Nodes`."""
    nodes = Nodes(folder, sandbox, url, **lines)
    async with AsyncExitStack() as stack:
        async with asyncio.TaskGroup() as tasks:
            starting = [
                tasks.create_task(stack.enter_async_context(nodes.node())) for _ in range(2)
            ]
        first, second = sorted((one.result() for one in starting), key=lambda one: one.number)
        assert (first.number, second.number) == (0, 1)
        yield nodes, first, second


@pytest.fixture
async def nodes(
    tmp_path: Path,
    database: str,  # noqa: F811
) -> AsyncIterator[tuple[Nodes, Node, Node]]:
    async with Sandbox() as sandbox, two(tmp_path, sandbox, database) as found:
        yield found


# --- the clients -------------------------------------------------------------------------------


class Told(NamedTuple):
    """One receipt or message from a phone; ``id`` is 0 for the latter."""

    node: int
    id: int
    state: int
    pdu: SubmitSm
    answered: bool


class Heard:
    """All receipts and messages from phones, in the order of arrival."""

    def __init__(self) -> None:
        self.all: list[Told] = []
        self._more = asyncio.Event()

    def add(self, told: Told) -> None:
        self.all.append(told)
        self._more.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                self._more.clear()
                await self._more.wait()

    async def told(self, count: int) -> list[Told]:
        """Waits until there are this many."""
        await self.until(lambda: len(self.all) >= count)
        return self.all

    def states(self) -> dict[int, list[int]]:
        """Message → the told states."""
        found: dict[int, list[int]] = {}
        for told in self.all:
            found.setdefault(told.id, []).append(told.state)
        return found


class Client:
    """A session of the account ``crm``. It answers ``answers`` requests, then none."""

    def __init__(self, peer: Peer, node: int, heard: Heard) -> None:
        self.answers = sys.maxsize
        self.name = "{}:{}".format(*peer.writer.get_extra_info("sockname"))
        self._peer = peer
        self._node = node
        self._heard = heard
        self._number = 1
        self._asked: dict[int, asyncio.Future[Pdu]] = {}

    async def read(self) -> None:
        """Reads until the connection ends."""
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                pdu = await self._peer.read(60)
                if pdu.command == "deliver_sm":
                    self._take(pdu)
                elif pdu.command == "enquire_link":
                    self._peer.write(Pdu("enquire_link_resp", pdu.sequence_number))
                elif pdu.command == "unbind":
                    self._peer.write(Pdu("unbind_resp", pdu.sequence_number))
                else:
                    self._asked.pop(pdu.sequence_number).set_result(pdu)

    def _take(self, pdu: Pdu) -> None:
        assert isinstance(pdu.body, SubmitSm)
        answered = self.answers > 0
        if answered:
            self.answers -= 1
            self._peer.write(Pdu("deliver_sm_resp", pdu.sequence_number, MessageIdResp()))
        id = int((pdu.tlv(RECEIPTED_MESSAGE_ID) or b"0").rstrip(b"\0"))
        [state] = pdu.tlv(MESSAGE_STATE) or b"\0"
        self._heard.add(Told(self._node, id, state, pdu.body, answered))

    async def _ask(self, command: str, *bodies: Any) -> list[Any]:
        """The bodies of the responses, which must be ESME_ROK."""
        loop = asyncio.get_running_loop()
        asked = []
        for body in bodies:
            self._number += 1
            self._asked[self._number] = loop.create_future()
            asked.append(self._asked[self._number])
            self._peer.write(Pdu(command, self._number, body))
        async with asyncio.timeout(30):
            answers = await asyncio.gather(*asked)
        assert {pdu.command_status for pdu in answers} == {0}
        return [pdu.body for pdu in answers]

    async def submit(self, count: int, registered_delivery: int = BOTH) -> list[int]:
        """Submits this number of messages, a hundred at a time; returns their ids."""
        ids: list[int] = []
        for start in range(0, count, 100):
            some = [
                a_submit(to=b"38050%07d" % (1000 + n), registered_delivery=registered_delivery)
                for n in range(start, min(count, start + 100))
            ]
            ids += [int(body.message_id) for body in await self._ask("submit_sm", *some)]
        return ids

    async def query(self, id: int) -> QuerySmResp:
        [body] = await self._ask("query_sm", QuerySm(b"%d" % id))
        assert isinstance(body, QuerySmResp)
        return body


@asynccontextmanager
async def bound(node: Node, heard: Heard, command: str = "bind_receiver") -> AsyncIterator[Client]:
    peer = Peer(*await asyncio.open_connection("127.0.0.1", node.smpp))
    assert (await peer.bind(command, password=b"secret12")).command_status == 0
    client = Client(peer, node.number, heard)
    reading = asyncio.create_task(client.read())
    try:
        yield client
    finally:
        reading.cancel()
        await asyncio.wait({reading})
        await peer.close()


async def submitted(node: Node, count: int, registered_delivery: int = BOTH) -> list[int]:
    """Submits by a transmitter, which then disconnects."""
    async with bound(node, Heard(), "bind_transmitter") as client:
        return await client.submit(count, registered_delivery)


def delivered(sandbox: Sandbox, ids: Sequence[int]) -> list[dict[str, str]]:
    """The API's webhook for the delivery of these."""
    wanted = set(ids)
    return [_delivered(one) for one in sandbox.messages if int(one.id) in wanted]


def _delivered(received: Received) -> dict[str, str]:
    return {"messageId": received.message_id, "deliverystatus": "delivered"}


# --- statuses ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("taken", "heard_at", "bound_at"), [(0, 0, 1), (1, 1, 0), (0, 1, 0)])
async def test_a_status_reaches_the_receiver_at_either_node(
    taken: int, heard_at: int, bound_at: int, nodes: tuple[Nodes, Node, Node]
) -> None:
    both, *node = nodes
    heard = Heard()
    ids = await submitted(node[taken], 20)
    async with bound(node[bound_at], heard):
        await node[heard_at].hear("status", *delivered(both.sandbox, ids))
        await heard.told(20)
        await both.until("notice WHERE ended_at > 0", 20)
    assert heard.states() == {id: [DELIVERED] for id in ids}
    assert await both.count("notice") == 20


async def test_thousands_of_statuses_at_both_nodes_each_become_one_receipt_in_order(
    nodes: tuple[Nodes, Node, Node],
) -> None:
    each = 1000
    both, *node = nodes
    heard = Heard()
    async with (
        bound(node[0], heard, "bind_transceiver") as first,
        bound(node[1], heard, "bind_transceiver") as second,
    ):
        submitting = [client.submit(each, EVERYTHING) for client in (first, second)]
        ids = [id for some in await asyncio.gather(*submitting) for id in some]
        said = delivered(both.sandbox, ids)
        random.Random(each).shuffle(said)
        batches = [said[start : start + 20] for start in range(0, len(said), 20)]
        # Every third batch is posted twice, the second time to the other node.
        await asyncio.gather(
            *(node[n % 2].hear("status", *batches[n::10]) for n in range(10)),
            *(node[(n + 1) % 2].hear("status", *batches[n::10]) for n in range(0, 10, 3)),
        )
        await heard.told(4 * each)
        await both.until("notice WHERE ended_at > 0", 4 * each)
    assert heard.states() == {id: [ENROUTE, DELIVERED] for id in ids}
    assert len(heard.all) == await both.count("notice WHERE tries = 1") == 4 * each
    assert {told.node for told in heard.all} == {0, 1}


async def test_two_nodes_poll_each_message_without_a_webhook_once(
    tmp_path: Path,
    database: str,  # noqa: F811
) -> None:
    quick = Sandbox(scheduled_for=0, processing_for=0)
    cascade = 'poll_after = "3s"\nstatus_requests_per_second = 100'
    async with quick as sandbox, two(tmp_path, sandbox, database, cascade=cascade) as (both, *node):
        heard = Heard()
        async with bound(node[1], heard):
            ids = [id for one in node for id in await submitted(one, 200)]
            await heard.told(400)
            await both.until("notice WHERE ended_at > 0", 400)
        assert heard.states() == {id: [DELIVERED] for id in ids}
        asked = Counter(seen.path for seen in sandbox.requests if seen.method == "GET")
        assert set(asked.values()) == {1}
        assert len(asked) == 400
        changed = []
        for one in node:
            assert await one.bridge.terminate() == 0
            changed.append((await one.bridge.event("statuses_counted"))["changed"])
    assert sum(changed) == 400
    assert min(changed) > 0  # they shared the work


# --- what phones write -------------------------------------------------------------------------


def wrote(uid: str, text: str) -> dict[str, Any]:
    """The API's webhook for a message from a phone."""
    phone = {"alphaName": "Shop", "phoneNumber": "380671234567"}
    return {"idUuid": uid, "text": text, "dt": int(time.time()), **phone}


async def test_a_message_from_a_phone_reaches_receivers_at_the_other_node(
    nodes: tuple[Nodes, Node, Node],
) -> None:
    both, first, second = nodes
    heard = Heard()
    async with bound(second, heard) as client:
        await first.hear("incoming", wrote("u-1", "Так"))
        [told] = await heard.told(1)
        await both.until("notice WHERE ended_at > 0", 1)
    assert (told.pdu.source_addr, told.pdu.destination_addr) == (b"380671234567", b"Shop")
    assert told.pdu.short_message.decode("utf-16-be") == "Так"
    assert told.pdu.data_coding == 8
    assert f"of the account: taken by {client.name}" in await first.said("trace", "u-1")


async def test_a_message_from_a_phone_at_both_nodes_at_once_is_delivered_once(
    nodes: tuple[Nodes, Node, Node],
) -> None:
    both, *node = nodes
    heard = Heard()
    texts = [f"answer {n}" for n in range(50)]
    said = [wrote(f"u-{n}", text) for n, text in enumerate(texts)]
    async with bound(node[0], heard), bound(node[1], heard):
        await asyncio.gather(*(one.hear("incoming", *said[n::5]) for n in range(5) for one in node))
        await heard.told(50)
        await both.until("notice WHERE ended_at > 0", 50)
    assert Counter(told.pdu.short_message.decode() for told in heard.all) == Counter(texts)
    assert await both.count("notice") == await both.count("incoming") == 50


# --- mails -------------------------------------------------------------------------------------


async def mailed(node: Node, *phones: str) -> None:
    """Sends a mail to each of the phones, after a login."""

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", node.smtp, timeout=20) as client:
            client.login("crm", "secret12")
            for phone in phones:
                client.sendmail("shop@example.com", f"{phone}@sms.example.com", "\r\nhello")

    await asyncio.to_thread(send)


async def test_every_report_and_every_answer_of_a_phone_goes_out_as_one_mail(
    tmp_path: Path,
    database: str,  # noqa: F811
) -> None:
    phones = [f"38050123{n:04}" for n in range(1000, 1040)]
    answers = [wrote(f"u-{n}", f"answer {n}") for n in range(20)]
    async with smarthost() as host, Sandbox() as sandbox:
        account = f"""
            receipts_to = "sender"
            incoming_to = "desk@example.com"
            [reports]
            smarthost = "{host.name}"
            from = "bridge@sms.example.com"
        """
        async with two(tmp_path, sandbox, database, account=account) as (both, *node):
            await asyncio.gather(mailed(node[0], *phones[::2]), mailed(node[1], *phones[1::2]))
            said = [_delivered(one) for one in sandbox.messages]
            assert len(said) == 40
            random.Random(40).shuffle(said)
            await asyncio.gather(
                *(node[n].hear("status", *said[n::2]) for n in range(2)),
                *(one.hear("incoming", *answers) for one in node),
            )
            await host.mails(60)
            # The receivers' notices of messages from phones wait for a bind.
            await both.until("notice WHERE ended_at > 0", 60)
            assert await both.count("notice") == 80
    to = Counter(tuple(taken.recipients) for taken in host.taken)
    assert to == {("shop@example.com",): 40, ("desk@example.com",): 20}
    reported = {
        taken.status["Final-Recipient"].partition(";")[2].strip()
        for taken in host.taken
        if taken.recipients == ["shop@example.com"]
    }
    assert reported == {f"{phone}@sms.example.com" for phone in phones}


# --- a node that dies --------------------------------------------------------------------------


async def test_receipts_in_flight_at_a_killed_node_are_sent_by_the_other(
    nodes: tuple[Nodes, Node, Node],
) -> None:
    both, first, second = nodes
    heard = Heard()
    ids = await submitted(first, 150) + await submitted(second, 150)
    async with bound(second, heard) as client:
        client.answers = 100
        statuses = delivered(both.sandbox, ids)
        await asyncio.gather(
            first.hear("status", statuses[0::2]), second.hear("status", statuses[1::2])
        )
        await heard.told(100 + WINDOW)
        await both.until("notice WHERE ended_at > 0", 100)
        await second.bridge.kill()
    before = {told.id for told in heard.all if not told.answered}
    assert len(before) == WINDOW
    async with bound(first, heard):
        await heard.told(300 + WINDOW)
        await both.until("notice WHERE ended_at > 0", 300)
    times = Counter(told.id for told in heard.all)
    assert times.keys() == set(ids)
    assert {id for id, count in times.items() if count > 1} == before
    assert Counter(told.id for told in heard.all if told.answered) == Counter(ids)


async def test_no_receipt_is_lost_when_the_receivers_node_dies_at_a_random_moment(
    tmp_path: Path,
    database: str,  # noqa: F811
) -> None:
    chance = random.Random(ROUNDS)
    receiver = Receiver(chance)
    async with Sandbox() as sandbox, AsyncExitStack() as stack:
        both = Nodes(tmp_path, sandbox, database)
        other = await stack.enter_async_context(both.node())
        for _ in range(ROUNDS):
            async with both.node() as dying:
                ids = await submitted(other, 40)
                receiver.submitted += [b"%d" % id for id in ids]
                await receiver.bind(dying.smpp)
                ids += [int(id) for id in await receiver.submit(40)]
                taking = asyncio.create_task(receiver.take())
                await other.hear("status", delivered(sandbox, ids))
                await asyncio.sleep(chance.uniform(0.0, 0.2))  # in the middle of it
                await dying.bridge.kill()
                await taking
                await receiver.close()
                receiver.note_ended(await both.ids(ENDED))
        left = len(receiver.submitted) - len(receiver.answered)
        receiver.answers = 1.0
        await receiver.bind(other.smpp)
        taking = asyncio.create_task(receiver.take())
        await both.until("notice WHERE ended_at > 0", 80 * ROUNDS)
        assert await other.bridge.terminate() == 0
        await taking
        await receiver.close()
    twice = sum(times - 1 for times in receiver.answered.values())
    print(f"\n{ROUNDS} kills: {len(receiver.submitted)} owed, {left} left, {twice} answered twice")
    assert receiver.answered.keys() == set(receiver.submitted)
    assert receiver.told_again() == []


# --- what can be seen of it --------------------------------------------------------------------


async def test_every_node_tells_the_same_story_of_a_message(
    nodes: tuple[Nodes, Node, Node],
) -> None:
    both, first, second = nodes
    heard = Heard()
    [id] = await submitted(first, 1)
    assert (await second.story(id))["why_none"] == "requested for success and failure"
    await first.hear("status", *delivered(both.sandbox, [id]))
    nobody = f"receipt of delivered, id {id}: no receiver has been bound yet"
    assert (await second.story(id))["owed"] == [nobody]
    async with (
        bound(second, heard, "bind_transceiver") as client,
        bound(first, Heard(), "bind_transmitter") as asking,
    ):
        await heard.told(1)
        await both.until("notice WHERE ended_at > 0", 1)
        stories = [await node.story(id) for node in (first, second)]
        assert stories[0] == stories[1]
        assert stories[0]["receipts"] == ["success", "failure"]
        whats = [step["what"] for step in stories[0]["story"]]
        assert whats == ["accepted", "sent", "delivered", "receipt"]
        says = f"of delivered, id {id}: taken by {client.name}"
        assert stories[0]["story"][-1]["says"] == says
        assert not stories[0]["owed"]
        said = [await node.said("status", str(id)) for node in (first, second)]
        assert said[0] == said[1]
        assert "delivered" in said[0]
        assert '"status": 1' in await second.said("status", "--fmt", "3", str(id))
        answers = [await asking.query(id), await client.query(id)]
    assert answers[0] == answers[1]
    assert (answers[0].message_state, answers[0].error_code) == (DELIVERED, 0)
    done = datetime.fromisoformat(stories[0]["since"])
    assert answers[0].final_date == done.strftime("%y%m%d%H%M%S000+").encode()


async def test_the_trace_says_since_when_no_receiver_is_bound_when_its_node_died(
    nodes: tuple[Nodes, Node, Node],
) -> None:
    both, first, second = nodes
    [id] = await submitted(first, 1)
    async with bound(second, Heard()) as client:
        client.answers = 0
        await both.until("receiver WHERE bound", 1)
        await asyncio.sleep(LEASE)  # so that its bind is some time ago
        killed_at = time.time()
        await second.bridge.kill()
    await first.hear("status", *delivered(both.sandbox, [id]))
    gone = await first.bridge.event("store_node_gone")
    assert gone["nodes"] == [1]
    told = await first.story(id)
    before = f"receipt of delivered, id {id}: no receiver is bound since "
    assert told["owed"][0].startswith(before)
    since = datetime.fromisoformat(told["owed"][0].removeprefix(before)).timestamp()
    # The last renewal of its lease before it was lost, in whole seconds.
    assert killed_at - LEASE - 1 <= since <= killed_at + 1
    # The remaining node answers the same.
    await first.bridge.kill()
    assert (await first.story(id))["owed"] == told["owed"]

"""The listener for SMSBAT's webhooks, over real HTTP, with a real store."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from structlog.testing import capture_logs

from bridge.config.settings import Hooks, settings_from
from bridge.feedback.hooks import LIMITS, HooksListener
from bridge.feedback.incoming import IncomingMessages
from bridge.feedback.status_updates import Statuses
from bridge.model.failure import Failure, Reason
from bridge.model.message import State
from bridge.store.sqlite.engine import SqliteStore
from tests.onway import sent, stored, upstream_id
from tests.samples import message
from tests.support import Pair, make_certificate

SECRET = "9f86d081884c7d659a2feaa0c55ad015"
STATUS, INCOMING = f"/hooks/cascade/{SECRET}/status", f"/hooks/cascade/{SECRET}/incoming"
FROM_PHONE = {"idUuid": "u", "alphaName": "Shop", "phoneNumber": "380501234567", "text": "Yes"}


@dataclass
class Running:
    listener: HooksListener
    store: SqliteStore
    url: str
    verify: ssl.SSLContext | bool = True
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    def client(self, verify: ssl.SSLContext | None = None) -> httpx.AsyncClient:
        client = httpx.AsyncClient(
            base_url=self.url,
            timeout=30,
            trust_env=False,
            verify=verify or self.verify,
        )
        self.clients.append(client)
        return client

    async def post(self, path: str, *documents: object) -> httpx.Response:
        body = documents[0] if len(documents) == 1 else list(documents)
        return await self.client().post(path, json=body)


def settings(**hooks: Any) -> Hooks:
    return settings_from({"hooks": {"listen": ["127.0.0.1:0"], "secret": SECRET} | hooks}).hooks


@asynccontextmanager
async def hooks(
    folder: Path, verify: ssl.SSLContext | None = None, **own: Any
) -> AsyncIterator[Running]:
    store = SqliteStore(folder / "bridge.db")
    await store.open()
    accounts = {"accounts": {"crm": {"password": "x", "sender": "Shop"}}}
    ids = count(1000)
    incoming = IncomingMessages(settings_from(accounts), store, lambda: next(ids))
    listener = HooksListener(settings(**own), Statuses(store).take, incoming.take)
    [endpoint] = await listener.start()
    scheme = "https" if verify else "http"
    running = Running(listener, store, f"{scheme}://localhost:{endpoint.port}", verify or True)
    try:
        yield running
    finally:
        for client in running.clients:
            await client.aclose()
        await listener.close()
        await store.close()


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    async with hooks(tmp_path) as running:
        yield running


def status(id: int, word: str = "delivered", **more: Any) -> dict[str, Any]:
    return {"messageId": upstream_id(id), "deliverystatus": word, "cost": 0.35} | more


# --- what is taken -------------------------------------------------------------------------------


async def test_200_means_that_it_is_stored(running: Running) -> None:
    await sent(running.store, message(1))
    response = await running.post(STATUS, status(1))
    assert (response.status_code, response.content) == (200, b"")
    one = await stored(running.store, 1)
    assert (one.state, one.cost) == (State.DELIVERED, "0.35")


async def test_an_array_and_what_is_none_of_it(running: Running) -> None:
    await sent(running.store, message(1), message(2))
    response = await running.post(STATUS, status(1), {"no": "status"}, status(2, "expired"))
    assert (response.status_code, response.json()) == (200, {"refused": 1})
    assert (await stored(running.store, 1)).state is State.DELIVERED
    assert (await stored(running.store, 2)).state is State.EXPIRED
    assert (await running.client().post(STATUS, content=b"[]")).status_code == 200


async def test_a_status_of_an_unknown_message_is_accepted(running: Running) -> None:
    assert (await running.post(STATUS, status(99))).status_code == 200


async def test_a_message_from_a_phone(running: Running) -> None:
    for _ in range(2):
        assert (await running.post(INCOMING, FROM_PHONE)).status_code == 200
    [owed] = await running.store.claim_notices("smpp:crm", 2**40, 10)
    assert owed.incoming is not None
    assert (owed.incoming.phone, owed.incoming.text) == ("+380501234567", "Yes")


async def test_many_at_once_over_kept_connections(running: Running) -> None:
    await sent(running.store, *(message(n) for n in range(1, 201)))

    async def post(client: httpx.AsyncClient, ids: range) -> None:
        for n in ids:
            assert (await client.post(STATUS, json=status(n))).status_code == 200

    async with asyncio.TaskGroup() as group:
        for start in range(1, 201, 20):
            group.create_task(post(running.client(), range(start, start + 20)))
    states = [(await stored(running.store, n)).state for n in range(1, 201)]
    assert set(states) == {State.DELIVERED}


# --- what is not ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/",
        f"/hooks/cascade/{SECRET}",
        f"/hooks/cascade/{SECRET}/status/",
        f"/hooks/cascade/{SECRET}/other",
        f"/hooks/cascade/{SECRET[:-1]}x/status",
        f"/hooks/cascade/{SECRET.upper()}/status",
        "/hooks/cascade//status",
        f"//hooks/cascade/{SECRET}/status",
        f"/hooks/cascade/x%2f..%2f{SECRET}/status",
    ],
)
async def test_a_wrong_path_or_secret_is_404_for_every_method(running: Running, path: str) -> None:
    for method in ("POST", "GET"):
        response = await running.client().request(method, path, content=b"{}")
        assert (response.status_code, response.content) == (404, b"")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_only_post_is_offered(running: Running, method: str) -> None:
    response = await running.client().request(method, STATUS)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"{}", b"[1]", b"\xff\xfe", b"[" * 5000])
@pytest.mark.parametrize("path", [STATUS, INCOMING])
async def test_what_is_not_documented_gets_400_and_the_reason(
    running: Running, path: str, body: bytes
) -> None:
    response = await running.client().post(path, content=body)
    assert response.status_code == 400
    assert response.json()["error"]


async def test_too_much_gets_413(running: Running) -> None:
    body = orjson.dumps([status(1)] * 12_000)
    assert len(body) > LIMITS.max_body
    assert (await running.client().post(STATUS, content=body)).status_code == 413
    most = b"[" + b" " * (LIMITS.max_body - 2) + b"]"
    assert (await running.client().post(STATUS, content=most)).status_code == 200


async def test_a_message_without_an_account_gets_422_and_is_logged(running: Running) -> None:
    with capture_logs() as logs:
        response = await running.post(INCOMING, FROM_PHONE | {"alphaName": "Nobody"})
    assert response.status_code == 422
    assert "no account" in response.json()["error"]
    assert "incoming_unrouted" in [log["event"] for log in logs]


async def test_other_networks_get_403_whatever_they_ask_for(tmp_path: Path) -> None:
    async with hooks(tmp_path, networks=["192.0.2.0/24"]) as running:
        with capture_logs() as logs:
            for path in (STATUS, "/other", STATUS):
                assert (await running.post(path, status(1))).status_code == 403
        # Once a minute for each caller, not once a request.
        [log] = [log for log in logs if log["event"] == "hook_refused"]
        assert (log["peer"], log["status"]) == ("127.0.0.1", 403)


@pytest.mark.parametrize("reason", [Reason.BRIDGE_FULL, Reason.OPERATION_FAILED])
async def test_a_webhook_that_cannot_be_stored_is_refused_for_now(reason: Reason) -> None:
    async def fail(_: bytes) -> int:
        raise Failure(reason, cause="disk full")

    listener = HooksListener(settings(), fail, fail)
    [endpoint] = await listener.start()
    async with httpx.AsyncClient(
        base_url=f"http://{endpoint}", trust_env=False, timeout=30
    ) as client:
        for path in (STATUS, INCOMING):
            response = await client.post(path, json=[])
            assert (response.status_code, response.headers["retry-after"]) == (503, "30")
            assert "disk" not in response.text
    await listener.close()


async def test_a_fault_of_ours_is_500_and_in_the_log() -> None:
    async def fail(_: bytes) -> int:
        raise ZeroDivisionError

    listener = HooksListener(settings(), fail, fail)
    [endpoint] = await listener.start()
    with capture_logs() as logs:
        async with httpx.AsyncClient(
            base_url=f"http://{endpoint}", trust_env=False, timeout=30
        ) as client:
            assert (await client.post(STATUS, json=[])).status_code == 500
    assert "hook_failed" in [log["event"] for log in logs]
    await listener.close()


async def test_each_reason_is_told_once_a_minute_with_its_hook(running: Running) -> None:
    bodies = (b"{", b"{", b"{}", b"7")
    with capture_logs() as logs:
        for path in (STATUS, INCOMING):
            for body in bodies:
                assert (await running.client().post(path, content=body)).status_code == 400
    told = [(log["hook"], log["cause"]) for log in logs if log["event"] == "hook_refused"]
    assert told == [
        ("status", "not JSON"),
        ("status", "no messageId"),
        ("status", "no object"),
        ("incoming", "not JSON"),
        ("incoming", "no phoneNumber"),
        ("incoming", "no object"),
    ]


async def test_what_is_no_http_is_told_too(running: Running) -> None:
    port = int(running.url.rpartition(":")[2])
    with capture_logs() as logs:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        writer.close()
    [log] = logs
    assert (log["event"], log["cause"], log["peer"]) == ("hook_refused", "not HTTP", "127.0.0.1")


async def test_a_wrong_secret_is_answered_behind_a_large_body(running: Running) -> None:
    for path, status in ((STATUS + "x", 404), (STATUS, 200)):
        client = running.client()
        for _ in range(2):
            response = await client.post(path, content=b"[" + b" " * 900_000 + b"]")
            assert response.status_code == status


async def test_a_request_for_an_upgrade_is_refused_unread(
    running: Running,
) -> None:
    # Java's HTTP client sends this with its first request without TLS.
    upgrade = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": ""}
    await sent(running.store, message(1))
    response = await running.client().post(STATUS, json=status(1), headers=upgrade)
    assert (response.status_code, response.headers["connection"]) == (400, "close")
    assert "Upgrade" in response.json()["error"]
    assert (await stored(running.store, 1)).state is State.SENT


async def test_no_log_has_the_secret(running: Running) -> None:
    with capture_logs() as logs:
        for path in (STATUS, STATUS + "x", INCOMING):
            for method in ("POST", "GET"):
                await running.client().request(method, path, content=b"{")
        await running.post(INCOMING, FROM_PHONE | {"alphaName": "Nobody"})
    assert len(logs) > 3
    assert SECRET not in repr(logs)


# --- starting and reloading ----------------------------------------------------------------------


async def test_without_a_secret_nothing_listens() -> None:
    async def nothing(_: bytes) -> int:
        return 0

    listener = HooksListener(settings_from({}).hooks, nothing, nothing)
    assert await listener.start() == []
    await listener.close()


async def test_an_address_in_use_is_an_error_and_binds_nothing(running: Running) -> None:
    port = running.url.rpartition(":")[2]

    async def nothing(_: bytes) -> int:
        return 0

    taken = settings(listen=["127.0.0.1:0", f"127.0.0.1:{port}"])
    listener = HooksListener(taken, nothing, nothing)
    with pytest.raises(OSError, match="in use"):
        await listener.start()
    await listener.close()


async def test_secret_and_networks_are_taken_anew(running: Running) -> None:
    other = SECRET[::-1]
    running.listener.reload(settings(secret=other))
    assert (await running.post(STATUS, status(1))).status_code == 404
    assert (await running.post(STATUS.replace(SECRET, other), status(1))).status_code == 200
    running.listener.reload(settings(networks=["192.0.2.1"]))
    assert (await running.post(STATUS, status(1))).status_code == 403


def trusting(pair: Pair) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=pair[0])


def tls(pair: Pair) -> dict[str, Any]:
    return {"certificate": str(pair[0]), "private_key": str(pair[1])}


async def test_certificates_are_taken_anew_while_connections_go_on(tmp_path: Path) -> None:
    first, second = make_certificate(tmp_path, "first"), make_certificate(tmp_path, "second")
    async with hooks(tmp_path, trusting(first), **tls(first)) as running:
        old = running.client()
        assert (await old.post(STATUS, json=status(1))).status_code == 200
        with pytest.raises(ssl.SSLError):  # a key that belongs to another certificate
            running.listener.reload(settings(**tls((second[0], first[1]))))
        running.listener.reload(settings(**tls(second)))
        assert (await old.post(STATUS, json=status(1))).status_code == 200
        with pytest.raises(httpx.ConnectError):
            await running.client().post(STATUS, json=status(1))
        new = running.client(trusting(second))
        assert (await new.post(STATUS, json=status(1))).status_code == 200


async def test_the_clear_is_not_heard_where_tls_is_spoken(tmp_path: Path) -> None:
    pair = make_certificate(tmp_path, "only")
    async with hooks(tmp_path, trusting(pair), **tls(pair)) as running:
        clear = running.url.replace("https", "http")
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            with pytest.raises(httpx.TransportError):
                await client.post(clear + STATUS, json=status(1))

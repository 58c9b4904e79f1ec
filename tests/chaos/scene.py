"""The parts of a run: the API, a smarthost, the database, the daemons and their clients."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from bridge.sandbox import Sandbox
from tests.chaos.api_load import ApiClient
from tests.chaos.databases import Database
from tests.chaos.fault_proxy import Ends, FaultProxy
from tests.chaos.mail_load import MailClient
from tests.chaos.node import Node, one_ready
from tests.chaos.phones import SECRET, Phones, path
from tests.chaos.record import Record
from tests.chaos.smpp_load import ACCOUNTS, SmppClient
from tests.chaos.smpp_session import Session
from tests.smtp.smarthost import Smarthost, smarthost
from tests.support import make_certificate

#: Seconds between two actions of a client, at the usual rate.
PAUSE = 0.7
#: parts_timeout (seconds).
PARTS_TIMEOUT = 30
RESPONSE_TIMEOUT = 2
_CLIENTS = 2  # of each SMPP account
#: The common part of the daemons' configurations.
_CONFIG = """
[cascade]
base_url = "http://127.0.0.1:{api}"
authorization_key = "key"
timeout = "2s"
max_batch = 20
max_in_flight = 3
poll_after = "3s"
[store]
url = "{store}"
{lease}
[smtp]
listen = ["127.0.0.1:0"]
tls_listen = ["127.0.0.1:0"]
lmtp_listen = ["127.0.0.1:0"]
certificate = "{certificate}"
private_key = "{key}"
[smpp]
listen = ["127.0.0.1:0"]
tls_listen = ["127.0.0.1:0"]
certificate = "{certificate}"
private_key = "{key}"
enquire_link = "5s"
inactivity = "15s"
response_timeout = "{response_timeout}s"
parts_timeout = "{parts_timeout}s"
[hooks]
listen = ["127.0.0.1:0"]
secret = "{secret}"
[reports]
smarthost = "{smarthost}"
from = "bridge@sms.example.com"
[admin]
socket = "{socket}"
listen = ["127.0.0.1:0"]
token = "a token of the chaos suite"
[login]
max_failures = 1000
[log]
format = "json"
[accounts.crm]
password = "secret12"
sender = "Shop"
answer_within = "2s"
max_binds = 100
[accounts.quick]
password = "secret12"
sender = "Quick"
answer = "queued"
daily_limit = 1_000_000
max_binds = 100
[accounts.timed]
password = "secret12"
sender = "Timed"
schedule = "bridge"
max_binds = 100
[accounts.once]
password = "secret12"
sender = "Once"
answer_within = "2s"
duplicate_window = "30m"
max_binds = 100
[accounts.once.cascade]
authorization_key = "another key"
[accounts.jobs]
password = "secret12"
protocols = ["http"]
sender = "Jobs"
daily_limit = 1_000_000
[accounts.desk]
password = "secret12"
protocols = ["smtp"]
sender = "Desk"
answer_within = "3s"
incoming_to = "desk@client.test"
[accounts.erp]
password = "secret12"
protocols = ["smtp"]
sender = "Erp"
answer_within = "3s"
receipts_to = "sender"
daily_limit = 1_000_000
"""
MAIL_ACCOUNTS = ("desk", "erp")


class Scene:
    """A run in progress. While ``busy`` clients go on, and sometimes misbehave."""

    def __init__(
        self,
        folder: Path,
        database: Database,
        sandbox: Sandbox,
        host: Smarthost,
        nodes: list[Node],
        apis: list[FaultProxy],
        record: Record,
    ) -> None:
        self.folder = folder
        self.database = database
        self.sandbox = sandbox
        self.smarthost = host
        self.nodes = nodes
        #: The proxies from each node to the API.
        self.apis = apis
        self.record = record
        self.sessions: dict[str, list[Session]] = {account: [] for account in ACCOUNTS}
        self.busy = True

    def clients(self, pause: float) -> list[SmppClient]:
        return [
            SmppClient(
                account,
                self.nodes,
                self.record,
                self.sessions[account],
                random.Random(self.record.chance.random()),
                lambda: self.busy,
                pause,
            )
            for account in ACCOUNTS
            for _ in range(_CLIENTS)
        ]

    def mailers(self, pause: float) -> list[MailClient]:
        return [
            MailClient(
                account,
                self.nodes,
                self.record,
                random.Random(self.record.chance.random()),
                lambda: self.busy,
                pause,
                keeps=keeps,
                lmtp=lmtp,
            )
            for account in MAIL_ACCOUNTS
            for keeps, lmtp in ((True, False), (False, False), (True, True))
        ]

    def submitters(self, pause: float) -> list[ApiClient]:
        return [
            ApiClient(
                self.nodes,
                self.record,
                random.Random(self.record.chance.random()),
                lambda: self.busy,
                pause,
            )
            for _ in range(_CLIENTS)
        ]

    def phones(self, pause: float) -> Phones:
        chance = random.Random(self.record.chance.random())
        return Phones(self.nodes, self.record, chance, lambda: self.busy, pause)


@asynccontextmanager
async def scene(folder: Path, database: Database, seed: int, *, nodes: int) -> AsyncIterator[Scene]:
    """Starts all parts; the daemons run until they are stopped."""
    async with AsyncExitStack() as stack:
        await database.start(nodes)
        stack.push_async_callback(database.close)
        host = await stack.enter_async_context(smarthost())
        sandbox = Sandbox(keep=10_000_000, scheduled_for=0.2, processing_for=0.5)
        await stack.enter_async_context(sandbox)
        daemons: list[Node] = []
        hooks = FaultProxy(lambda: _hooks(daemons))
        await hooks.start()
        stack.push_async_callback(hooks.close)
        await sandbox.post_statuses(f"http://127.0.0.1:{hooks.port}{path('status')}")
        certificate, key = make_certificate(folder, "chaos")
        apis = []
        for number in range(nodes):
            api = FaultProxy(lambda: _api(sandbox))
            await api.start()
            stack.push_async_callback(api.close)
            apis.append(api)
            own = folder / f"node-{number}"
            own.mkdir()
            config = own / "bridge.toml"
            config.write_text(
                _CONFIG.format(
                    api=api.port,
                    store=database.url(number),
                    lease=f'lease = "{database.lease:g}s"' if database.lease else "",
                    secret=SECRET,
                    socket=own / "admin.sock",
                    smarthost=host.name,
                    certificate=certificate,
                    key=key,
                    parts_timeout=PARTS_TIMEOUT,
                    response_timeout=RESPONSE_TIMEOUT,
                )
            )
            daemons.append(Node(number, config, database.lease))
        record = Record(random.Random(seed))
        async with asyncio.TaskGroup() as lives:
            for node in daemons:
                lives.create_task(node.live())
            try:
                yield Scene(folder, database, sandbox, host, daemons, apis, record)
            finally:
                for node in daemons:
                    node.kill_for_good()


async def _api(sandbox: Sandbox) -> Ends:
    return await asyncio.open_connection("127.0.0.1", int(sandbox.url.rpartition(":")[2]))


async def _hooks(nodes: list[Node]) -> Ends:
    """The webhooks' address of a serving daemon, like a load balancer's."""
    _, at = await one_ready(nodes, random.Random())
    return await asyncio.open_connection("127.0.0.1", at.hooks)

"""send.php on kept connections, one message per request, durable and with the API's answer."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.harness import Figures, await_port, bridge, cpu_seconds, run
from tests.benchmarks.relay_cases import Row, row
from tests.support import free_port

#: Simultaneous accounts, and connections of each: SMSC allows 14 calls at once.
LOADS = ((1, 1), (1, 14), (10, 14))
ACCOUNTS = max(accounts for accounts, _ in LOADS)
_WARM_UP = 100


def smsc(count: int, runs: int) -> Iterator[Row]:
    """A GET with login and password → durable → API answer → the answer in JSON."""
    with tempfile.TemporaryDirectory(prefix="cascade-bridge-") as name:
        port = free_port()
        tables = "".join(
            f'[accounts.shop{n}]\npassword = "bench"\nsender = "Bench"\nprotocols = ["http"]\n'
            for n in range(ACCOUNTS)
        )
        tables += f'[smsc]\nlisten = ["127.0.0.1:{port}"]'
        limits = "requests_per_second = 10000\nburst = 10000\npoll = false"
        with bridge(Path(name), account=tables, cascade=limits) as served:
            await_port(port, served.process)
            for accounts, connections in LOADS:
                run(_call(port, _WARM_UP, accounts, connections))
                found = []
                for _ in range(runs):
                    cpu, began = cpu_seconds(served.pid), time.perf_counter()
                    taken = served.taken()
                    run(_call(port, count, accounts, connections))
                    took = time.perf_counter() - began
                    found.append(Figures(count, took, cpu_seconds(served.pid) - cpu))
                    assert served.taken() - taken == count, "the API did not get each message once"
                yield row(f"send.php, {accounts} accounts × {connections} connections", found)


async def _call(port: int, count: int, accounts: int, connections: int) -> None:
    numbers = iter(range(count))

    async def calls(account: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            writer.write(
                f"GET /sys/send.php?login=shop{account}&psw=bench&fmt=3&charset=utf-8"
                f"&phones=38050{number:07}&mes=Your+code+is+{number:06}.+Never+tell+it+to+anybody."
                " HTTP/1.1\r\nHost: bench\r\n\r\n".encode()
            )
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            answer = await reader.readexactly(length)
            assert answer.startswith(b'{\n"id": '), answer
        writer.close()

    await asyncio.gather(*(calls(n % accounts) for n in range(accounts * connections)))


CASES = {"smsc": (5_000, smsc)}

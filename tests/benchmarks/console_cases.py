"""What metrics and console cost: the same submits with nobody who looks, and with a scrape a second
and the console open in ten browsers, in turn."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import httpx

from tests.benchmarks import paths
from tests.benchmarks.harness import Figures, bridge, cpu_seconds
from tests.benchmarks.relay_cases import Row
from tests.support import free_port

TOKEN = "benchmark-token"
#: Browsers, each of which asks for the overview so often (seconds), and the interval of scrapes.
BROWSERS, REFRESHED, SCRAPED = 10, 5.0, 1.0
#: Seconds without a message, for what looking costs by itself.
IDLE = 15.0


class Looking:
    """Ten browsers and Prometheus, in a thread of this process."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = threading.Event()
        self.asked = 0

    def __enter__(self) -> Looking:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        headers = {"Sec-Fetch-Site": "same-origin", "X-Refresh": "1"}
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        with httpx.Client(base_url=self._url, headers=headers, timeout=60) as client:
            login = client.post("/console/login", data={"token": TOKEN})
            assert login.status_code == 303, login.text
            due = [(n * REFRESHED / BROWSERS, REFRESHED, "/console/") for n in range(BROWSERS)]
            due.append((0.0, SCRAPED, "/metrics"))
            began = time.monotonic()
            while not self._stop.is_set():
                at, every, path = min(due)
                if self._stop.wait(max(0.0, began + at - time.monotonic())):
                    return
                client.get(path, headers=bearer if path == "/metrics" else {}).raise_for_status()
                self.asked += 1
                due.remove((at, every, path))
                due.append((max(at + every, time.monotonic() - began), every, path))


def console(count: int, runs: int) -> Iterator[Row]:
    """``count`` submits with nobody who looks and with all of them, in turn; then nothing but
    looking."""
    port = free_port()
    admin = f'[admin]\nlisten = ["127.0.0.1:{port}"]\ntoken = "{TOKEN}"'
    url = f"http://127.0.0.1:{port}"
    with (
        tempfile.TemporaryDirectory(prefix="cascade-bridge-") as folder,
        bridge(Path(folder), account=f"{admin}", cascade="poll = false") as served,
    ):
        paths.smpp(served, 2_000, 10, 100)
        alone: list[Figures] = []
        watched: list[Figures] = []
        for _ in range(runs):
            alone.append(paths.smpp(served, count, 10, 100))
            with Looking(url):
                watched.append(paths.smpp(served, count, 10, 100))
        for name, found in (("nobody looks", alone), ("ten browsers, a scrape a second", watched)):
            yield (
                f"submit_sm, {name}",
                f"{median(one.rate for one in found):,.0f}",
                f"{median(one.cpu_us for one in found):.1f}",
                f"p50 {median(one.quantile(0.5) for one in found):.1f} ms",
            )
        cpu = cpu_seconds(served.pid)
        time.sleep(IDLE)
        quiet = cpu_seconds(served.pid) - cpu
        with Looking(url) as looking:
            cpu = cpu_seconds(served.pid)
            time.sleep(IDLE)
            busy = cpu_seconds(served.pid) - cpu
        share = 100 * (busy - quiet) / IDLE
        assert looking.asked
        each = 1000 * (busy - quiet) / looking.asked
        says = f"{share:.1f} % of a core, {each:.1f} ms a page or scrape"
        yield ("nothing but looking", "", "", says)


CASES: dict[str, tuple[int, Callable[[int, int], Iterator[Row]]]] = {"console": (30_000, console)}

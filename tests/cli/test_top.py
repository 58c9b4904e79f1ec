"""``top``: the lines of the screen, each with a word for grep; once, refreshed, and the past."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from bridge.cli.top import lines
from tests.night_calls.asking import said
from tests.running import Running
from tests.serving.clients import bound, connect, listed

NOW = datetime.now(UTC)
OVERVIEW: dict[str, Any] = {
    "version": "1.2.3",
    "node": 1,
    "nodes": 2,
    "started": NOW.isoformat(),
    "missing": ["store: the disk is full"],
    "now": {
        **dict.fromkeys(("accepted", "sent", "delivered", "failed"), 1234.5),
        "upstream_latency": None,
        "commit_time": 0.0042,
        "loop_lag": 1.26,
    },
    "queue": [
        {"state": "accepted", "count": 20_000, "oldest_age": 3700},
        {"state": "held", "count": 0, "oldest_age": 0},
    ],
    "upstreams": [
        {"name": "cascade", "status": "refused", "says": "HTTP 401", "since": NOW.isoformat()},
        {"name": "shop", "status": "ok", "says": "", "since": None},
    ],
    "held_accounts": ["crm"],
    "owed": [{"kind": "receipt", "count": 3, "oldest_age": 61}],
    "sessions": [
        {"protocol": "smpp", "bind": "receiver", "count": 2},
        {"protocol": "smtp", "bind": "", "count": 1},
    ],
    "blocked": 1,
    "limits": [{"account": "crm", "accepted_today": 750, "daily_limit": 1000}],
    "certificates": {
        "smtp": (NOW - timedelta(days=1)).isoformat(),
        "smpp": (NOW + timedelta(days=1)).isoformat(),
    },
    "trouble": [
        {
            "last": NOW.isoformat(),
            "event": "bind_refused",
            "about": "crm",
            "says": "wrong\x1bpassword",
            "count": 2,
        }
    ],
    "others": [
        {"node": 2, "host": "two", "missing": [], "now": {"accepted": 5}},
        {"node": 3, "host": "", "missing": ["it does not answer"], "now": None},
    ],
}


def test_every_line_begins_with_its_word() -> None:
    said = [re.sub(r"(\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d", "TIME", line) for line in lines(OVERVIEW)]
    assert said == [
        "bridge    1.2.3, node 1 of 2, since TIME",
        "health    store: the disk is full",
        "node      2 two ready, accepted 5/s",
        "node      3  it does not answer",
        "rate      accepted 1234.5/s, sent 1234.5/s, delivered 1234.5/s, failed 1234.5/s",
        "queue     accepted 20,000, the oldest for 1h 1m",
        "queue     held 0",
        "upstream  cascade refused since TIME: HTTP 401",
        "upstream  shop ok",
        "held      account crm, nothing of it is sent",
        "times     API -, store 4.2 ms, loop lag 1.3 s",
        "owed      receipt 3, the oldest for 1m 1s",
        "sessions  smpp receiver 2",
        "sessions  smtp 1",
        "blocked   1 address after wrong passwords",
        "limit     crm 750 of 1,000 today, 75 %",
        "expired   the certificate of smtp at TIME",
        "expires   the certificate of smpp at TIME",
        "look      TIME bind_refused crm: wrong password (2 times)",
    ]


async def test_it_is_printed_once_in_a_pipe(bridge: Running) -> None:
    peer = await bound(bridge)
    wrong = await connect(bridge)
    assert (await wrong.bind(password=b"wrong")).command_status == 0x0E
    await wrong.close()
    for options in ((), ("--once",)):
        shown = (await said(bridge, "top", *options)).splitlines()
        assert "health    ready" in shown
        assert "upstream  cascade ok" in shown
        assert "sessions  smpp transceiver 1" in shown
        assert any(line.startswith("look ") and "login_failed crm" in line for line in shown)
    overview = await listed(bridge, "top")
    assert (overview["missing"], overview["node"], overview["nodes"]) == ([], 0, 1)
    await peer.close()


async def test_the_past_is_a_table_of_samples(bridge: Running) -> None:
    assert await listed(bridge, "top", "--history", "day") == []
    head, *rows = (await said(bridge, "top", "--history", "hour")).splitlines()
    assert " ".join(head.split()) == ("time accepted sent failed waiting oldest API store loop lag")
    assert rows == []


async def test_without_a_daemon_nothing_is_shown(bridge: Running) -> None:
    await bridge.terminate()
    code, output = await bridge.command("top")
    assert (code, "the daemon does not run" in output) == (69, True)

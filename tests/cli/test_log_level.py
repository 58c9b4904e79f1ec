"""``log-level``: another level of the log, for a while or until the next start."""

from __future__ import annotations

import re

from tests.night_calls.asking import said
from tests.running import Running
from tests.serving.clients import bound, listed
from tests.smpp.peer import a_submit


async def test_a_level_holds_until_the_next_start_or_for_a_while(bridge: Running) -> None:
    assert await said(bridge, "log-level", "debug") == "debug\n"
    peer = await bound(bridge)
    await peer.ask("submit_sm", a_submit())
    await bridge.event("batch_sent", level="debug")
    output = await said(bridge, "log-level", "debug", "--for", "1s")
    assert re.fullmatch(r"debug, until \d\d:\d\d:\d\d\n", output)
    await bridge.event("log_level_restored", log_level="info")
    assert (await listed(bridge, "log-level"))["level"] == "info"
    await peer.close()


async def test_a_new_level_ends_the_time_of_the_one_before(bridge: Running) -> None:
    await said(bridge, "log-level", "debug", "--for", "1h")
    answer = await listed(bridge, "log-level", "warning")
    assert (answer["level"], answer["until"]) == ("warning", None)


async def test_the_change_is_logged_at_its_own_level(bridge: Running) -> None:
    await said(bridge, "log-level", "error", "--for", "10m")
    audit = await bridge.event("audit", action="set_log_level")
    assert (audit["level"], audit["log_level"], audit["duration"]) == ("info", "error", "10m")


async def test_the_level_is_shown_with_the_events_since_the_start(bridge: Running) -> None:
    level, *counts = (await said(bridge, "log-level")).splitlines()
    assert level == "info"
    assert all(
        re.fullmatch(r"  [\d,]+ events? of level \w+ since the start", one) for one in counts
    )
    answer = await listed(bridge, "log-level")
    assert answer["events"]["info"] > 0
    assert answer["nodes"] == {}


async def test_wrong_levels_and_times_are_explained(bridge: Running) -> None:
    assert (await bridge.command("log-level", "loud"))[0] == 64
    code, output = await bridge.command("log-level", "debug", "--for", "soon")
    assert (code, "soon is not a duration such as" in output) == (64, True)
    code, output = await bridge.command("log-level", "--for", "10m")
    assert (code, "Give the level." in output) == (64, True)

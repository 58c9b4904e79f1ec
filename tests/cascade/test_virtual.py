"""Virtual messages are delivered, others are not."""

from __future__ import annotations

import orjson

from bridge.cascade.answers import Meaning, judge
from bridge.cascade.virtual import VirtualClient, VirtualDeliveries
from bridge.model.message import Route


async def test_only_what_was_accepted_here_is_delivered() -> None:
    client = VirtualClient(VirtualDeliveries())
    verdict = judge(await client.post(Route.ASYNC, {}, orjson.dumps([{"id": 7}])))
    assert verdict.meaning is Meaning.TAKEN
    assert (await client.ask({}, verdict.ids["7"])).status == 200
    assert (await client.ask({}, "an-id-of-the-api")).status == 404

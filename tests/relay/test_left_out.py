"""Recipients that are refused beside others are kept, for the trace."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bridge import log
from bridge.admin.refusals import RefusalKeeper
from bridge.model.contact import Blocks
from bridge.sandbox import Sandbox
from bridge.store.directory.black_list import add_to_black_list
from bridge.store.operating.refusals import find_left_out, find_refusals
from tests.relay.test_send_outs import FIRST, SECOND, to
from tests.relaying import id_of, relaying


@pytest.mark.parametrize("name", ["", "May"])
async def test_a_number_on_the_black_list_is_named_by_the_trace_of_the_submission(
    tmp_path: Path, sandbox: Sandbox, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with relaying(tmp_path, sandbox) as bridge:
        keeper = RefusalKeeper(bridge.store, lambda name: bridge.account(name).settings)
        monkeypatch.setattr(log, "WATCHERS", [keeper.watch])
        await bridge.directory.change(add_to_black_list, "crm", FIRST, Blocks.BULK)
        submission = to("050 123 45 67", SECOND, name=name)._replace(peer="192.0.2.7")
        id = id_of(await bridge.submit(submission))
        other = id_of(await bridge.submit(to(SECOND)))
        await keeper.flush()
        [refusal] = await bridge.store.look_up(find_left_out, [id])
        assert (refusal.kind, refusal.protocol, refusal.account) == ("recipient", "smpp", "crm")
        assert (refusal.peer, refusal.phone) == ("192.0.2.7", FIRST)
        assert refusal.reason == f"left out of {id}: message prohibited: black list"
        since = int(time.time()) - 60
        assert await bridge.store.look_up(find_refusals, [FIRST], "", "", since, 9) == [refusal]
        assert await bridge.store.look_up(find_left_out, [other, id // 10]) == []

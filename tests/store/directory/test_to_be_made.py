"""Messages of send-outs before they are stored, on both engines."""

from __future__ import annotations

import orjson

from bridge.model.message import State
from bridge.store import Store
from bridge.store.directory.staging import (
    SEND_OUT,
    OwnText,
    SendOut,
    StagedPhone,
    begin_import,
    commit_send_out,
    stage_phones,
)
from bridge.store.directory.to_be_made import ANY, to_be_made
from bridge.store.rows import to_row
from tests.samples import NOW, message

FIRST, SECOND, SHORT = "+380501234567", "+380671112233", "+4915112345"


async def send_out(
    store: Store, id: int, *phones: StagedPhone, reference: str = "", committed: bool = True
) -> None:
    file = await store.change(begin_import, "crm", SEND_OUT, NOW)
    await store.change(stage_phones, file.id, phones, NOW)
    if committed:
        common = message(0, phone="", text="hello", submission_id=id, reference=reference)
        head = orjson.dumps({"message": to_row(common)}).decode()
        named = SendOut(id, "", NOW, len(phones), len(phones), 0)
        await store.change(commit_send_out, file.id, "crm", head, named, NOW)


async def test_they_are_found_by_phone_and_reference_or_id(store: Store) -> None:
    own = OwnText("Ні, 'дякую'", "", 2, "")
    await send_out(
        store, 20, StagedPhone(1, FIRST, 11), StagedPhone(2, SHORT, 12, own=own), reference="7"
    )
    await send_out(store, 30, StagedPhone(1, FIRST, 21), StagedPhone(2, SECOND, 22))
    await send_out(store, 40, StagedPhone(1, FIRST, 31), reference="8", committed=False)

    async def found(name: str, *phones: str, account: str = "crm") -> list[int]:
        made = await store.look_up(to_be_made, {name: phones}, account)
        return [one.message.id for one in made]

    assert await found("7", FIRST, SHORT, SECOND) == [11, 12]
    assert await found("20", SHORT) == [12]
    assert await found("30", FIRST) == [21]
    assert await found(ANY, FIRST, account="") == [21, 11]
    assert await found("8", FIRST) == []
    assert await found("7", FIRST, account="shop") == []
    assert await found("7") == []
    [one] = await store.look_up(to_be_made, {"7": [SHORT]})
    assert (one.state, one.message.phone, one.message.text) == (State.ACCEPTED, SHORT, own.text)
    assert (one.message.parts, one.message.submission_id, one.message.account) == (2, 20, "crm")

"""Messages of send-outs before they are stored, on both engines."""

from __future__ import annotations

import orjson

from bridge.model.message import State
from bridge.store import Acceptance, Fingerprint, Store
from bridge.store.directory.staging import (
    SEND_OUT,
    OwnText,
    SendOut,
    StagedPhone,
    abandoned_imports,
    begin_import,
    commit_send_out,
    finish_import,
    stage_phones,
)
from bridge.store.directory.to_be_made import ANY, reference_of, to_be_made
from bridge.store.rows import to_row
from bridge.store.types import StagedLines
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


async def test_a_duplicate_is_stored_if_nothing_of_the_first_will_arrive(store: Store) -> None:
    async def again(id: int) -> int:
        file = await store.change(begin_import, "crm", SEND_OUT, NOW)
        common = message(0, phone="", submission_id=id, reference=f"r{id}")
        head = orjson.dumps({"message": to_row(common)}).decode()
        print = Fingerprint(b"same", id, NOW + 60)
        named = SendOut(id, "", NOW, 2, 2, 0)
        return await store.change(
            commit_send_out, file.id, "crm", head, named, NOW, print, unless_sent=True
        )

    assert await again(20) == 20
    # Its messages are still to be made.
    assert await again(30) == 20
    assert await store.look_up(reference_of, "crm", 20) == "r20"
    files = await store.change(abandoned_imports, (SEND_OUT,), NOW + 1, NOW)
    [file] = [one for one in files if one.committed]
    made = tuple(message(n, submission_id=20, reference="r20") for n in (21, 22))
    await store.accept(Acceptance(made, staged=StagedLines(file.id, 0, 2)))
    await store.change(finish_import, file.id)
    assert await store.look_up(reference_of, "crm", 20) == "r20"
    await store.move([21], State.CANCELLED)
    assert await again(40) == 20
    await store.move([22], State.CANCELLED)
    assert await again(50) == 50
    assert await again(60) == 50
    assert await store.look_up(reference_of, "crm", 99) == ""

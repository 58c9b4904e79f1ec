"""jobs.php of a running daemon: send-outs."""

from __future__ import annotations

from pathlib import Path

from tests.smsc.calling import FIRST, LOGIN, SECOND, smsc


async def test_send_outs(tmp_path: Path) -> None:
    async with smsc(tmp_path, 'schedule = "bridge"') as face:
        id = (await face.json("jobs", add=1, name="Friday", phones=FIRST, mes="x", period=1))["id"]
        # Clients keep it in 32 bits.
        assert 0 < id < 2**31
        [job] = await face.json("jobs", get_all=1)
        assert (job["id"], job["name"], job["phones"], job["cnt"]) == (id, "Friday", 1, 1)
        assert await face.json("jobs", get=1, id=id) == [job]
        await face.sandbox.wait_for(1)
        assert (await face.json("status", phone=FIRST, id=id))["status"] >= -1
        later = await face.json(
            "jobs", add=1, name="Later", phones=f"{FIRST},{SECOND}", mes="y", time="+60"
        )
        assert await face.call("jobs", cancel=1, id=later["id"]) == "OK"
        assert await face.call("jobs", cancel=1, id=later["id"], pp=1, fmt=1) == "0,-3"
        assert (await face.json("status", phone=SECOND, id=later["id"]))["status"] == -2
        assert await face.call("jobs", get=1, id=1, fmt=1) == "0,-3"
        assert (
            await face.call("jobs", add=1, name="x", phones=FIRST, mes="x", rpt=2, fmt=1) == "0,-1"
        )


async def test_a_send_out_of_another_protocol(tmp_path: Path) -> None:
    async with smsc(tmp_path) as face:
        api, login = await face.bridge.api(), (LOGIN["login"], LOGIN["psw"])
        for reference in ("17", "order-1", ""):
            document = {"to": FIRST, "text": "x", "name": f"by API {reference}"}
            sent = await face.client.post(
                f"{api}/api/v1/messages", json=document | {"reference": reference}, auth=login
            )
            assert sent.status_code == 202, sent.text
        ids = {job["name"]: job["id"] for job in await face.json("jobs", get_all=1)}
        assert ids["by API 17"] == 17
        for name in ("by API order-1", "by API "):
            [job] = await face.json("jobs", get=1, id=ids[name])
            assert job["name"] == name

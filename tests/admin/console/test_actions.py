"""The buttons of the console: what each changes, and what the log says of it."""

from __future__ import annotations

import re

import httpx

from tests.admin.console.scene import PHONE, TEXT, Scene, logged_in
from tests.serving.daemon import OPERATE, VIEW

OWN = {"Sec-Fetch-Site": "same-origin"}


async def test_messages_of_a_filter_are_counted_before_they_are_held_and_released(
    scene: Scene,
) -> None:
    async with logged_in(scene.url, OPERATE) as client:
        ask = await client.get("/console/queue/confirm?verb=hold&account=shop&type=promo")
        assert "Hold 20 messages" in ask.text
        form = {"account": "shop", "type": "promo", "state": "accepted"}
        await client.post("/console/queue/hold", data=form)
        assert "20 messages held." in (await client.get("/console/queue")).text
        assert "20 messages held." not in (await client.get("/console/queue")).text
        await client.post("/console/queue/release", data={"account": "shop", "state": "held"})
        assert "20 messages released." in (await client.get("/console/queue")).text
    await scene.bridge.event("audit", action="hold_messages", messages=20)
    by = "operate token from 127.0.0.1 in the console"
    await scene.bridge.event("audit", action="release_messages", messages=20, by=by)


async def test_nothing_is_changed_without_a_filter(scene: Scene) -> None:
    async with logged_in(scene.url, OPERATE) as client:
        answer = await client.post("/console/queue/cancel", data={})
        assert answer.status_code == 400
        assert "say which messages" in answer.text
        answer = await client.post("/console/queue/cancel", data={"since": "yesterday"})
        assert answer.status_code == 400


async def test_a_text_is_hidden_until_somebody_asks_and_the_log_has_the_reader(
    scene: Scene,
) -> None:
    async with logged_in(scene.url, VIEW) as client:
        page = await client.get(f"/console/messages/{scene.sent}")
        assert TEXT.decode() not in page.text
        assert "Nobody looked" in page.text
        page = await client.post(f"/console/messages/{scene.sent}/text")
        assert TEXT.decode() in page.text
        page = await client.get(f"/console/messages/{scene.sent}")
        assert TEXT.decode() not in page.text
        assert "view token from 127.0.0.1 in the console" in page.text
    code, said = await scene.bridge.command("audits", "--id", str(scene.sent))
    assert code == 0
    assert "view token from 127.0.0.1 in the console" in said
    event = await scene.bridge.event("audit", action="show_text", id=scene.sent)
    assert event["phone"] == "+3805******67"


async def test_a_number_is_blocked_and_unblocked(scene: Scene) -> None:
    async with logged_in(scene.url, OPERATE) as client:
        form = {"account": "crm", "phone": PHONE, "blocks": "all", "back": f"/phones/{PHONE}"}
        answer = await client.post("/console/directory/add-to-black-list", data=form)
        page = (await client.get(answer.headers["location"])).text
        assert "In the black list of" in page
        assert "nothing is sent" in page
        await client.post("/console/directory/delete-from-black-list", data=form)
        assert "In the black list of" not in (await client.get(f"/console/phones/{PHONE}")).text
        again = await client.post("/console/directory/delete-from-black-list", data=form)
        assert again.status_code == 404
    await scene.bridge.event("audit", action="add_to_black_list", account="crm")


async def test_contacts_and_groups_are_added_and_deleted(scene: Scene) -> None:
    async with logged_in(scene.url, OPERATE) as client:
        form = {"account": "crm", "name": "VIP", "number": "7", "hours": "9-21", "max_parts": ""}
        await client.post("/console/directory/add-group", data=form)
        api = httpx.AsyncClient(
            base_url=scene.url, headers={"Authorization": f"Bearer {OPERATE}"}, timeout=30
        )
        async with api:
            [group] = (await api.get("/api/v1/accounts/crm/groups")).json()
            assert (group["name"], group["number"], group["hours"]) == ("VIP", 7, "9-21")
            form = {"account": "crm", "phone": PHONE, "name": "Olha", "group": group["id"]}
            await client.post("/console/directory/add-contact", data=form)
            [contact] = (await api.get("/api/v1/accounts/crm/contacts")).json()
            assert (contact["name"], contact["groups"]) == ("Olha", [group["id"]])
            page = (await client.get("/console/directory?account=crm")).text
            assert "Olha" in page
            await client.post("/console/directory/delete-contact", data=form)
            await client.post(
                "/console/directory/delete-group", data={"account": "crm", "id": group["id"]}
            )
            assert (await api.get("/api/v1/accounts/crm/groups")).json() == []
            assert (await api.get("/api/v1/accounts/crm/contacts")).json() == []


async def test_templates_are_added_and_deleted(scene: Scene) -> None:
    async with logged_in(scene.url, OPERATE) as client:
        form = {"account": "crm", "name": "Ready", "message": "Order {n} <b>", "sender": "Shop"}
        await client.post("/console/directory/add-template", data=form)
        page = (await client.get("/console/directory?account=crm")).text
        assert "Order {n} &lt;b&gt;" in page
        found = re.search(r'delete-template".*?name="id" value="(\d+)"', page, re.DOTALL)
        assert found
        gone = {"account": "crm", "id": found[1]}
        await client.post("/console/directory/delete-template", data=gone)
        page = (await client.get("/console/directory?account=crm")).text
        assert "No templates." in page


async def test_a_session_is_closed_and_a_block_lifted(scene: Scene) -> None:
    async with logged_in(scene.url, OPERATE) as client:
        sessions = (await client.get("/console/sessions")).text
        id = re.findall(r'name="id" value="(smpp-\d+)"', sessions)[-1]
        await client.post("/console/sessions/close", data={"id": id})
        assert f"Session {id} is closed." in (await client.get("/console/sessions")).text
        again = await client.post("/console/sessions/close", data={"id": "smpp-99"})
        assert again.status_code == 404
        for _ in range(10):
            await client.get("/api/v1/holds", headers={"Authorization": "Bearer guess"})
        form = {"address": "127.0.0.1", "account": ""}
        await client.post("/console/blocked/lift", data=form)
        assert "127.0.0.1 may log in again." in (await client.get("/console/sessions")).text
    await scene.bridge.event("audit", action="close_sessions", session=id)
    await scene.bridge.event("audit", action="lift_block", address="127.0.0.1")


async def test_an_account_is_held_and_released(scene: Scene) -> None:
    async with logged_in(scene.url, OPERATE) as client:
        held = {"scope": "account", "name": "crm", "back": "/queue"}
        answer = await client.post("/console/holds/hold", data=held)
        assert answer.headers["location"] == "/console/queue"
        page = (await client.get("/console/queue")).text
        assert "The account crm is held: nothing of it is sent until it is released." in page
        answer = await client.post("/console/holds/release", data=held | {"back": "//elsewhere"})
        assert answer.headers["location"] == "/console/accounts"
        assert "The account crm is released." in (await client.get("/console/accounts")).text
        again = await client.post("/console/holds/release", data=held)
        assert again.status_code == 404


async def test_one_message_is_cancelled_from_its_page(scene: Scene) -> None:
    [waits] = await scene.submit(scene.shop, "+380671234567")
    async with logged_in(scene.url, OPERATE) as client:
        form = {"id": str(waits), "back": f"/messages/{waits}"}
        answer = await client.post("/console/queue/cancel", data=form)
        assert answer.headers["location"] == f"/console/messages/{waits}"
        assert "1 message cancelled." in (await client.get(f"/console/messages/{waits}")).text
        elsewhere = await client.post("/console/queue/cancel", data=form | {"back": "/messages/x"})
        assert elsewhere.headers["location"] == "/console/queue"


async def test_unknown_actions_are_not_found(scene: Scene) -> None:
    async with logged_in(scene.url, OPERATE) as client:
        for path in ("/queue/explode", "/directory/burn", "/nothing"):
            answer = await client.post("/console" + path, data={"account": "crm"})
            assert answer.status_code == 404, path

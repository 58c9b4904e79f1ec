"""The console over HTTP: logins, permissions, contents, log events."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from bridge.admin.console.pages import PAGES
from bridge.model.failure import Reason
from tests.admin.console.scene import PHONE, TEXT, Scene, logged_in, staged
from tests.serving.clients import change
from tests.serving.daemon import OPERATE, VIEW, serving, write_config
from tests.smpp.peer import a_submit
from tests.smtp.conftest import make_certificate

OWN = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with staged(tmp_path) as scene:
        yield scene


def paths(scene: Scene) -> list[str]:
    """All pages, with data."""
    filled = {
        "/messages/{id}": f"/messages/{scene.sent}",
        "/phones/{phone}": f"/phones/{PHONE}",
        "/queue/confirm": "/queue/confirm?verb=cancel&account=shop",
        "/search": "/search?q=nothing-like-this",
    }
    return [filled.get(path, path) for path in PAGES]


async def test_every_page_answers_those_who_logged_in_and_nobody_else(scene: Scene) -> None:
    async with httpx.AsyncClient(base_url=scene.url) as stranger:
        for path in paths(scene):
            answer = await stranger.get("/console" + path)
            assert answer.status_code == 303
            assert answer.headers["location"].startswith("/console/login?next=")
    async with logged_in(scene.url, VIEW) as client:
        for path in paths(scene):
            answer = await client.get("/console" + path)
            assert (path, answer.status_code) == (path, 200)
            # A viewer gets no form that changes anything.
            forms = answer.text.count('method="post"')
            texts = answer.text.count("/text")
            assert forms - texts == 1, path  # the form for logging out


async def test_every_answer_has_the_headers_that_keep_others_out(scene: Scene) -> None:
    async with logged_in(scene.url, OPERATE) as client:
        some = ["/", "/console/login", "/console/queue", "/console/messages/1", "/console/none"]
        for path in [*some, "/console/static/console.css", "/console/static/none"]:
            answer = await client.get(path)
            policy = answer.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'")
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-content-type-options"] == "nosniff"


async def test_nothing_stands_inline(scene: Scene) -> None:
    async with logged_in(scene.url, OPERATE) as client:
        for path in paths(scene):
            text = (await client.get("/console" + path)).text
            assert " style=" not in text
            assert "<style" not in text
            assert " onclick=" not in text
            assert text.count("<script") == 1


async def test_a_change_needs_a_page_of_the_console(scene: Scene) -> None:
    async with logged_in(scene.url, OPERATE) as client:
        form = {"scope": "account", "name": "crm"}
        for site in ("cross-site", "same-site", "none"):
            answer = await client.post(
                "/console/holds/hold", data=form, headers={"Sec-Fetch-Site": site}
            )
            assert answer.status_code == 403
        del client.headers["Sec-Fetch-Site"]
        assert (await client.post("/console/holds/hold", data=form)).status_code == 403
        elsewhere = {"Origin": "https://elsewhere.example"}
        answer = await client.post("/console/holds/hold", data=form, headers=elsewhere)
        assert answer.status_code == 403
        answer = await client.post("/console/holds/hold", data=form, headers={"Origin": scene.url})
        assert answer.status_code == 303
    await scene.bridge.event("audit", action="hold", scope="account")


async def test_a_view_token_changes_nothing(scene: Scene) -> None:
    async with logged_in(scene.url, VIEW) as client:
        for path, form in (
            ("/queue/cancel", {"account": "shop"}),
            ("/holds/release", {"scope": "account", "name": "shop"}),
            ("/sessions/close", {"id": "1"}),
            ("/blocked/lift", {"address": "127.0.0.1"}),
            ("/directory/add-group", {"account": "crm", "name": "x"}),
        ):
            answer = await client.post("/console" + path, data=form)
            assert answer.status_code == 403
            assert "may only read" in answer.text


async def test_wrong_tokens_are_counted_and_then_blocked(tmp_path: Path) -> None:
    async with (
        serving(write_config(tmp_path, "http://127.0.0.1:9")) as bridge,
        httpx.AsyncClient(base_url=await bridge.api(), headers=OWN) as client,
    ):
        statuses = []
        for _ in range(11):
            answer = await client.post("/console/login", data={"token": "guess"})
            statuses.append(answer.status_code)
        assert statuses == [401] * 10 + [429]
        assert "Too many wrong tokens" in answer.text
        right = await client.post("/console/login", data={"token": OPERATE})
        assert right.status_code == 429
        await bridge.event("token_refused", address="127.0.0.1")


async def test_after_login_the_page_that_was_asked_for_comes_and_no_other_site(
    scene: Scene,
) -> None:
    async with httpx.AsyncClient(base_url=scene.url, headers=OWN) as client:
        for next, to in (
            ("/console/queue?account=shop", "/console/queue?account=shop"),
            ("https://elsewhere.example/", "/console/"),
            ("//elsewhere.example/console/", "/console/"),
            ("/console/\\elsewhere", "/console/"),
            ("/console/\r\nSet-Cookie: a=b", "/console/"),
        ):
            answer = await client.post("/console/login", data={"token": VIEW, "next": next})
            assert answer.headers["location"] == to


async def test_logging_out_ends_the_session_whoever_kept_the_cookie(scene: Scene) -> None:
    async with logged_in(scene.url, VIEW) as client:
        kept = dict(client.cookies)
        await client.post("/console/logout")
        client.cookies.update(kept)
        assert (await client.get("/console/")).status_code == 303
        refreshed = await client.get("/console/", headers={"X-Refresh": "1"})
        assert refreshed.status_code == 401


async def test_a_refresh_has_the_contents_alone_and_shows_a_change_at_once(scene: Scene) -> None:
    async with logged_in(scene.url, OPERATE) as client:

        async def refresh() -> str:
            return (await client.get("/console/", headers={"X-Refresh": "1"})).text

        before = await refresh()
        assert 'Held accounts: <a href="/console/accounts">shop</a>.' in before
        assert "data-live" in before
        assert "<nav" not in before
        assert "token from" not in before, "who looks is not told to others"
        held = {"scope": "upstream", "name": "cascade", "back": "/"}
        assert (await client.post("/console/holds/hold", data=held, headers=OWN)).is_redirect
        assert 'aria-label="Release upstream cascade"' in await refresh()
        # The note of the change is for the page that the user loads.
        assert "cascade is held" in (await client.get("/console/")).text


async def test_another_token_ends_the_sessions(scene: Scene) -> None:
    async with logged_in(scene.url, VIEW) as client:
        assert (await scene.bridge.command("reload"))[0] == 0
        assert (await client.get("/console/")).status_code == 200
        change(scene.bridge, (f'"{VIEW}"', '"another-token"'))
        assert (await scene.bridge.command("reload"))[0] == 0
        assert (await client.get("/console/")).status_code == 303


async def test_a_filter_says_how_many_before_it_is_held_and_released(scene: Scene) -> None:
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


async def test_a_text_is_hidden_until_somebody_asks_and_the_log_says_who(scene: Scene) -> None:
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


async def test_the_page_of_events_lists_reads_of_texts_with_masked_phones(
    scene: Scene,
) -> None:
    async with logged_in(scene.url, VIEW) as client:
        await client.post(f"/console/messages/{scene.sent}/text")
        page = (await client.get("/console/events")).text
        assert "show_text" in page
        assert "log_in" in page
        assert "+3805******67" in page
        assert PHONE not in page


async def test_a_search_leads_to_a_message_by_id_and_to_a_number_in_any_form(
    scene: Scene,
) -> None:
    async with logged_in(scene.url, VIEW) as client:
        answer = await client.get("/console/search", params={"q": str(scene.sent)})
        assert answer.headers["location"] == f"/console/messages/{scene.sent}"
        for form in (PHONE, "050 123 45 67", "380501234567"):
            answer = await client.get("/console/search", params={"q": form})
            assert answer.headers["location"] == "/console/phones/" + quote(form, safe="")
            page = await client.get(answer.headers["location"])
            assert f"<h1>{PHONE}</h1>" in page.text


async def test_messages_from_the_phone_are_in_the_conversation(scene: Scene) -> None:
    assert await scene.say("Call me at noon") == 200
    async with logged_in(scene.url, VIEW) as client:
        page = (await client.get(f"/console/phones/{PHONE}")).text
        assert '<li class="in">' in page
        assert '<li class="out">' in page
        assert "Call me at noon" not in page
        asked = re.findall(r'action="/console(/messages/\d+/text)"', page)
        texts = [await client.post("/console" + path, data={"phone": PHONE}) for path in asked]
        # Both may be of the same second.
        said = [("Call me at noon" in one.text, TEXT.decode() in one.text) for one in texts]
        assert sorted(said) == [(False, True), (True, False)]


async def test_webhooks_are_shown_with_the_last_taken_and_why_others_were_refused(
    scene: Scene,
) -> None:
    async with logged_in(scene.url, VIEW) as client:
        page = (await client.get("/console/hooks")).text
        assert "Nothing was refused." in page
        await scene.say("hello")
        await scene.say("hello", secret="a-guess-of-a-secret")
        async with asyncio.timeout(60):  # refusals are stored every second
            while "wrong path or secret" not in page:
                page = (await client.get("/console/hooks")).text
        row = page.partition("messages from phones</th>")[2]
        assert row.startswith('<td class="n">1</td><td><time')
        assert "a-guess-of-a-secret" not in page
    code, said = await scene.bridge.command("hooks")
    assert code == 0
    assert "wrong path or secret" in said


async def test_a_number_is_put_on_the_black_list_and_taken_off(scene: Scene) -> None:
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


async def test_contacts_and_groups_come_and_go(scene: Scene) -> None:
    async with logged_in(scene.url, OPERATE) as client:
        await client.post("/console/directory/add-group", data={"account": "crm", "name": "VIP"})
        api = httpx.AsyncClient(base_url=scene.url, headers={"Authorization": f"Bearer {OPERATE}"})
        async with api:
            [group] = (await api.get("/api/v1/accounts/crm/groups")).json()
            assert group["name"] == "VIP"
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


async def test_failures_are_counted_by_reason_with_the_newest(scene: Scene) -> None:
    scene.sandbox.fault("400", count=1)
    answer = await scene.crm.ask("submit_sm", a_submit(to=b"380509999999"))
    assert answer.command_status
    async with logged_in(scene.url, VIEW) as client:
        page = (await client.get("/console/failures")).text
        assert "+380509999999" in page.partition("Refused, so that")[0]
        assert "wrong" in page.lower()  # the number that was refused before
    code, said = await scene.bridge.command("failures", "--account", "crm")
    assert code == 0
    assert "+380509999999" in said


async def test_the_report_of_a_day_counts_sent_and_failed_messages(scene: Scene) -> None:
    async with logged_in(scene.url, VIEW) as client:
        page = ""
        async with asyncio.timeout(60):  # refusals are stored every second
            while "1 wrong phone number" not in page:
                page = (await client.get("/console/accounts")).text
        told = page.partition("What they sent on a day")[2]
        rows = told.partition("<tbody>")[2].split("<tr>")[1:]
        cells = [re.findall(r"<t[hd][^>]*>([^<]*)", row) for row in rows]
        assert [row[:6] for row in cells] == [
            ["crm", "1", "1", "0", "0", "0"],
            ["shop", "20", "0", "0", "20", "0"],
        ]
        assert "1 wrong phone number" in rows[0]
        page = (await client.get("/console/accounts?day=2020-02-29")).text
        assert "Nothing was accepted" in page
        assert (await client.get("/console/accounts?day=none")).status_code == 200


async def test_what_is_not_there_is_said_on_a_page(scene: Scene) -> None:
    async with logged_in(scene.url, VIEW) as client:
        for path in ("/messages/1", "/queue/confirm?verb=none", "/directory?account=nobody"):
            answer = await client.get("/console" + path)
            assert answer.status_code == 404
            assert "Back to the overview" in answer.text
        assert Reason.NOT_FOUND.name not in answer.text


@pytest.mark.parametrize(("console", "status"), [("off", 404), ("anywhere", 200), ("private", 200)])
async def test_the_console_is_served_where_the_configuration_says(
    tmp_path: Path, console: str, status: int
) -> None:
    config = write_config(tmp_path, "http://127.0.0.1:9")
    text = config.read_text().replace("view_token", f'console = "{console}"\nview_token')
    config.write_text(text)
    async with (
        serving(config) as bridge,
        httpx.AsyncClient(base_url=await bridge.api()) as client,
    ):
        answer = await client.get("/console/login")
        assert answer.status_code == status


async def test_under_tls_the_cookie_belongs_to_this_host_alone(
    tmp_path: Path,
) -> None:
    certificate = make_certificate(tmp_path)
    config = write_config(tmp_path, "http://127.0.0.1:9")
    pair = f'certificate = "{certificate.certificate}"\nprivate_key = "{certificate.private_key}"\n'
    config.write_text(config.read_text().replace("view_token", f"{pair}view_token"))
    async with serving(config) as bridge:
        url = (await bridge.api()).replace("http:", "https:")
        trusted = certificate.context()
        async with httpx.AsyncClient(base_url=url, headers=OWN, verify=trusted) as client:
            answer = await client.post("/console/login", data={"token": VIEW})
            cookie = answer.headers["set-cookie"]
            assert cookie.startswith("__Host-cascade-bridge-session=")
            assert "; Secure" in cookie
            assert "; HttpOnly" in cookie
            assert (await client.get("/console/")).status_code == 200

"""The pages of the console: what each shows."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import quote

import httpx

from bridge.admin.answers import PhoneStory
from bridge.admin.console.pages import PAGES, _conversation
from bridge.model.failure import Reason
from tests.admin.console.scene import PHONE, TEXT, Scene, logged_in
from tests.serving.daemon import OPERATE, VIEW
from tests.smpp.peer import a_submit

OWN = {"Sec-Fetch-Site": "same-origin"}


def paths(scene: Scene) -> list[str]:
    """All pages, with data."""
    filled = {
        "/messages/{id}": f"/messages/{scene.sent}",
        "/phones/{phone}": f"/phones/{PHONE}",
        "/queue/confirm": "/queue/confirm?verb=cancel&account=shop",
        "/search": "/search?q=nothing-like-this",
    }
    return [filled.get(path, path) for path in PAGES]


async def test_every_page_needs_a_login(scene: Scene) -> None:
    async with httpx.AsyncClient(base_url=scene.url, timeout=30) as stranger:
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


async def test_no_page_has_inline_scripts_or_styles(scene: Scene) -> None:
    async with logged_in(scene.url, OPERATE) as client:
        for path in paths(scene):
            text = (await client.get("/console" + path)).text
            assert " style=" not in text
            assert "<style" not in text
            assert " onclick=" not in text
            assert text.count("<script") == 1


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


async def test_accepted_webhooks_are_counted_and_refused_ones_have_their_reason(
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
        assert re.match(r'<td class="n">\d+</td><td><time', row)
        assert "a-guess-of-a-secret" not in page
    code, said = await scene.bridge.command("hooks")
    assert code == 0
    assert "wrong path or secret" in said


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


async def test_what_is_not_found_has_a_page_that_says_so(scene: Scene) -> None:
    async with logged_in(scene.url, VIEW) as client:
        for path in ("/messages/1", "/queue/confirm?verb=none", "/directory?account=nobody"):
            answer = await client.get("/console" + path)
            assert answer.status_code == 404
            assert "Back to the overview" in answer.text
        assert Reason.NOT_FOUND.name not in answer.text


def test_the_latest_of_a_conversation_comes_first() -> None:
    story = PhoneStory(
        PHONE,
        [{"accepted_at": "2026-01-01T00:00:00Z"}, {"accepted_at": "2026-01-03T00:00:00Z"}],
        [{"received_at": "2026-01-02T00:00:00Z"}],
        [],
        {},
    )
    assert [one["at"][8:10] for one in _conversation(story)] == ["03", "02", "01"]

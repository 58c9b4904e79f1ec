"""The console over HTTP: logins, roles, headers, and where it is served."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.admin.console.scene import Scene, logged_in
from tests.running import running
from tests.serving.clients import change
from tests.serving.daemon import OPERATE, VIEW, write_config
from tests.smtp.conftest import make_certificate

OWN = {"Sec-Fetch-Site": "same-origin"}


async def test_every_answer_has_the_headers_of_security(scene: Scene) -> None:
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


async def test_a_change_must_come_from_a_page_of_the_console(scene: Scene) -> None:
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
        running(write_config(tmp_path, "http://127.0.0.1:9")) as bridge,
        httpx.AsyncClient(base_url=await bridge.api(), headers=OWN, timeout=30) as client,
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


async def test_a_login_leads_to_the_requested_page_and_to_no_other_site(
    scene: Scene,
) -> None:
    async with httpx.AsyncClient(base_url=scene.url, headers=OWN, timeout=30) as client:
        for next, to in (
            ("/console/queue?account=shop", "/console/queue?account=shop"),
            ("https://elsewhere.example/", "/console/"),
            ("//elsewhere.example/console/", "/console/"),
            ("/console/\\elsewhere", "/console/"),
            ("/console/\r\nSet-Cookie: a=b", "/console/"),
        ):
            answer = await client.post("/console/login", data={"token": VIEW, "next": next})
            assert answer.headers["location"] == to


async def test_after_logging_out_a_kept_cookie_is_worthless(scene: Scene) -> None:
    async with logged_in(scene.url, VIEW) as client:
        kept = dict(client.cookies)
        await client.post("/console/logout")
        client.cookies.update(kept)
        assert (await client.get("/console/")).status_code == 303
        refreshed = await client.get("/console/", headers={"X-Refresh": "1"})
        assert refreshed.status_code == 401


async def test_a_refresh_has_only_the_contents_and_shows_a_change_at_once(scene: Scene) -> None:
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


async def test_a_new_token_ends_the_sessions(scene: Scene) -> None:
    async with logged_in(scene.url, VIEW) as client:
        assert (await scene.bridge.command("reload"))[0] == 0
        assert (await client.get("/console/")).status_code == 200
        change(scene.bridge, (f'"{VIEW}"', '"another-token"'))
        assert (await scene.bridge.command("reload"))[0] == 0
        assert (await client.get("/console/")).status_code == 303


@pytest.mark.parametrize(("console", "status"), [("off", 404), ("anywhere", 200), ("private", 200)])
async def test_the_console_is_served_where_the_configuration_says(
    tmp_path: Path, console: str, status: int
) -> None:
    config = write_config(tmp_path, "http://127.0.0.1:9")
    text = config.read_text().replace("view_token", f'console = "{console}"\nview_token')
    config.write_text(text)
    async with (
        running(config) as bridge,
        httpx.AsyncClient(base_url=await bridge.api(), timeout=30) as client,
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
    async with running(config) as bridge:
        url = (await bridge.api()).replace("http:", "https:")
        trusted = certificate.context()
        async with httpx.AsyncClient(
            base_url=url, headers=OWN, verify=trusted, timeout=30
        ) as client:
            answer = await client.post("/console/login", data={"token": VIEW})
            cookie = answer.headers["set-cookie"]
            assert cookie.startswith("__Host-cascade-bridge-session=")
            assert "; Secure" in cookie
            assert "; HttpOnly" in cookie
            assert (await client.get("/console/")).status_code == 200

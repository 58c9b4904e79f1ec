"""The console in a real Chromium: normal use, keyboard, screen readers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.admin.console.browser import ConsoleBrowser, axe_source, browsing
from tests.admin.console.scene import PHONE, TEXT, Scene, staged
from tests.serving.daemon import OPERATE, VIEW


class StagedScene:
    """The scene in its own event loop, so that tests can wait for the browser."""

    def __init__(self, folder: Path) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._context = staged(folder)
        self.scene: Scene = self.run(self._context.__aenter__())

    def run(self, running: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(running, self._loop).result(120)

    def end(self) -> None:
        self.run(self._context.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[StagedScene]:
    found = StagedScene(tmp_path)
    try:
        yield found
    finally:
        found.end()


@pytest.fixture
def browser(stage: StagedScene, tmp_path: Path) -> Iterator[ConsoleBrowser]:
    with browsing(tmp_path / "profile", stage.scene.url) as browser:
        yield browser


def pages(scene: Scene) -> dict[str, str]:
    """The pages by short names."""
    return {
        "overview": "/console/",
        "day": "/console/?span=day",
        "queue": "/console/queue",
        "queue-of-shop": "/console/queue?account=shop",
        "confirm": "/console/queue/confirm?verb=hold&account=shop",
        "message": f"/console/messages/{scene.sent}",
        "phone": f"/console/phones/{quote(PHONE, safe='')}",
        "failures": "/console/failures",
        "sessions": "/console/sessions",
        "accounts": "/console/accounts",
        "directory": "/console/directory?account=crm",
        "hooks": "/console/hooks",
        "events": "/console/events",
        "search": "/console/search?q=nothing-like-this",
    }


def test_every_page_under_traffic_says_nothing_in_the_browsers_console(
    stage: StagedScene, browser: ConsoleBrowser
) -> None:
    scene = stage.scene
    ended = threading.Event()

    async def traffic() -> None:
        number = 0
        while not ended.is_set() and number < 500:  # the account has a limit for the day
            number += 1
            await scene.submit(scene.crm, f"+38066{number:07}")

    sending = asyncio.run_coroutine_threadsafe(traffic(), stage._loop)
    try:
        browser.open("/console/")
        assert browser.path == "/console/login?next=%2Fconsole%2F"
        browser.log_in(OPERATE)
        browser.find("#refresh").click()
        for name, path in pages(scene).items():
            browser.open(path)
            assert browser.find("h1").text
            browser.keep(name)
        browser.open("/console/")
        waiting = browser.find("#live").text
        browser.until(lambda: browser.find("#live").text != waiting)
    finally:
        ended.set()
        sending.result(60)
    assert browser.complaints() == []


def test_axe_finds_nothing_serious_in_light_and_dark_wide_and_narrow(
    stage: StagedScene, browser: ConsoleBrowser
) -> None:
    axe = axe_source()
    browser.open("/console/login")
    assert browser.violations(axe) == []
    browser.log_in(OPERATE)
    for scheme, width in (("light", 1280), ("dark", 1280), ("light", 375)):
        browser.scheme(scheme)
        browser.width(width)
        for name, path in pages(stage.scene).items():
            browser.open(path)
            assert browser.violations(axe) == [], (name, scheme, width)
            browser.keep(f"{name}-{scheme}-{width}")


def test_no_page_is_wider_than_a_phone(stage: StagedScene, browser: ConsoleBrowser) -> None:
    browser.log_in(OPERATE)
    browser.width(360)
    for name, path in pages(stage.scene).items():
        browser.open(path)
        wide = browser.driver.execute_script(
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide <= 0, name


def test_a_wrong_token_says_so_and_many_block_the_address(browser: ConsoleBrowser) -> None:
    browser.log_in("guess")
    assert browser.find("[role=alert]").text == "This token is wrong."
    for _ in range(10):
        browser.log_in("guess")
    assert "Too many wrong tokens" in browser.find("[role=alert]").text
    browser.log_in(OPERATE)
    assert "Too many wrong tokens" in browser.find("[role=alert]").text


def test_a_view_token_shows_no_buttons(stage: StagedScene, browser: ConsoleBrowser) -> None:
    browser.log_in(VIEW)
    for path in pages(stage.scene).values():
        browser.open(path)
        words = {one.text for one in browser.all("main button, main .button")}
        assert words <= {"Filter", "Show", "Show the text"}


def test_a_campaign_is_held_and_released_by_its_filter(
    stage: StagedScene, browser: ConsoleBrowser
) -> None:
    browser.log_in(OPERATE)
    browser.press("Queue")
    browser.find("select[name=type]").send_keys("promo")
    browser.press("Filter")
    assert "20 messages found" in browser.text
    browser.press("Hold…")
    assert "Hold 20 messages?" in browser.text
    browser.press("Hold 20 messages")
    assert "20 messages held." in browser.text
    browser.open("/console/queue?type=promo&state=held")
    browser.press("Release…")
    browser.press("Release 20 messages")
    assert "20 messages released." in browser.text
    browser.open("/console/queue?type=promo")
    browser.press("Cancel…")
    assert "This cannot be undone." in browser.text
    browser.press("Cancel 20 messages")
    assert "Nothing waits and nothing is held." in browser.text
    assert browser.complaints() == []


def test_a_search_leads_to_the_conversation_and_its_text_is_shown_when_asked_for(
    stage: StagedScene, browser: ConsoleBrowser
) -> None:
    scene = stage.scene
    browser.log_in(VIEW)
    browser.find("#q").send_keys("050 123 45 67")
    browser.press("Search")
    assert browser.find("h1").text == PHONE
    assert TEXT.decode() not in browser.text
    browser.press("Show the text")
    assert TEXT.decode() in browser.text
    browser.press(str(scene.sent))
    assert "view token from 127.0.0.1 in the console" in browser.text
    assert "the API took it" in browser.text
    stage.run(scene.bridge.event("audit", action="show_text", id=scene.sent))


def test_a_session_is_closed(stage: StagedScene, browser: ConsoleBrowser) -> None:
    browser.log_in(OPERATE)
    browser.press("Sessions")
    rows = browser.all("tbody tr")
    assert len(rows) == 2
    name = browser.find("tbody button").get_attribute("aria-label")
    assert name
    browser.press(name)
    assert "is closed." in browser.text

    def left() -> int:
        browser.open("/console/sessions")
        return len(browser.all("tbody tr"))

    browser.until(lambda: left() == 1)


def test_the_keyboard_alone_logs_in_walks_and_changes(browser: ConsoleBrowser) -> None:
    def press(*keys: str) -> None:
        ActionChains(browser.driver).send_keys(*keys).perform()

    def focused() -> str:
        return str(
            browser.driver.execute_script(
                "const one = document.activeElement;"
                "return one.getAttribute('aria-label') || one.textContent.trim() || one.id"
            )
        )

    def walk(to: str) -> None:
        for _ in range(80):
            if focused() == to:
                outline = browser.driver.execute_script(
                    "return getComputedStyle(document.activeElement).outlineStyle"
                )
                assert outline != "none", to
                return
            press(Keys.TAB)
        raise AssertionError(f"the keyboard does not reach {to}")

    browser.open("/console/login")
    press(OPERATE, Keys.ENTER)
    browser.until(lambda: browser.path == "/console/")
    press(Keys.TAB)
    assert focused() == "Skip to the page"
    walk("Accounts")
    press(Keys.ENTER)
    browser.until(lambda: browser.path == "/console/accounts")
    walk("Hold account crm")
    press(Keys.ENTER)
    browser.until(lambda: "The account crm is held" in browser.text)


def test_a_refresh_keeps_the_focus_and_announces_what_changed(
    stage: StagedScene, browser: ConsoleBrowser
) -> None:
    scene = stage.scene
    browser.log_in(OPERATE)
    browser.open("/console/queue")
    browser.find("#refresh").click()
    assert browser.find("#refresh").get_attribute("aria-pressed") == "true"
    browser.driver.execute_script("document.querySelector('#found .bulk a').focus()")
    stage.run(scene.submit(scene.shop, "+380671111111"))
    announce = browser.find("#announce")
    browser.until(lambda: "21 messages in the queue" in str(announce.get_attribute("textContent")))
    assert announce.get_attribute("aria-live") == "polite"
    assert browser.driver.switch_to.active_element.text == "Hold…"
    browser.find("#refresh").click()
    assert browser.find("#refresh").get_attribute("aria-pressed") == "false"


def test_without_javascript_every_page_and_a_bulk_change_work(
    stage: StagedScene, tmp_path: Path
) -> None:
    with browsing(tmp_path / "plain", stage.scene.url, scripts=False) as browser:
        browser.open("/console/login")
        browser.find("#token").send_keys(OPERATE + Keys.ENTER)
        browser.until(lambda: browser.path == "/console/")
        for path in pages(stage.scene).values():
            browser.open(path)
            assert browser.find("h1").text
        assert not browser.find("#refresh").is_displayed()
        browser.open("/console/queue/confirm?verb=cancel&account=shop")
        browser.find("main form button").click()
        browser.until(lambda: browser.path == "/console/queue")
        assert "20 messages cancelled." in browser.text

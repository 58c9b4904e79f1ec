"""A real Chromium, used as a person at the keyboard would."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests.support import missing, node_package

_FLAGS: Final = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--window-size=1280,900"),
)
#: The folder for screenshots, if any.
SCREENSHOTS: Final = os.environ.get("SCREENSHOTS", "")
_WITHIN: Final = 60


class ConsoleBrowser:
    """One window. ``url`` is the console's, without a path."""

    def __init__(self, driver: Chrome, url: str) -> None:
        self.driver = driver
        self.url = url

    def open(self, path: str) -> None:
        self.driver.get(self.url + path)

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def press(self, word: str) -> None:
        """Clicks the first button or link with this name or label, and waits for the next page."""
        said = f"normalize-space()='{word}' or @aria-label='{word}'"
        found = self.driver.find_element(By.XPATH, f"//*[self::button or self::a][{said}]")
        page = self.find("html")
        found.click()
        self.until(lambda: gone(page))

    def until(self, met: Any) -> Any:
        return WebDriverWait(self.driver, _WITHIN).until(lambda _: met())

    @property
    def text(self) -> str:
        return self.find("main").text

    @property
    def path(self) -> str:
        return self.driver.current_url.removeprefix(self.url)

    def log_in(self, token: str) -> None:
        self.open("/console/login")
        self.find("#token").send_keys(token)
        self.press("Log in")

    def complaints(self) -> list[str]:
        """The browser's console messages since the last call."""
        return [
            str(one["message"])
            for one in self.driver.execute("getLog", {"type": "browser"})["value"]
        ]

    def keep(self, name: str) -> None:
        """Saves a screenshot, if there is a folder for them."""
        if SCREENSHOTS:
            Path(SCREENSHOTS).mkdir(parents=True, exist_ok=True)
            self.driver.save_screenshot(f"{SCREENSHOTS}/{name}.png")

    def width(self, width: int, height: int = 900) -> None:
        """Sets the width of the window (a real one has a minimum)."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def scheme(self, name: str) -> None:
        features = [{"name": "prefers-color-scheme", "value": name}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def violations(self, axe: str) -> list[str]:
        """The serious violations that axe finds on this page."""
        found = self.driver.execute_async_script(
            axe + ";const done = arguments[arguments.length - 1]; axe.run(document).then(done);"
        )
        return [
            f"{one['id']}: {node['html']}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]


def gone(element: WebElement) -> bool:
    """Whether the browser has left the page of an element."""
    try:
        element.is_enabled()
    except Exception as error:  # noqa: BLE001 - which one depends on when it is asked
        return "stale" in str(error).lower() or "does not belong" in str(error).lower()
    return False


def axe_source() -> str:
    """axe-core, from npm."""
    node = node_package("axe-core")
    found = subprocess.run(
        [node, "-p", "require.resolve('axe-core/axe.min.js')"],
        capture_output=True,
        check=True,
        text=True,
    )
    return Path(found.stdout.strip()).read_text("utf-8")


@contextmanager
def browsing(folder: Path, url: str, *, scripts: bool = True) -> Iterator[ConsoleBrowser]:
    """A Chromium with a profile of its own."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        missing("chromium with chromium-driver")
    options = ChromeOptions()
    options.binary_location = chromium
    for flag in (*_FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    if not scripts:
        prefs = {"profile.managed_default_content_settings.javascript": 2}
        options.add_experimental_option("prefs", prefs)
    chrome = Chrome(options=options, service=Service(driver))
    try:
        yield ConsoleBrowser(chrome, url)
    finally:
        chrome.quit()

"""The tests of ``check --connect``: listeners, certificates, the API and its key, smarthost, store
and disk.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import smtplib
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx

from bridge.cascade.client import credentials
from bridge.cascade.wire import STATUS_PATH
from bridge.config.settings import Endpoint, Settings
from bridge.net.certificates import expires_at
from bridge.store import StoreError
from bridge.store.directory.verb import Statement, Verb
from bridge.store.engines import engine_of, file_of

#: The least remaining validity of a certificate (days).
DAYS = 14
#: The least free space for the store (octets).
ROOM = 500 * 1024 * 1024
_WITHIN = 5.0


class Tried(NamedTuple):
    """The result of one test: its subject, whether it is good, and a finding."""

    what: str
    good: bool
    says: str


def try_all(settings: Settings) -> Iterator[Tried]:
    """Runs all tests, one after the other."""
    yield from _listeners(settings)
    yield from _certificates(settings)
    yield from _api(settings)
    if settings.reports.smarthost:
        yield _smarthost(settings.reports.smarthost)
    yield from asyncio.run(_store(settings))
    if settings.store.url.startswith("sqlite:"):
        yield _disk(Path(settings.store.url.removeprefix("sqlite:///")))


def _listeners(settings: Settings) -> Iterator[Tried]:
    found = [
        ("smtp", settings.smtp.listen, b"220"),
        ("smtp", settings.smtp.tls_listen, b""),
        ("lmtp", settings.smtp.lmtp_listen, b"220"),
        ("smpp", settings.smpp.listen, b""),
        ("smpp", settings.smpp.tls_listen, b""),
        ("hooks", settings.hooks.listen if settings.hooks.secret else [], b""),
        ("admin", settings.admin.listen, b""),
        ("smsc", settings.smsc.listen, b""),
        ("smsc", settings.smsc.tls_listen, b""),
    ]
    for name, endpoints, greeting in found:
        for endpoint in endpoints:
            yield _listener(f"{name} {endpoint}", endpoint, greeting)


def _listener(what: str, endpoint: Endpoint, greeting: bytes) -> Tried:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(endpoint.host, endpoint.host)  # noqa: S104
    try:
        with socket.create_connection((host, endpoint.port), _WITHIN) as connection:
            said = connection.recv(200) if greeting else b""
    except OSError as error:
        return Tried(what, False, f"does not answer: {error.strerror or error}")
    good = said.startswith(greeting)
    return Tried(what, good, "answers" if good else f"says {said.decode(errors='replace').strip()}")


def _certificates(settings: Settings) -> Iterator[Tried]:
    files = {
        table.certificate
        for table in (settings.smtp, settings.smpp, settings.admin, settings.hooks, settings.smsc)
        if table.certificate is not None
    }
    for file in sorted(files):
        try:
            end = expires_at(file)
        except (OSError, ValueError) as error:
            yield Tried(f"certificate {file}", False, str(error))
            continue
        left = (end - datetime.now(UTC)).days
        yield Tried(f"certificate {file}", left >= DAYS, f"ends {end:%Y-%m-%d}, in {left} days")


def _api(settings: Settings) -> Iterator[Tried]:
    """Requests the status of an unknown message, which tests the key; and compares the clocks.
    Nothing is sent."""
    url = settings.cascade.base_url
    what = f"API {urlsplit(url).hostname}"
    headers = credentials(settings.cascade)
    try:
        answer = httpx.get(
            f"{url.rstrip('/')}{STATUS_PATH}0", headers=headers, timeout=_WITHIN, trust_env=False
        )
    except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as error:
        yield Tried(what, False, f"cannot be reached: {type(error).__name__}: {error}")
        return
    if answer.status_code in (401, 403):
        yield Tried(what, False, f"refuses the key: HTTP {answer.status_code}")
    else:
        good = answer.status_code < 500
        # The message in the question does not exist: an error of the client is the right answer.
        says = "takes the key" if good else f"answers HTTP {answer.status_code}"
        yield Tried(what, good, says)
    with suppress(KeyError, ValueError):
        yield _clock("the API's", parsedate_to_datetime(answer.headers["Date"]).timestamp(), 60)


def _clock(whose: str, theirs: float, most: float) -> Tried:
    """This machine's clock beside another one (Unix time), with the largest good difference."""
    skew = time.time() - theirs
    where = "ahead of" if skew > 0 else "behind"
    says = f"{abs(skew):.0f} s {where} {whose}" if abs(skew) >= 1 else f"agrees with {whose}"
    return Tried("clock", abs(skew) <= most, says)


def _smarthost(address: str) -> Tried:
    host, _, port = address.rpartition(":")
    what = f"smarthost {address}"
    try:
        with smtplib.SMTP(host.strip("[]"), int(port), timeout=_WITHIN) as smtp:
            code, text = smtp.ehlo()
    except (OSError, smtplib.SMTPException) as error:
        return Tried(what, False, f"does not answer: {error.strerror or error}")
    first = text.decode(errors="replace").splitlines()[:1]
    return Tried(what, code == 250, f"greets: {code} {' '.join(first)}")


def _database_time() -> Verb[float]:
    [[now]] = yield Statement("SELECT extract(epoch FROM clock_timestamp())::float8")
    return float(now)


async def _store(settings: Settings) -> list[Tried]:
    """Whether the store answers; with several nodes, also its clock, by which all of them go."""
    theirs = None
    began = time.monotonic()
    try:
        store = engine_of(settings.store.url, settings.store.lease)
        try:
            await store.open_reading()
            await store.holds()
            took = time.monotonic() - began
            if file_of(settings.store.url) is None:
                theirs = await store.look_up(_database_time)
        finally:
            await store.close()
    except StoreError as error:
        return [Tried("store", False, str(error))]
    tried = [Tried("store", True, f"answers within {took * 1000:.0f} ms")]
    # With more than thirty seconds a node does not start.
    return tried if theirs is None else [*tried, _clock("the database's", theirs, 2)]


def _disk(file: Path) -> Tried:
    folder = file.parent
    try:
        room = shutil.disk_usage(folder).free
    except OSError as error:
        return Tried(f"disk {folder}", False, error.strerror or str(error))
    writable = os.access(folder, os.W_OK)
    says = f"{room // (1024 * 1024):,} MB free" + ("" if writable else "; may not be written to")
    return Tried(f"disk {folder}", room >= ROOM and writable, says)

"""Where console and API are served, and with which certificate."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
from pathlib import Path

import httpx
import pytest

from bridge.config.settings import parse_endpoint
from tests.running import Running, running
from tests.serving.clients import change
from tests.serving.daemon import VIEW, write_config
from tests.smtp.conftest import Certificate, make_certificate
from tests.support import missing


def own_address() -> str:
    """An address of this machine that is not the loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            missing("a network beside the loopback")
        return str(probe.getsockname()[0])


async def status(bridge: Running, path: str, scheme: str = "http") -> int:
    address = (await bridge.event("ready"))["admin"][0]
    headers = {"Authorization": f"Bearer {VIEW}"}
    async with httpx.AsyncClient(verify=False, headers=headers, timeout=30) as client:
        return (await client.get(f"{scheme}://{address}{path}")).status_code


@pytest.mark.parametrize(
    ("console", "tls", "served"),
    [
        ("private", False, 403),
        ("private", True, 200),
        ("anywhere", False, 200),
        ("off", True, 404),
    ],
)
async def test_off_loopback_the_console_is_served_with_tls_only_unless_told_otherwise(
    console: str, tls: bool, served: int, tmp_path: Path
) -> None:
    config = write_config(tmp_path, "http://127.0.0.1:9")
    text = config.read_text()
    head, admin, rest = text.partition("[admin]\n")
    rest = rest.replace("127.0.0.1:0", f"{own_address()}:0", 1)
    more = f'console = "{console}"\n'
    if tls:
        made = make_certificate(tmp_path)
        more += f'certificate = "{made.certificate}"\nprivate_key = "{made.private_key}"\n'
    config.write_text(head + admin + more + rest)
    scheme = "https" if tls else "http"
    async with running(config) as bridge:
        assert await status(bridge, "/console/login", scheme) == served
        # The API asks for its token anywhere.
        assert await status(bridge, "/api/v1/sessions", scheme) == 200


def presented(endpoint: str) -> bytes:
    """The certificate that a listener shows, as DER."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection(parse_endpoint(endpoint), 30) as plain,
        context.wrap_socket(plain) as secure,
    ):
        found = secure.getpeercert(binary_form=True)
        assert found is not None
        return found


def der(certificate: Certificate) -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificate.certificate.read_text())


async def test_a_reload_takes_over_a_new_certificate_and_a_wrong_one_changes_nothing(
    tmp_path: Path,
) -> None:
    pairs = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        pairs.append(make_certificate(tmp_path / name))
    first, second = pairs
    config = write_config(tmp_path, "http://127.0.0.1:9")
    files = f'certificate = "{first.certificate}"\nprivate_key = "{first.private_key}"\n'
    config.write_text(config.read_text().replace("[admin]\n", f"[admin]\n{files}"))
    async with running(config) as bridge:
        [endpoint] = (await bridge.event("ready"))["admin"]
        assert await asyncio.to_thread(presented, endpoint) == der(first)
        old = der(first)
        # A key that belongs to another certificate.
        shutil.copy(second.private_key, first.private_key)
        code, said = await bridge.command("reload")
        assert (code, "which does not belong to" in said) == (78, True), said
        assert await asyncio.to_thread(presented, endpoint) == old
        shutil.copy(second.certificate, first.certificate)
        assert (await bridge.command("reload"))[0] == 0
        assert await asyncio.to_thread(presented, endpoint) == der(second)
        change(bridge, (f'token = "{VIEW}"', 'token = "another-token"'))
        assert (await bridge.command("reload"))[0] == 0
        assert await status(bridge, "/api/v1/sessions", "https") == 401

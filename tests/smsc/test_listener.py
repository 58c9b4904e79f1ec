"""The listener of the dialect: TLS, proxies, networks, long requests, reload."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from contextlib import suppress
from pathlib import Path

import httpx

from tests.serving.daemon import Bridge
from tests.smsc.calling import FIRST, LOGIN, smsc
from tests.smtp.conftest import (  # noqa: F401 - a fixture
    Certificate,
    certificate,
    make_certificate,
)

BALANCE = "/sys/balance.php?login=crm&psw=secret12"


async def reload(bridge: Bridge) -> None:
    code, printed = await bridge.command("reload")
    assert code == 0, printed


async def talk(address: str, octets: bytes) -> bytes:
    """Sends the octets and returns the answer; empty if the connection is closed."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    said = b""
    with suppress(ConnectionError):
        async with asyncio.timeout(30):
            writer.write(octets)
            said = await reader.read()
    writer.close()
    return said


def request(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()


async def test_tls_and_a_new_certificate(
    tmp_path: Path,
    certificate: Certificate,  # noqa: F811
) -> None:
    files = Certificate(tmp_path / "current.pem", tmp_path / "current.key")
    for source, target in zip(certificate, files, strict=True):
        shutil.copy(source, target)
    more = (
        'tls_listen = ["127.0.0.1:0"]\n'
        f'certificate = "{files.certificate}"\nprivate_key = "{files.private_key}"'
    )
    async with smsc(tmp_path, more=more) as face:
        [_, address] = (await face.bridge.event("ready"))["smsc"]

        async def call(trust: ssl.SSLContext) -> str:
            async with httpx.AsyncClient(verify=trust, timeout=30) as client:
                return (await client.get(f"https://{address}{BALANCE}")).text

        assert await call(certificate.context()) == "0"
        (tmp_path / "second").mkdir()
        second = make_certificate(tmp_path / "second")
        for source, target in zip(second, files, strict=True):
            shutil.copy(source, target)
        await reload(face.bridge)
        assert await call(second.context()) == "0"
        # A client without TLS gets no answer, and does not affect others.
        assert b"200 OK" not in await talk(address, request(BALANCE))
        assert await call(second.context()) == "0"


async def test_a_proxy_says_who_calls(tmp_path: Path) -> None:
    more = 'proxies = ["127.0.0.1"]\nnetworks = ["192.0.2.0/24"]'
    async with smsc(tmp_path, more=more) as face:
        [address] = (await face.bridge.event("ready"))["smsc"]
        for source, answer in (
            ("192.0.2.7", b"\r\n0"),
            ("198.51.100.7", b"ERROR = 2 (authorise error)"),
        ):
            header = f"PROXY TCP4 {source} 127.0.0.1 40000 80\r\n".encode()
            assert (await talk(address, header + request(BALANCE))).endswith(answer)
        await face.bridge.event("call_refused", peer="198.51.100.7")
        # A proxy without a header is not treated as the client.
        assert b"200 OK" not in await talk(address, request(BALANCE))


async def test_a_reload_changes_networks_and_accounts(tmp_path: Path) -> None:
    async with smsc(tmp_path, more='networks = ["192.0.2.0/24"]') as face:
        assert await face.call("balance", fmt=1) == "0,-2"
        config = face.bridge.config
        config.write_text(config.read_text().replace("192.0.2.0/24", "127.0.0.0/8"))
        await reload(face.bridge)
        assert await face.call("balance", fmt=1) == "0"
        config.write_text(config.read_text().replace('"http", ', ""))
        await reload(face.bridge)
        assert await face.call("balance", fmt=1) == "0,-2"


async def test_a_call_that_cannot_be_read_is_refused_in_its_format(tmp_path: Path) -> None:
    error = '{\n"error": "parameters error",\n"error_code": 1\n}'
    json = {"content-type": "application/json"}
    form = {"content-type": "application/x-www-form-urlencoded"}
    multipart = {"content-type": "multipart/form-data; boundary=xYz"}

    def body_of(name: str, value: str) -> str:
        head = f'--xYz\r\nContent-Disposition: form-data; name="{name}"'
        return f"{head}\r\n\r\n{value}\r\n"

    async with smsc(tmp_path) as face:
        for target, headers, body, answer in (
            ("/rest/send/", json, "{", error),
            ("/rest/send/?fmt=1", json, "{", "0,-1"),
            ("/sys/send.php", form, "charset=ebcdic&fmt=3", error),
            ("/sys/send.php?fmt=1", form, "charset=ebcdic", "0,-1"),
            ("/sys/send.php", form, "charset=ebcdic&mes=fmt=3", "ERROR = 1 (parameters error)"),
            ("/sys/send.php", json, '{"charset": "ebcdic", "fmt": "3"}', error),
            ("/sys/send.php", json, '{"fmt":1,"phones":{}}', "0,-1"),
            ("/sys/send.php", multipart, body_of("fmt", "3") + body_of("charset", "ebcdic"), error),
            ("/sys/send.php", multipart, body_of("fmt", "1") + "--xYz\r\n:", "0,-1"),
        ):
            response = await face.client.post(target, headers=headers, content=body)
            assert response.text == answer, target


async def test_a_query_may_have_its_text_as_it_is(tmp_path: Path) -> None:
    text = "Привет HTTP/1.1 и мир"
    async with smsc(tmp_path) as face:
        [address] = (await face.bridge.event("ready"))["smsc"]
        for charset, python in (("windows-1251", "cp1251"), ("utf-8", "utf-8")):
            query = f"login=crm&psw=secret12&phones={FIRST}&mes={text}&charset={charset}&fmt=1&id=1"
            line = b"GET /sys/send.php?" + query.encode(python) + b" HTTP/1.1\r\n"
            said = await talk(address, line + b"Host: x\r\nConnection: close\r\n\r\n")
            assert said.endswith(b"\r\n\r\n1,1"), charset
        said = await talk(address, request(f"/sys/send.php?{query}".replace(text, "two words")))
        assert said.endswith(b"\r\n\r\n1,1")
        assert [message.text for message in face.sandbox.messages] == [text, text, "two words"]


async def test_slashes_count_once(tmp_path: Path) -> None:
    async with smsc(tmp_path) as face:
        [address] = (await face.bridge.event("ready"))["smsc"]
        for path in ("//sys/balance.php", "/sys//balance.php"):
            said = await talk(address, request(f"{path}?login=crm&psw=secret12"))
            assert said.endswith(b"\r\n\r\n0"), path


async def test_a_long_url_is_read(tmp_path: Path) -> None:
    async with smsc(tmp_path) as face:
        phones = ",".join(["12"] * 9_999 + [FIRST])
        query = LOGIN | {"phones": phones, "mes": "x", "fmt": "1", "id": "7"}
        response = await face.client.get("/sys/send.php", params=query)
        assert response.text == "7,1"


async def test_a_mistake_in_the_settings_has_an_answer_before_the_start(tmp_path: Path) -> None:
    async with smsc(tmp_path) as face:
        config = face.bridge.config
        config.write_text(config.read_text() + 'tls_listen = ["127.0.0.1:0"]\n')
        code, printed = await face.bridge.command("check")
        assert code == 78
        assert "smsc.tls_listen" in printed

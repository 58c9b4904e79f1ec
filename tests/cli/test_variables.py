"""``variables``: values of template variables are uploaded to the API."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.sandbox import Sandbox
from tests.night_calls.asking import said
from tests.running import Running, running
from tests.serving.clients import change
from tests.serving.daemon import write_config

UPLOAD = ("variables", "upload", "-", "--account", "crm")


@pytest.fixture
async def bridge(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Running]:
    config = write_config(tmp_path, sandbox.url, account="allow_variables = true")
    config.write_text(config.read_text() + '[accounts.erp]\npassword = "x"\nsender = "Shop"\n')
    async with running(config) as bridge:
        yield bridge


async def test_variables_are_uploaded_from_csv_and_json(bridge: Running, sandbox: Sandbox) -> None:
    csv = "id;type;value\r\n1;name;Анна\r\n2;url;https://example.com/2\r\n"
    assert await bridge.command(*UPLOAD, input=csv) == (0, "2 variables uploaded.\n")
    assert sandbox.variables[1] == {"id": 1, "type": "name", "value": "Анна"}
    one = [{"id": 1, "type": "name", "value": "Olena"}]
    for document in (one, {"variables": one}):
        code, output = await bridge.command(*UPLOAD, "--json", input=json.dumps(document))
        assert (code, json.loads(output)) == (0, {"count": 1})
    assert sandbox.variables[1]["value"] == "Olena"
    await bridge.event("audit", action="upload_variables", account="crm", variables=2)


async def test_many_are_uploaded_in_requests_of_a_thousand(
    bridge: Running, sandbox: Sandbox
) -> None:
    csv = "id,type,value\n" + "".join(f"{n},name,n{n}\n" for n in range(1, 1502))
    assert await bridge.command(*UPLOAD, input=csv) == (0, "1,501 variables uploaded.\n")
    assert len(sandbox.variables) == 1501
    await bridge.event("audit", action="upload_variables", variables=1000)
    await bridge.event("audit", action="upload_variables", variables=501)


@pytest.mark.parametrize(
    ("account", "given", "code", "words"),
    [
        ("erp", "id,type,value\n1,name,x\n", 1, "erp has no allow_variables"),
        ("crm", "id,type,value\n0,name,x\n", 64, "greater than or equal to 1"),
        ("crm", "id,type,value\n1,colour,x\n", 64, "'name', 'url' or 'short_url'"),
        ("crm", "id,value\n1,x\n", 65, "Every variable needs id, type and value: no 'type'"),
        ("crm", "id,type,value\nx,name,x\n", 65, "Every variable needs id, type and value"),
        ("crm", "[1]", 65, "Every variable needs id, type and value"),
        ("crm", '{"values": []}', 65, "no 'variables'"),
        ("nobody", "id,type,value\n1,name,x\n", 66, "no account nobody"),
    ],
)
async def test_what_cannot_be_uploaded_is_explained(
    account: str, given: str, code: int, words: str, bridge: Running, sandbox: Sandbox
) -> None:
    found = await bridge.command("variables", "upload", "-", "--account", account, input=given)
    assert found[0] == code, found[1]
    assert words in found[1]
    assert not sandbox.variables


async def test_the_refusal_of_the_api_is_shown(bridge: Running) -> None:
    change(bridge, ('"test-key"', '"wrong"'))
    await said(bridge, "reload")
    code, output = await bridge.command(*UPLOAD, input="id,type,value\n1,name,x\n")
    assert (code, "HTTP 401" in output) == (75, True), output


async def test_a_file_that_is_not_there_and_a_daemon_that_does_not_run(bridge: Running) -> None:
    code, output = await bridge.command("variables", "upload", "none.csv", "--account", "crm")
    assert (code, "No such file" in output) == (66, True)
    await bridge.terminate()
    code, output = await bridge.command(*UPLOAD, input="id,type,value\n1,name,x\n")
    assert (code, "the daemon does not run" in output) == (69, True)

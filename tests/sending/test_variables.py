"""Values of template variables, uploaded to the sandbox API."""

from __future__ import annotations

import json

import pytest

from bridge.config.settings import settings_from
from bridge.model.failure import Failure, Reason
from bridge.sandbox import Sandbox
from bridge.sending.upstream import upstream_lines
from bridge.sending.variables import upload
from tests.support import free_port

VARIABLE = {"id": 7, "type": "name", "value": "Olena"}


async def uploaded(url: str, *variables: object) -> None:
    settings = settings_from(
        {
            "cascade": {"base_url": url, "authorization_key": "key"},
            "accounts": {"crm": {"password": "secret12", "sender": "Shop"}},
        }
    )
    line = upstream_lines(settings)[""]
    try:
        await upload(line, json.dumps({"variables": variables}).encode())
    finally:
        await line.client.close()


async def test_variables_go_to_the_api_with_its_key(sandbox: Sandbox) -> None:
    await uploaded(sandbox.url, VARIABLE)
    assert sandbox.variables == {7: VARIABLE}


async def test_the_api_refuses_in_its_own_words(sandbox: Sandbox) -> None:
    with pytest.raises(Failure) as refused:
        await uploaded(sandbox.url, VARIABLE | {"type": ""})
    assert refused.value.reason is Reason.BAD_PARAMETER
    assert refused.value.cause.startswith("HTTP 400 1001")
    assert "type" in refused.value.description
    assert sandbox.variables == {}


async def test_a_wrong_key_is_no_mistake_of_the_caller() -> None:
    async with Sandbox(keys=["another"]) as sandbox:
        with pytest.raises(Failure) as refused:
            await uploaded(sandbox.url, VARIABLE)
    assert refused.value.reason is Reason.OPERATION_FAILED


async def test_an_api_that_is_not_there_is_a_failure() -> None:
    with pytest.raises(Failure) as refused:
        await uploaded(f"http://127.0.0.1:{free_port()}", VARIABLE)
    assert refused.value.reason is Reason.OPERATION_FAILED

"""The API against its own description (OpenAPI), by schemathesis."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import httpx
import pytest

from bridge.sandbox import Sandbox
from tests.serving.daemon import OPERATE, run, serving, write_config
from tests.store.conftest import database, postgres  # noqa: F401 - fixtures
from tests.support import missing

CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance"),
    *("response_headers_conformance", "response_schema_conformance", "unsupported_method"),
)
#: Requests made up for each operation and phase.
EXAMPLES = 10


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty store."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/bridge.db"
    url: str = request.getfixturevalue("database")
    return url


async def test_the_api_answers_as_its_description_says(store: str, tmp_path: Path) -> None:
    if importlib.util.find_spec("schemathesis") is None:
        missing("the PyPI package schemathesis")
    account = 'protocols = ["smtp", "smpp", "http"]\nanswer = "queued"'
    headers = {"Authorization": f"Bearer {OPERATE}"}
    async with Sandbox() as sandbox:
        config = write_config(tmp_path, sandbox.url, account=account)
        config.write_text(config.read_text().replace(f"sqlite:///{tmp_path}/bridge.db", store))
        async with serving(config) as bridge:
            api = f"{await bridge.api()}/api/v1"
            async with httpx.AsyncClient(headers=headers, base_url=api, timeout=30) as client:
                # Something to find, and something that is there already.
                sent = {"account": "crm", "to": "+380501234567", "text": "text"}
                assert (await client.post("/messages", json=sent)).status_code == 202
                group = {"name": "crm"}
                added = await client.post("/accounts/crm/groups", json=group)
                assert added.status_code == 200
                again = await client.post("/accounts/crm/groups", json=group)
                assert (again.status_code, again.json()["code"]) == (409, 5)
                for id in ("9" * 16, "9" * 19, "9" * 30, "%00"):
                    for path in (
                        *(f"/messages/{id}", f"/texts/{id}", f"/queue?id={id}"),
                        *(f"/messages?text={id}", f"/phones/{id}", f"/refusals?phone={id}"),
                        *(f"/accounts/crm/templates/{id}", f"/accounts/crm/imports/{id}"),
                        *(f"/accounts/crm/contacts?group={id}", f"/failures?reason={id}"),
                        *(f"/queue?sender={id}", f"/accounts/crm/contacts?search={id}"),
                    ):
                        answer = await client.get(path)
                        assert answer.status_code in (200, 400, 404), (path, answer.text)
                    for path, what in (
                        ("/accounts/crm/contacts/change", {"contact": id}),
                        ("/accounts/crm/contacts/delete", {"contacts": [id]}),
                    ):
                        answer = await client.post(path, json=what)
                        assert answer.status_code in (200, 400, 404), (path, answer.text)
                    answer = await client.delete(f"/accounts/crm/groups/{id}")
                    assert answer.status_code in (400, 404), answer.text
            code, said = await run(
                *(sys.executable, "-m", "schemathesis.cli", "run", f"{api}/openapi.json"),
                *("--header", f"Authorization: Bearer {OPERATE}", "--no-color"),
                # What stops the bridge has tests of its own.
                *("--exclude-path", "/api/v1/drain", "--checks", ",".join(CHECKS)),
                *("--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES)),
                *("--continue-on-failure", "--warnings", "off", "--seed", "1"),
                within=600,
            )
            assert code == 0, said
            assert re.search(r"Tested: +[4-9]\d\b", said), said
            assert not [e for e in bridge.events if e["event"] == "admin_request_failed"]
            assert (await bridge.command("top", "--once"))[0] == 0

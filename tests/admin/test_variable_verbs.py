"""The verb that uploads values of template variables."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from bridge.admin.variable_verbs import Variable
from bridge.model.failure import Failure, Reason
from bridge.sandbox import Sandbox
from tests.admin.controlling import BY, Controlled, controlling

NAMES = [Variable(1, "name", "Анна"), Variable(2, "url", "https://example.com")]


async def test_values_reach_the_api_and_the_log_has_their_number(
    verbs: Controlled, sandbox: Sandbox
) -> None:
    uploaded = await verbs.control.upload_variables(by=BY, account="crm", variables=NAMES)
    assert uploaded.count == 2
    assert sandbox.variables == {
        1: {"id": 1, "type": "name", "value": "Анна"},
        2: {"id": 2, "type": "url", "value": "https://example.com"},
    }
    assert verbs.audited() == [("upload_variables", BY, {"account": "crm", "variables": "2"})]


@pytest.mark.parametrize(
    ("account", "reason"), [("erp", Reason.PROHIBITED), ("nobody", Reason.NOT_FOUND)]
)
async def test_accounts_that_may_not_are_refused(
    verbs: Controlled, sandbox: Sandbox, account: str, reason: Reason
) -> None:
    with pytest.raises(Failure) as caught:
        await verbs.control.upload_variables(by=BY, account=account, variables=NAMES)
    assert caught.value.reason is reason
    assert not sandbox.variables
    assert verbs.audited() == []


async def test_an_upload_that_the_api_refuses_is_not_in_the_log(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    accounts = {"crm": {"allow_variables": True}}
    keys = {"authorization_key": "wrong"}
    async with controlling(tmp_path, sandbox, accounts=accounts, keys=keys) as verbs:
        with pytest.raises(Failure, match="HTTP 401"):
            await verbs.control.upload_variables(by=BY, account="crm", variables=NAMES)
        assert verbs.audited() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": 0, "type": "name", "value": "x"},
        {"id": 1 << 31, "type": "name", "value": "x"},
        {"id": 1, "type": "colour", "value": "x"},
        {"id": 1, "type": "name", "value": ""},
        {"id": 1, "type": "name", "value": "x" * 10_001},
    ],
)
def test_a_variable_has_an_id_a_type_and_a_value(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Variable).validate_python(wrong)

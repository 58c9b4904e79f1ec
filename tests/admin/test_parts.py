"""The parts of the daemon that the verbs use, and what they need of listeners and program."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import pytest

from bridge.admin.parts import DaemonParts, Lifecycle, Sessions
from bridge.app import App
from bridge.smpp.inbound.listener import SmppListener
from bridge.smtp.inbound.listener import SmtpListener
from tests.admin.controlling import Door


def methods(protocol: type[Any]) -> dict[str, Any]:
    return {
        name: found
        for name, found in inspect.getmembers(protocol, inspect.isfunction)
        if not name.startswith("_")
    }


@pytest.mark.parametrize(
    ("kind", "protocol"),
    [(SmtpListener, Sessions), (SmppListener, Sessions), (Door, Sessions), (App, Lifecycle)],
)
def test_listeners_and_program_have_what_the_verbs_call(
    kind: type[Any], protocol: type[Any]
) -> None:
    wanted = methods(protocol)
    assert wanted
    for name, method in wanted.items():
        found = inspect.signature(getattr(kind, name)).parameters
        assert list(found) == list(inspect.signature(method).parameters), name
        kinds = [(one.kind, one.default) for one in inspect.signature(method).parameters.values()]
        assert [(one.kind, one.default) for one in found.values()] == kinds, name


def test_no_part_is_replaced_while_the_daemon_runs() -> None:
    parameters: Any = DaemonParts
    assert parameters.__dataclass_params__.frozen
    for field in dataclasses.fields(DaemonParts):
        assert field.default is dataclasses.MISSING, f"{field.name} is completed later"

"""The audit events that the console shows."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.admin.audit_trail import AuditTrail
from tests.samples import NOW


def trail(*events: Mapping[str, object]) -> AuditTrail:
    audits = AuditTrail(lambda: NOW)
    for event in events:
        audits.watch("info", event)
    return audits


def test_only_audit_events_are_kept_the_newest_first() -> None:
    audits = trail(
        {"event": "audit", "action": "hold", "by": "root", "scope": "account", "name": "crm"},
        {"event": "ready"},
        {"event": "audit", "action": "reload", "by": "root"},
    )
    assert [one.action for one in audits.newest(10)] == ["reload", "hold"]
    assert audits.newest(10)[1].about == {"scope": "account", "name": "crm"}
    assert [one.action for one in audits.newest(1)] == ["reload"]


def test_phones_are_masked_and_empty_fields_left_out() -> None:
    event = {"event": "audit", "action": "erase", "by": "root", "phone": "+380501234567", "id": ""}
    [record] = trail(event).newest(1)
    assert record.about == {"phone": "+3805******67"}


def test_the_events_about_one_message() -> None:
    audits = trail(
        {"event": "audit", "action": "show_text", "by": "anna", "id": 7},
        {"event": "audit", "action": "show_text", "by": "anna", "id": 8},
    )
    assert [one.about["id"] for one in audits.newest(10, "7")] == ["7"]

"""Alerts of monitoring systems as texts."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.admin.alerts import read
from bridge.model.failure import Failure, Reason
from bridge.model.gsm0338 import count_parts


def text(*alerts: dict[str, Any], **more: Any) -> str:
    written = read({"alerts": list(alerts), **more}, ["+380501234567"], "Shop", 10).text
    assert written is not None
    return written


def test_an_alert_is_its_status_and_its_best_annotation() -> None:
    annotations = {"description": "long", "summary": "disk of  web1\nis full"}
    alert = {"status": "firing", "labels": {"alertname": "Disk"}, "annotations": annotations}
    assert text(alert) == "FIRING: disk of web1 is full"


def test_without_an_annotation_it_is_its_labels() -> None:
    labels = {"severity": "page", "alertname": "Disk", "instance": "web1", "team": "ops"}
    assert text({"status": "firing", "labels": labels}) == "FIRING: Disk web1 page"
    assert text({"status": "resolved"}) == "RESOLVED: an alert"


def test_firing_alerts_come_first_and_those_beyond_five_are_counted() -> None:
    alerts = [{"status": "resolved", "labels": {"alertname": "old"}}]
    alerts += [{"status": "firing", "labels": {"alertname": f"n{n}"}} for n in range(6)]
    lines = text(*alerts, truncatedAlerts=3).splitlines()
    assert lines == [*(f"FIRING: n{n}" for n in range(5)), "and 5 more"]


def test_the_message_goes_to_the_recipients_of_the_url() -> None:
    message = read({"alerts": [{"status": "firing"}]}, ["g7", "+380501234567"], "Shop", 10)
    assert (message.to, message.sender) == (["g7", "+380501234567"], "Shop")


def test_lines_are_cut_to_the_parts_of_the_account() -> None:
    long = {"status": "firing", "annotations": {"description": "диск " * 200}}
    short = {"status": "resolved", "annotations": {"summary": "web1"}}
    written = read({"alerts": [long, short, long]}, ["+380501234567"], "", 2).text
    first, second, third = written.splitlines()
    assert (first, third) == (second, "RESOLVED: web1")
    assert first.startswith("FIRING: диск диск диск")
    assert count_parts(written) == 2


@pytest.mark.parametrize(
    ("document", "written"),
    [
        ({"ruleName": "Disk of\n web1", "state": "alerting"}, "ALERTING: Disk of web1"),
        (
            {"ruleName": "Disk", "state": "no_data", "message": "call\nOps"},
            "NO DATA: Disk\ncall Ops",
        ),
        ({"ruleName": "Disk", "state": "ok", "title": "[OK] Disk", "evalMatches": []}, "OK: Disk"),
    ],
)
def test_a_notification_channel_of_grafana_sends_one_alert(
    document: dict[str, Any], written: str
) -> None:
    assert read(document, ["+380501234567"], "", 10).text == written


@pytest.mark.parametrize(
    "document",
    [[], {}, {"alerts": []}, {"alerts": [{"status": ""}]}, {"ruleName": "Disk"}, {"state": "ok"}],
)
def test_a_body_that_is_no_group_of_alerts_is_refused(document: Any) -> None:
    with pytest.raises(Failure) as caught:
        read(document, ["+380501234567"], "", 10)
    assert caught.value.reason is Reason.BAD_PARAMETER

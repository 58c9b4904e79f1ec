"""Webhooks of Prometheus' Alertmanager and of Grafana: an alert becomes a message.

Both send one JSON object with a list ``alerts``: Alertmanager in its format 4, Grafana in the same
with fields of its own, which are ignored. A notification channel of Grafana up to 10, whose rules
belong to panels, sends one alert with other fields.
"""

from __future__ import annotations

from bisect import bisect
from typing import Any, Final

from pydantic import BaseModel, Field, ValidationError

from bridge.admin.messages import PostedMessage, invalid
from bridge.model.gsm0338 import count_parts

#: Most alerts listed in a text; the others are counted.
_NAMED: Final = 5
#: The annotations that describe the problem, the best first.
_WORDS: Final = ("summary", "message", "description")
#: The labels that are used without such an annotation.
_LABELS: Final = ("alertname", "instance", "job", "severity")


class Alert(BaseModel):
    """One alert: ``status`` is ``firing`` or ``resolved``."""

    status: str = Field(min_length=1, max_length=20)
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}

    @property
    def line(self) -> str:
        """The alert in one line: ``FIRING: disk of web1 is full``."""
        words = next(filter(None, map(self.annotations.get, _WORDS)), "")
        labels = " ".join(filter(None, map(self.labels.get, _LABELS)))
        return f"{self.status.upper()}: {' '.join((words or labels).split()) or 'an alert'}"


class PostedAlerts(BaseModel):
    """The body of a webhook: one group of alerts. ``truncatedAlerts`` is the number of omitted
    ones."""

    alerts: list[Alert] = Field(min_length=1, max_length=10_000)
    truncated: int = Field(0, ge=0, alias="truncatedAlerts")

    @property
    def lines(self) -> list[str]:
        """A line for each of the first alerts, firing ones before resolved ones."""
        alerts = sorted(self.alerts, key=lambda alert: alert.status != "firing")
        lines = [alert.line for alert in alerts[:_NAMED]]
        if more := len(alerts[_NAMED:]) + self.truncated:
            lines.append(f"and {more} more")
        return lines


class PanelAlert(BaseModel):
    """The body of a notification channel of Grafana: the change of one rule. ``state`` is
    ``alerting``, ``ok`` or ``no_data``."""

    rule: str = Field(min_length=1, alias="ruleName")
    state: str = Field(min_length=1, max_length=20)
    message: str = ""

    @property
    def lines(self) -> list[str]:
        """The state and the rule, and on the next line its message."""
        state = self.state.replace("_", " ").upper()
        lines = (f"{state}: {self.rule}", self.message)
        return list(filter(None, (" ".join(line.split()) for line in lines)))


def read(document: Any, to: list[str], sender: str, max_parts: int) -> PostedMessage:
    """The message to send; raises Failure(BAD_PARAMETER).

    The lines are cut so that they fit in ``max_parts``, whatever the account's ``long_text`` says:
    the systems would repeat a refused alert in vain, and nobody would be called.
    """
    of_panel = isinstance(document, dict) and "ruleName" in document and "alerts" not in document
    try:
        lines = (PanelAlert if of_panel else PostedAlerts).model_validate(document).lines
        return PostedMessage(to=to, text=_fitting(lines, max_parts), sender=sender)
    except ValidationError as error:
        raise invalid(error) from None


def _fitting(lines: list[str], max_parts: int) -> str:
    """As much of each line as fits in these parts."""

    def text(width: int) -> str:
        return "\n".join(line[:width] for line in lines)

    widths = range(max(map(len, lines)) + 1)
    return text(bisect(widths, max_parts, key=lambda width: count_parts(text(width))) - 1)

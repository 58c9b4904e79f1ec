"""Complete messages, submissions and accounts for tests; tests give the fields that matter."""

from __future__ import annotations

from typing import Any

from bridge.accounts.accounts import Account
from bridge.config.settings import AccountSettings
from bridge.model.message import (
    Message,
    MessageType,
    Protocol,
    Receipts,
    Recipient,
    Route,
    Submission,
)

#: 2026-01-01T00:00:00Z, the time in tests with their own clock.
NOW = 1_767_225_600


def message(id: int, **fields: Any) -> Message:
    values: dict[str, Any] = {
        "id": id,
        "submission_id": id,
        "account": "crm",
        "protocol": Protocol.SMPP,
        "peer": "127.0.0.1",
        "phone": "+380501234567",
        "sender": "Shop",
        "message_type": MessageType.TRANSACTION,
        "text": f"text {id}",
        "options": (),
        "fallback": "",
        "route": Route.ASYNC,
        "level": 4,
        "parts": 1,
        "accepted_at": NOW,
        "due_at": NOW,
        "scheduled_at": None,
        "expires_at": NOW + 86400,
        "receipts": Receipts.NONE,
        "reference": "",
    }
    return Message(**(values | fields))


def account(name: str = "crm", **settings: Any) -> Account:
    values = {"password": "secret", "sender": "Shop", "senders": ["Shop", "Shop UA"]}
    return Account(name, AccountSettings.model_validate(values | settings))


def submission(*phones: str, **fields: Any) -> Submission:
    values: dict[str, Any] = {
        "protocol": Protocol.SMPP,
        "recipients": tuple(map(Recipient, phones or ("+380501234567",))),
        "text": "Your code is 1234",
    }
    return Submission(**(values | fields))


def numbered(n: int, **fields: Any) -> Submission:
    """The n-th of several submissions, each to its own phone."""
    return submission(f"+38050{n:07}", text=f"text {n}", **fields)

"""The pages: each renders the answers of verbs in a template."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import fields
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from urllib.parse import quote, urlencode

from pydantic import TypeAdapter
from starlette.responses import Response

from bridge.admin.answers import Cancelled, Changed, HistoryOf, PhoneStory
from bridge.admin.console.graphs import Series, graph
from bridge.admin.console.rendering import age, milliseconds, number
from bridge.admin.console.visit import Visit
from bridge.admin.history import Sample
from bridge.admin.queue_filter import QueueFilter
from bridge.model.failure import Failure, Reason
from bridge.model.message import MessageType
from bridge.trace.finding import names_of

_FILTER: Final = TypeAdapter(QueueFilter)
_FIELDS: Final = frozenset(field.name for field in fields(QueueFilter))
_NUMBER: Final = re.compile(r"\+?[\d\s().-]+", re.ASCII)
#: Most contacts and black-list entries on a page; a search finds the others.
_SHOWN: Final = 200
#: The periods of the Failures page.
PERIODS: Final = {"1h": 3600, "24h": 86400, "7d": 7 * 86400}
#: Verb → the state of the messages that it changes, and its button.
BULK: Final = {
    "hold": ("accepted", "Hold", "They are not sent until an operator releases them."),
    "release": ("held", "Release", "They are sent as soon as it is their turn."),
    "retry": ("", "Retry", "They are sent at once, and do not wait for their next attempt."),
    "cancel": ("", "Cancel", "They are not sent any more. This cannot be undone."),
}


def perhaps(changed: Changed | Cancelled) -> str:
    """A sentence on cancelled messages that may have been sent before; empty without any."""
    if isinstance(changed, Changed) or not changed.perhaps_sent:
        return ""
    return f" Of these, {changed.perhaps_sent} may have been sent already."


def filter_of(asked: dict[str, str]) -> QueueFilter:
    """The filter among the fields of a query or a form; raises ValidationError."""
    return _FILTER.validate_python({k: v for k, v in asked.items() if k in _FIELDS and v})


async def overview(visit: Visit) -> Response:
    """The state of the bridge: as in ``top``, with the last hour and the last day."""
    now = await visit.control.show_overview()
    history = await visit.control.show_history()
    span = "day" if visit.asked.get("span") == "day" else "hour"
    return visit.page(
        "overview.html",
        "Overview",
        now=now,
        span=span,
        graphs=_graphs(history, span),
        clock=datetime.now(UTC),
    )


def _graphs(history: HistoryOf, span: str) -> list[Any]:
    samples = history.day if span == "day" else history.hour

    def series(name: str, style: str, value: Callable[[Sample], float | None]) -> Series:
        return Series(name, style, [value(one) for one in samples])

    times = [one.at for one in samples]
    return [
        graph(
            "Messages a second",
            times,
            [
                series("accepted", "c1", lambda one: one.accepted),
                series("sent", "c2", lambda one: one.sent),
                series("delivered", "c3", lambda one: one.delivered),
                series("failed", "c4", lambda one: one.failed),
            ],
            lambda value: number(float(value)),
        ),
        graph(
            "Messages waiting",
            times,
            [series("waiting", "c1", lambda one: float(one.waiting))],
            lambda value: number(int(value)),
        ),
        graph(
            "Oldest message waiting",
            times,
            [series("age", "c1", lambda one: one.oldest_age)],
            age,
        ),
        graph(
            "Answer times",
            times,
            [
                series("API", "c1", lambda one: one.upstream_latency),
                series("store", "c2", lambda one: one.commit_time),
                series("event loop late", "c4", lambda one: one.loop_lag),
            ],
            milliseconds,
        ),
    ]


async def queue(visit: Visit) -> Response:
    """Waiting and held messages: counts, groups, and the newest messages of the filter."""
    asked = {name: value for name, value in visit.asked.items() if name in _FIELDS}
    filter = filter_of(asked)
    everything = await visit.control.list_queue(limit=1000)
    matrix: dict[str, dict[str, int]] = {}
    for one in everything.groups:
        row = matrix.setdefault(one.account, {"accepted": 0, "held": 0})
        row[one.state] += one.count
    return visit.page(
        "queue.html",
        "Queue",
        asked=asked,
        query=urlencode(asked),
        found=await visit.control.list_queue(filter=filter, limit=100),
        newest=await visit.control.show_queue(filter=filter, limit=20),
        matrix=sorted(matrix.items()),
        total=everything.count,
        holds=await visit.control.list_holds(),
        types=[kind.value for kind in MessageType],
        accounts=sorted(visit.control.settings.accounts),
        bulk=BULK,
    )


async def confirm(visit: Visit) -> Response:
    """Asks for confirmation with the number of messages that would change."""
    asked = {name: value for name, value in visit.asked.items() if name in _FIELDS}
    verb = visit.asked.get("verb", "")
    if verb not in BULK:
        raise Failure(Reason.NOT_FOUND, f"no verb {verb}")
    state, title, consequence = BULK[verb]
    if state:
        asked["state"] = state
    run = getattr(visit.control, f"{verb}_messages")
    changed = await run(by=visit.session.by, filter=filter_of(asked), dry_run=True)
    return visit.page(
        "confirm.html",
        f"{title} messages",
        verb=verb,
        word=title,
        consequence=consequence + perhaps(changed),
        count=changed.count,
        asked=asked,
        query=urlencode(asked),
    )


async def search(visit: Visit) -> Response:
    """Redirects to the message with this id, or to the number's page; lists other results."""
    text = visit.asked.get("q", "")
    if not text:
        return visit.page("search.html", "Search", q="", found=[], story=None)
    # Indexed columns first: a search by name scans all messages.
    with suppress(Failure):
        await visit.control.show_message(id=text)
        return visit.go(f"/messages/{quote(text, safe='')}")
    regions = {own.region for own in visit.control.settings.accounts.values()}
    if _NUMBER.fullmatch(text) and any(name.startswith("+") for name in names_of(text, regions)):
        return visit.go(f"/phones/{quote(text, safe='')}")
    found = await visit.control.find_messages(text=text, limit=50)
    if len(found) == 1:
        return visit.go(f"/messages/{found[0]['id']}")
    story = None if found else await visit.control.show_phone(phone=text, limit=10)
    return visit.page("search.html", "Search", q=text, found=found, story=story)


async def message(visit: Visit) -> Response:
    """One message, or those of a submission: its trace, and who read its text."""
    return await show_message(visit, visit.request.path_params["id"])


async def show_message(visit: Visit, id: str, texts: dict[int, Any] | None = None) -> Response:
    """The page of a message; ``texts`` only on request."""
    told = await visit.control.show_message(id=id)
    looked = {one["id"]: await visit.control.list_audits(id=str(one["id"])) for one in told}
    return visit.page(
        "message.html",
        f"Message {id}",
        told=told,
        looked=looked,
        texts=texts or {},
        asked_id=id,
    )


async def phone(visit: Visit) -> Response:
    """A phone number: its conversation, refusals, and black lists."""
    return await show_phone(visit, visit.request.path_params["phone"])


async def show_phone(visit: Visit, number: str, texts: dict[int, Any] | None = None) -> Response:
    """The page of a number; ``texts`` only on request."""
    story = await visit.control.show_phone(phone=number)
    return visit.page(
        "phone.html",
        story.phone,
        story=story,
        conversation=_conversation(story),
        texts=texts or {},
        accounts=sorted(visit.control.settings.accounts),
    )


def _conversation(story: PhoneStory) -> list[dict[str, Any]]:
    """All messages to and from the number, and refusals, the latest first."""
    found = [{"at": one["accepted_at"], "kind": "out", "is": one} for one in story.messages]
    found += [{"at": one["received_at"], "kind": "in", "is": one} for one in story.incoming]
    found += [
        {
            "at": one.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "kind": "refused",
            "is": one,
        }
        for one in story.refusals
    ]
    return sorted(found, key=lambda one: str(one["at"]), reverse=True)


async def failures(visit: Visit) -> Response:
    """Failed messages by reason, and the newest; and refusals."""
    asked = visit.asked
    period = asked.get("period") if asked.get("period") in PERIODS else "24h"
    since = datetime.now(UTC) - timedelta(seconds=PERIODS[str(period)])
    account = asked.get("account", "")
    reason = asked.get("reason", "")
    return visit.page(
        "failures.html",
        "Failures",
        period=period,
        periods=PERIODS,
        account=account,
        reason=reason,
        accounts=sorted(visit.control.settings.accounts),
        found=await visit.control.list_failures(
            account=account, reason=reason, since=since, limit=50
        ),
        refusals=await visit.control.list_refusals(account=account, since=since, limit=50),
    )


async def sessions(visit: Visit) -> Response:
    """Open sessions, and blocked addresses."""
    open = await visit.control.list_sessions(account=visit.asked.get("account", ""))
    blocked = await visit.control.list_blocked()
    return visit.page(
        "sessions.html",
        "Sessions",
        sessions=open,
        blocked=blocked,
        several=len({one.node for one in open} | {one.node for one in blocked}) > 1,
    )


async def accounts(visit: Visit) -> Response:
    """Accounts with their limits and their use, and their report for a day."""
    today = date.today()
    try:
        day = date.fromisoformat(visit.asked.get("day", ""))
    except ValueError:
        day = today
    begin = datetime.combine(day, time.min)
    return visit.page(
        "accounts.html",
        "Accounts",
        accounts=await visit.control.list_accounts(),
        day=day.isoformat(),
        today=today.isoformat(),
        yesterday=(today - timedelta(days=1)).isoformat(),
        # Days of this machine's time zone, which may have 23 or 25 hours.
        report=await visit.control.report(
            begin=begin.astimezone(), end=(begin + timedelta(days=1)).astimezone()
        ),
    )


async def directory(visit: Visit) -> Response:
    """Contacts, groups, templates and black list of one account."""
    names = sorted(visit.control.settings.accounts)
    account = visit.asked.get("account", names[0] if names else "")
    if not account:
        raise Failure(Reason.NOT_FOUND, "there are no accounts")
    search = visit.asked.get("search", "")
    group = visit.asked.get("group", "")
    listed = visit.asked.get("phone", "")
    return visit.page(
        "directory.html",
        "Directory",
        account=account,
        accounts=names,
        search=search,
        phone=listed,
        contacts=await visit.control.list_contacts(
            account=account, search=search, group=group, limit=_SHOWN
        ),
        groups=await visit.control.list_groups(account=account),
        templates=await visit.control.list_templates(account=account),
        black_list=await visit.control.list_black_list(account=account, phone=listed, limit=_SHOWN),
    )


async def hooks(visit: Visit) -> Response:
    """Webhooks: the last accepted and the last refused ones."""
    return visit.page("hooks.html", "Hooks", hooks=await visit.control.list_hooks())


async def events(visit: Visit) -> Response:
    """Warnings and errors of the last hour; audit events since the start."""
    now = await visit.control.show_overview()
    return visit.page(
        "events.html",
        "Events",
        trouble=now.trouble,
        audits=await visit.control.list_audits(limit=200),
        level=await visit.control.show_log_level(),
    )


PAGES: Final[dict[str, Callable[[Visit], Awaitable[Response]]]] = {
    "/": overview,
    "/queue": queue,
    "/queue/confirm": confirm,
    "/search": search,
    "/messages/{id}": message,
    "/phones/{phone}": phone,
    "/failures": failures,
    "/sessions": sessions,
    "/accounts": accounts,
    "/directory": directory,
    "/hooks": hooks,
    "/events": events,
}

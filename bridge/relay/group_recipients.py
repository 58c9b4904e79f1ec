"""Submissions to groups or to many numbers, and the options of groups."""

from __future__ import annotations

from typing import Final, NamedTuple

from bridge.accounts.accounts import Account
from bridge.config.settings import AccountSettings
from bridge.directory import fields
from bridge.directory.directory import Directory
from bridge.directory.groups import names_group
from bridge.model.contact import Group
from bridge.model.day_hours import next_open
from bridge.model.failure import Failure, Reason
from bridge.model.message import Message, Recipient, Submission
from bridge.relay.rules import MAX_SCHEDULE_AHEAD
from bridge.relay.send_out_plan import Plan
from bridge.store.directory.groups import member_phones

#: Up to so many numbers, as a submit_multi may have, go in one transaction, and the client may wait
#: for the API's answer. Each mail does, since its recipients have reports of their own.
AT_ONCE: Final = 255


def is_send_out(submission: Submission) -> bool:
    """Whether the submission has a group among its recipients, many numbers, or a name of its
    own."""
    if submission.name or submission.spread:
        return True
    if len(submission.recipients) > AT_ONCE and submission.envelope is None:
        return True
    for recipient in submission.recipients:
        address = recipient.address
        # Most are digits: quick to check.
        if not address.isdigit() and names_group(address):
            return True
    return False


class Expanded(NamedTuple):
    """A submission whose groups are known. ``phones`` are all of its numbers if they are few; they
    are then the submission's recipients. Else None. ``beside`` are the recipients that are no
    groups of the account, ``hours`` the hours of the groups."""

    submission: Submission
    groups: tuple[int, ...]
    phones: tuple[Recipient, ...] | None
    beside: tuple[Recipient, ...]
    hours: tuple[str, ...]

    def send_out(self, message: Message, settings: AccountSettings) -> Plan:
        """The plan of a send-out within the rate and the daily limit of its account."""
        submission = self.submission
        interval = 1 / settings.rate if settings.rate else 0.0
        return Plan(
            message,
            self.groups,
            self.beside,
            submission.name,
            interval,
            submission.spread,
            submission.repeat_key,
            settings.daily_limit,
            int(settings.duplicate_window),
            settings.duplicates,
            hours=self.hours,
            zone=settings.zone,
        )


async def plan_of(
    directory: Directory, account: Account, submission: Submission, now: float
) -> Expanded:
    """Finds the groups, applies their options, and reads their numbers if they are few.

    An unknown or empty group stays among the recipients and is refused with them. Raises Failure
    for a name or a duration that no send-out can have.
    """
    if submission.spread > MAX_SCHEDULE_AHEAD:
        raise Failure(Reason.BAD_PARAMETER, "a send-out over more than 30 days")
    submission = submission._replace(name=fields.text("name", submission.name))
    groups: dict[int, tuple[Group, Recipient]] = {}
    beside: list[Recipient] = []
    for recipient in submission.recipients:
        group = None
        if names_group(recipient.address):
            group = await _with_contacts(directory, account, recipient)
        if group is None:
            beside.append(recipient)
        else:
            groups[group.id] = (group, recipient)
    named = [group for group, _ in groups.values()]
    hours = tuple(dict.fromkeys(group.hours for group in named if group.hours))
    submission = _with_options(account, submission, named, hours, now)
    few = await _few(directory, account, groups, beside)
    ids = tuple(groups)
    if few is None or submission.name or submission.spread:
        for what, values in (
            ("text", {one.text for one in submission.recipients} if groups else {}),
            ("type", {one.message_type for one in submission.recipients}),
            ("route", {one.route for one in submission.recipients}),
            ("NOTIFY", {one.notify for one in submission.recipients}),
        ):
            if len(values) > 1:
                raise Failure(Reason.BAD_PARAMETER, f"a send-out has one {what}")
        return Expanded(submission, ids, None, tuple(beside), hours)
    return Expanded(submission._replace(recipients=few), ids, few, tuple(beside), hours)


async def _with_contacts(
    directory: Directory, account: Account, recipient: Recipient
) -> Group | None:
    """The group that a recipient names, if it has contacts."""
    try:
        group = directory.groups.find(account.name, recipient.address)
    except Failure:
        return None
    some = await directory.look_up(member_phones, account.name, [group.id], limit=1)
    return group if some else None


async def _few(
    directory: Directory,
    account: Account,
    groups: dict[int, tuple[Group, Recipient]],
    beside: list[Recipient],
) -> tuple[Recipient, ...] | None:
    """All numbers, each once for each text; None if they are many."""
    found = {(recipient.address, recipient.text): recipient for recipient in beside}
    for id, (_, recipient) in groups.items():
        phones = await directory.look_up(member_phones, account.name, [id], limit=AT_ONCE + 1)
        for phone in phones:
            found.setdefault(
                (phone, recipient.text), recipient._replace(address=phone, orcpt="", written="")
            )
        if len(found) > AT_ONCE:
            break
    return tuple(found.values()) if len(found) <= AT_ONCE else None


def _with_options(
    account: Account,
    submission: Submission,
    groups: list[Group],
    hours: tuple[str, ...],
    now: float,
) -> Submission:
    """The submission within the parts and the hours of all its groups. Raises Failure if their
    hours have no common time."""
    limits = [group.max_parts for group in groups if group.max_parts]
    if limits:
        own = submission.max_parts or limits[0]
        submission = submission._replace(max_parts=min(own, *limits))
    if hours:
        at = submission.scheduled_at if submission.scheduled_at is not None else int(now)
        begins = next_open(hours, account.settings.zone, at)
        if begins is None:
            raise Failure(Reason.BAD_PARAMETER, "the groups have no common hours")
        if begins > at:
            submission = submission._replace(scheduled_at=begins)
    return submission

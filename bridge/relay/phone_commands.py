"""Commands by SMS: stop messages, resume them, and, where the account allows it, send to a group.

Each is carried out before the message from the phone is stored. A repeated webhook does not carry
it out twice.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from itertools import islice

import structlog

from bridge.accounts.accounts import Account
from bridge.config.settings import Hooks
from bridge.directory.directory import Directory
from bridge.directory.verbs import start_bulk, stop_bulk
from bridge.model.failure import Failure, Reason
from bridge.model.message import Accepted, Protocol, Recipient, Submission
from bridge.model.notice import Incoming
from bridge.model.phone import normalise
from bridge.relay.relay import Relay

log = structlog.get_logger()

#: What people put around a word: blanks, punctuation, emoji.
_AROUND = re.compile(r"^[\W_]+|[\W_]+$")
_BLANKS = re.compile(r"\s+")
#: Most words of a group's name.
_MOST_WORDS = 8


def _letters(word: str) -> str:
    """A word without case, accents and what stands around it: many write an SMS without them."""
    plain = unicodedata.normalize("NFKD", word.casefold())
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    return _AROUND.sub("", plain)


class PhoneCommands:
    """``account`` gives an account by its name, ``hooks`` the current settings."""

    def __init__(
        self,
        relay: Relay,
        directory: Directory,
        account: Callable[[str], Account | None],
        hooks: Callable[[], Hooks],
    ) -> None:
        self._relay = relay
        self._directory = directory
        self._account = account
        self._hooks = hooks

    async def follow(self, incoming: Incoming) -> bool:
        """Carries out the command in a message; True if it was a command to send to a group.

        Raises Failure if it cannot be carried out now.
        """
        account = self._account(incoming.account)
        if account is None:
            return False
        word, hooks = _letters(incoming.text), self._hooks()
        if word and word in map(_letters, hooks.stop_words):
            await self._stop(account, incoming)
        elif word and word in map(_letters, hooks.start_words):
            await self._start(account, incoming)
        elif account.settings.commands_from and self._may_command(account, incoming.phone):
            return await self._command(account, incoming)
        return False

    async def _stop(self, account: Account, incoming: Incoming) -> None:
        await self._directory.change(
            stop_bulk,
            account.name,
            incoming.phone,
            f"by SMS: {incoming.text.strip()[:40]}",
        )
        log.info("phone_stopped", account=account.name, phone=incoming.phone)
        await self._reply(account, incoming, account.settings.stop_reply)

    async def _start(self, account: Account, incoming: Incoming) -> None:
        await self._directory.change(start_bulk, account.name, incoming.phone)
        log.info("phone_started", account=account.name, phone=incoming.phone)
        await self._reply(account, incoming, account.settings.start_reply)

    async def _reply(self, account: Account, incoming: Incoming, text: str) -> None:
        if text:
            await self._submit(account, incoming, (Recipient(incoming.phone),), text)

    def _may_command(self, account: Account, phone: str) -> bool:
        region = account.settings.region
        return phone in {normalise(one, region) for one in account.settings.commands_from}

    async def _command(self, account: Account, incoming: Incoming) -> bool:
        """``<group> text``: the group is the longest beginning that names one."""
        written = incoming.text.strip()
        ends = [found.start() for found in islice(_BLANKS.finditer(written), _MOST_WORDS)]
        for end in reversed(ends):
            name, text = " ".join(written[:end].split()), written[end:].strip()
            try:
                self._directory.groups.find(account.name, name)
            except Failure:
                continue
            await self._submit(account, incoming, (Recipient(name),), text)
            return True
        return False

    async def _submit(
        self, account: Account, incoming: Incoming, recipients: tuple[Recipient, ...], text: str
    ) -> None:
        """A refusal is logged, and the message from the phone is still stored. After a temporary
        failure the webhook is refused, so that it comes again."""
        outcome = await self._relay.submit(
            account,
            Submission(
                Protocol.HTTP,
                recipients,
                text,
                incoming.phone,
                repeat_key=f"incoming {incoming.uid}".encode(),
            ),
        )
        if isinstance(outcome, Accepted):
            log.info("phone_answered", account=account.name, phone=incoming.phone, id=outcome.id)
        elif outcome.reason in (Reason.OPERATION_FAILED, Reason.BRIDGE_FULL, Reason.TOO_FAST):
            raise outcome
        else:
            log.warning(
                "phone_not_answered",
                account=account.name,
                phone=incoming.phone,
                reason=str(outcome),
            )

"""Commands by SMS: what phones write, and what the bridge does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from bridge.config.settings import Hooks
from bridge.directory.verbs import add_contact, add_group, list_black_list
from bridge.model.contact import Blocks, Contact, Group
from bridge.model.failure import Failure, Reason
from bridge.model.notice import Incoming
from bridge.relay.phone_commands import PhoneCommands
from bridge.sandbox import Sandbox
from tests.relaying import Relaying, relaying
from tests.samples import NOW

PHONE, MEMBER, BOSS = "+380501234567", "+380631112233", "+380671112233"


class Phones:
    """Phones that write to the bridge."""

    def __init__(self, at: Relaying, hooks: Hooks) -> None:
        self.at = at
        self._numbers = count(1)
        accounts = at.accounts
        self._commands = PhoneCommands(at.relay, at.directory, accounts.get, lambda: hooks)

    async def write(
        self, text: str, phone: str = PHONE, *, uid: str = "", account: str = "crm"
    ) -> bool:
        number = next(self._numbers)
        message = Incoming(number, uid or f"u-{number}", account, phone, "Shop", text, NOW, NOW)
        return await self._commands.follow(message)

    async def blocked(self) -> list[tuple[str, Blocks, str]]:
        entries = await self.at.directory.look_up(list_black_list, "crm")
        return [(one.phone, one.blocks, one.comment) for one in entries]

    @property
    def sent(self) -> list[tuple[str, str]]:
        return [(one.phone, one.text) for one in self.at.sandbox.messages]


@asynccontextmanager
async def phones(
    folder: Path, sandbox: Sandbox, hooks: Hooks | None = None, **settings: Any
) -> AsyncIterator[Phones]:
    async with relaying(folder, sandbox, accounts={"crm": settings}) as at:
        yield Phones(at, hooks or Hooks())


async def test_a_phone_stops_messages_to_many_and_starts_them_again(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    replies: dict[str, Any] = {
        "stop_reply": "You will hear no more.",
        "start_reply": "Welcome back.",
    }
    async with phones(tmp_path, sandbox, **replies) as they:
        assert await they.write("STOP") is False
        assert await they.blocked() == [(PHONE, Blocks.BULK, "by SMS: STOP")]
        assert await they.write("start") is False
        assert await they.blocked() == []
        assert they.sent == [(PHONE, "You will hear no more."), (PHONE, "Welcome back.")]


async def test_a_word_is_known_without_case_accents_and_marks(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    words = ["стоп", " «Stop!» ", "odhlasit", "Odhlásit.", "ВІДПИСАТИСЯ"]
    words += ["СТОП 😡", "(stop)", "STOP?", "Stop\u200b", "ＳＴＯＰ", "- стоп -"]
    async with phones(tmp_path, sandbox) as they:
        for n, text in enumerate(words):
            await they.write(text, f"+3805012345{n:02}")
        assert len(await they.blocked()) == len(words)
        assert they.sent == []  # the account has no reply


async def test_a_word_within_a_sentence_stops_nothing(tmp_path: Path, sandbox: Sandbox) -> None:
    async with phones(tmp_path, sandbox) as they:
        for text in ("please do not stop", "stop it", "", "!", "nonstop"):
            assert await they.write(text) is False
        assert await they.blocked() == []


async def test_the_words_are_those_of_the_settings(tmp_path: Path, sandbox: Sandbox) -> None:
    async with phones(tmp_path, sandbox, Hooks(stop_words=["basta"], start_words=[])) as they:
        await they.write("STOP")
        assert await they.blocked() == []
        await they.write("Basta")
        await they.write("START")
        assert len(await they.blocked()) == 1


async def test_a_repeated_webhook_changes_nothing(tmp_path: Path, sandbox: Sandbox) -> None:
    async with phones(tmp_path, sandbox, stop_reply="Stopped.") as they:
        for _ in range(2):
            await they.write("stop", uid="u-7")
        assert len(await they.blocked()) == 1
        assert they.sent == [(PHONE, "Stopped.")]


async def test_a_phone_that_never_stopped_may_start(tmp_path: Path, sandbox: Sandbox) -> None:
    async with phones(tmp_path, sandbox, start_reply="Welcome.") as they:
        assert await they.write("START") is False
        assert they.sent == [(PHONE, "Welcome.")]


@asynccontextmanager
async def shift(folder: Path, sandbox: Sandbox, **settings: Any) -> AsyncIterator[Phones]:
    """The groups "Night" and "Night shift", each with one member."""
    async with phones(folder, sandbox, commands_from=[BOSS], **settings) as they:
        directory = they.at.directory
        for name, phone in (("Night", PHONE), ("Night shift", MEMBER)):
            group = await directory.change(add_group, "crm", Group(0, name))
            await directory.change(add_contact, "crm", Contact(0, (phone,), name, (group,)))
        yield they


async def test_a_command_goes_to_the_group_with_the_longest_name(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with shift(tmp_path, sandbox) as they:
        assert await they.write("night  SHIFT\nCome at six", BOSS) is True
        assert await they.write("Night Come at seven", BOSS) is True
        assert they.sent == [(MEMBER, "Come at six"), (PHONE, "Come at seven")]


async def test_anything_else_is_a_message(tmp_path: Path, sandbox: Sandbox) -> None:
    async with shift(tmp_path, sandbox) as they:
        for text, phone in (
            ("Night Come", PHONE),  # who may not
            ("Day Come", BOSS),
            ("Night", BOSS),
            ("one two three four five six seven eight nine Night x", BOSS),
        ):
            assert await they.write(text, phone) is False
        assert they.sent == []


async def test_who_may_command_is_named_in_any_form(tmp_path: Path, sandbox: Sandbox) -> None:
    async with phones(tmp_path, sandbox, commands_from=["067 111-22-33"], region="UA") as they:
        await they.at.directory.change(add_group, "crm", Group(0, "Night"))
        # The group is empty: the command is one all the same.
        assert await they.write("Night Come", BOSS) is True


async def test_a_refused_reply_leaves_the_message_and_the_wish(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with phones(tmp_path, sandbox, stop_reply="Stopped.", countries=["GB"]) as they:
        assert await they.write("stop") is False
        assert len(await they.blocked()) == 1
        assert they.sent == []


async def test_a_command_that_cannot_be_carried_out_now_is_refused(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with phones(tmp_path, sandbox, stop_reply="Stopped.", rate=0.001) as they:
        await they.write("stop")
        with pytest.raises(Failure) as refused:
            await they.write("stop")
        assert refused.value.reason is Reason.TOO_FAST


async def test_messages_to_an_account_that_is_gone_are_no_commands(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with phones(tmp_path, sandbox) as they:
        assert await they.write("stop", account="removed") is False
        assert await they.blocked() == []

"""Builds the parts, starts them, drains and stops them.

The only module that knows every other one. The order is what counts here: nothing listens before
the store is open and what an earlier run left is taken up; on stop nothing new is let in, what is
in flight is finished and answered, and the store closes last.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from bridge.accounts.accounts import Accounts
from bridge.admin.hooks import HooksListener
from bridge.config.settings import ConfigError, Endpoint, Settings
from bridge.feedback.incoming import IncomingMessages
from bridge.feedback.polling import Poller
from bridge.feedback.status_updates import Statuses
from bridge.model.ids import Ids
from bridge.model.notice import MAIL
from bridge.net.sd_notify import notify
from bridge.notices.outbox import Outbox
from bridge.relay.answer_first import AnswerFirst
from bridge.relay.concatenation import Gathering
from bridge.relay.daily_limits import DailyLimits
from bridge.relay.pending_answers import PendingAnswers
from bridge.relay.relay import Relay
from bridge.sending.dispatcher import Dispatcher
from bridge.sending.upkeep import Upkeep
from bridge.sending.upstream import upstream_lines
from bridge.smpp.inbound.listener import SmppListener
from bridge.smtp.inbound.listener import SmtpListener
from bridge.smtp.outbound.smarthost import mailing_of
from bridge.smtp.reply_address import replies_of
from bridge.store import StoreError
from bridge.store.engines import engine_of

log = structlog.get_logger()

#: How long clients that wait for a result are left waiting when the daemon stops (seconds).
ANSWER_ON_STOP = 5.0
#: How long sessions have to end by themselves when the daemon stops (seconds).
DRAIN_WITHIN = 10.0


@dataclass(frozen=True, slots=True)
class Addresses:
    """What the daemon listens on; the ports that the system chose are filled in."""

    smtp: tuple[Endpoint, ...]
    smpp: tuple[Endpoint, ...]
    hooks: tuple[Endpoint, ...] = ()


class App:
    """One daemon: :meth:`run` it in a loop of its own, :meth:`stop` it from there."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stop = asyncio.Event()
        self._lost = False
        self._listeners: list[Callable[[Settings], None]] = []

    def stop(self) -> None:
        """Lets what is in flight finish; :meth:`run` then returns."""
        self._stop.set()

    def _lose(self) -> None:
        """Other nodes count this one as gone and have taken over what it had."""
        self._lost = True
        self._stop.set()

    def reload(self, settings: Settings) -> None:
        """Takes over certificates and what else the listeners' tables say, without ending a
        session; the rest of ``settings`` counts from the next start on.

        Raises OSError or ValueError where a certificate cannot be used.
        """
        for listener in self._listeners:
            listener(settings)

    async def run(self, ready: Callable[[Addresses], None] = lambda addresses: None) -> None:
        """Serves until :meth:`stop`. ``ready`` is called once, when clients can be served.

        Raises :class:`bridge.store.StoreError` where the store cannot be used, and OSError where
        an address cannot be listened on.
        """
        settings = self._settings
        accounts = Accounts(settings)
        store = engine_of(settings.store.url, settings.store.lease)
        store.on_lost = self._lose
        await store.open()
        lines = upstream_lines(settings)
        try:
            ids = Ids(store.node, store.last_id, time.time)
            pending = PendingAnswers(store.owe, time.time)
            dispatcher = Dispatcher(store, ids, settings.cascade, lines, pending)
            replies = replies_of(settings)
            answer_first = AnswerFirst(store.node, accounts, pending, time.time)
            outbox = Outbox(store, settings.smpp.receipts_keep, answer_first.not_before)
            store.on_owed = outbox.wake
            mailing = mailing_of(settings, replies)
            outbox.join(MAIL, mailing)
            statuses = Statuses(store)
            incoming = IncomingMessages(settings, store, ids.next)
            poller = Poller(store, statuses, settings.cascade, lines)
            hooks = HooksListener(settings.hooks, statuses.take, incoming.take)
            daily_limits = await DailyLimits.load(accounts, store, time.time)
            async with asyncio.TaskGroup() as tasks:
                relay = Relay(
                    settings, accounts, store, ids, pending, dispatcher, daily_limits, tasks
                )
                gathering = Gathering(store, relay, ids.next, settings.smpp.parts_timeout)
                smtp = SmtpListener(
                    settings.smtp,
                    accounts,
                    relay,
                    dsn=bool(settings.reports.smarthost),
                    replies=replies,
                )
                smpp = SmppListener(settings.smpp, accounts, relay, gathering, outbox)
                loaded = asyncio.Event()
                dispatching = tasks.create_task(dispatcher.run(loaded))
                await loaded.wait()
                gatherer = tasks.create_task(gathering.run())
                keeper = Upkeep(store, dispatcher, settings.store)
                store.on_work = keeper.wake
                upkeep = tasks.create_task(keeper.run())
                coming_back = [tasks.create_task(part.run()) for part in (statuses, poller)]
                telling = tasks.create_task(outbox.run())
                async with contextlib.AsyncExitStack() as stack:
                    stack.push_async_callback(smtp.close)
                    stack.push_async_callback(smpp.close)
                    stack.push_async_callback(hooks.close)
                    try:
                        addresses = Addresses(
                            tuple(await smtp.start()),
                            tuple(await smpp.start()),
                            tuple(await hooks.start()),
                        )
                        self._listeners = [
                            lambda new: smtp.reload(new.smtp, dsn=bool(new.reports.smarthost)),
                            lambda new: smpp.reload(new.smpp),
                            lambda new: hooks.reload(new.hooks),
                        ]
                        self._announce(addresses, dispatcher.backlog)
                        ready(addresses)
                        await self._stop.wait()
                    finally:
                        log.info("stopping")
                        notify("STOPPING=1")
                        await hooks.close()
                        for task in (upkeep, *coming_back):
                            task.cancel()
                        dispatcher.stop()
                        outbox.stop()
                    draining = asyncio.gather(smtp.drain(DRAIN_WITHIN), smpp.drain(DRAIN_WITHIN))
                    await asyncio.wait({dispatching}, timeout=ANSWER_ON_STOP)
                    relay.drain()
                    await draining
                    gatherer.cancel()
                    telling.cancel()
                    await mailing.close()
                    await outbox.close()
        finally:
            for line in {id(line): line for line in lines.values()}.values():
                await line.client.close()
            await store.close()
            accounts.close()
        log.info("stopped")
        if self._lost:
            raise StoreError("other nodes took over from this one; start it again")

    def _announce(self, addresses: Addresses, backlog: int) -> None:
        # What was built to stay is no longer looked through for garbage, and what a message
        # leaves behind is freed by its count of references.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        log.info(
            "ready",
            smtp=[str(endpoint) for endpoint in addresses.smtp],
            smpp=[str(endpoint) for endpoint in addresses.smpp],
            hooks=[str(endpoint) for endpoint in addresses.hooks],
            upstream=self._settings.cascade.base_url,
            store=self._settings.store.url,
            backlog=backlog,
        )
        notify("READY=1")


async def serve(settings: Settings, load: Callable[[], Settings]) -> None:
    """Runs the daemon until SIGTERM or SIGINT; SIGHUP loads the settings anew."""
    app = App(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, app.stop)
    loop.add_signal_handler(signal.SIGHUP, _reload, app, load)
    await app.run()


def _reload(app: App, load: Callable[[], Settings]) -> None:
    """What cannot be used changes nothing, and is said."""
    notify("RELOADING=1")
    try:
        app.reload(load())
    except ConfigError as error:
        log.error("reload_failed", mistakes=[str(mistake) for mistake in error.mistakes])
    except (OSError, ValueError) as error:
        log.error("reload_failed", error=str(error))
    else:
        log.info("reloaded")
    notify("READY=1")


def run(main: Coroutine[Any, Any, None]) -> None:
    """Runs ``main`` on uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)

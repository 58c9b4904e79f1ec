"""Builds the parts, starts them, drains and stops them.

The only module that imports all rooms. The order matters: nothing listens before the store is open
and the work of an earlier run is loaded. On stop nothing new is accepted, requests in flight are
finished and answered, and the store closes last.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from bridge import __version__
from bridge import log as logging
from bridge.accounts.accounts import Accounts
from bridge.admin.answers import Reloaded
from bridge.admin.audit_trail import EVENT as AUDIT
from bridge.admin.audit_trail import AuditTrail
from bridge.admin.parts import DaemonParts, Sessions
from bridge.admin.refusals import EVENTS as REFUSAL_EVENTS
from bridge.admin.service import AdminService
from bridge.admin.trouble import RecentTrouble
from bridge.cascade.virtual import VirtualDeliveries
from bridge.config.reloading import changed_keys, need_restart, without_switch
from bridge.config.settings import ConfigError, Endpoint, Settings
from bridge.directory.directory import Directory
from bridge.directory.imports import Imports
from bridge.feedback.hooks import HooksListener
from bridge.feedback.incoming import IncomingMessages
from bridge.feedback.polling import Poller
from bridge.feedback.status_updates import Statuses
from bridge.model.ids import Ids
from bridge.model.notice import MAIL
from bridge.net.passed_sockets import NONE_PASSED, PassedSockets
from bridge.net.sd_notify import notify
from bridge.notices.outbox import Outbox
from bridge.relay.answer_first import AnswerFirst
from bridge.relay.concatenation import Gathering
from bridge.relay.pending_answers import PendingAnswers
from bridge.relay.phone_commands import PhoneCommands
from bridge.relay.relay import Relay
from bridge.relay.send_outs import SendOuts
from bridge.sending.dispatcher import Dispatcher
from bridge.sending.upkeep import Upkeep
from bridge.sending.upstream import reload_lines, upstream_lines
from bridge.smpp.inbound.listener import SmppListener
from bridge.smsc.callbacks import Callbacks
from bridge.smsc.service import smsc_listener
from bridge.smtp.inbound.listener import SmtpListener
from bridge.smtp.outbound.smarthost import mailing_of
from bridge.smtp.reply_address import reply_addresses_of
from bridge.store import Store, StoreError
from bridge.store.daily_count import keep_daily_counts
from bridge.store.engines import engine_of, without_password

log = structlog.get_logger()

#: On stop: how long clients may wait for a result (seconds).
ANSWER_ON_STOP = 5.0
#: On stop: how long sessions may take to end by themselves (seconds).
DRAIN_WITHIN = 10.0
#: On stop: time for the last requests beyond the time limit of one, to store their results
#: (seconds).
STORE_WITHIN = 10.0
#: On stop: the part of ``stop_timeout`` kept for sessions, notices and the store after the last
#: requests (seconds).
CLOSE_WITHIN = 20.0


@dataclass(frozen=True, slots=True)
class Addresses:
    """The bound addresses, with the ports that the system chose."""

    smtp: tuple[Endpoint, ...]
    smpp: tuple[Endpoint, ...]
    hooks: tuple[Endpoint, ...] = ()
    admin: tuple[Endpoint, ...] = ()
    smsc: tuple[Endpoint, ...] = ()


class App:
    """One daemon: :meth:`run` it in an event loop, :meth:`stop` it from there.

    ``load`` reads the settings again, for a reload. ``passed`` are sockets of the service manager.
    """

    def __init__(
        self,
        settings: Settings,
        load: Callable[[], Settings] | None = None,
        passed: PassedSockets = NONE_PASSED,
    ) -> None:
        self._settings = settings
        self._passed = passed
        self._load = load or (lambda: settings)
        self._stop = asyncio.Event()
        self._lost = False
        #: Functions that take over new settings, in this order. Only listeners raise, before
        #: anything changed.
        self._takers: list[Callable[[Settings], None]] = []
        self._trouble = RecentTrouble()
        self._audits = AuditTrail()
        self._accounts: Accounts | None = None
        #: Takes over changed accounts: the settings, and the names of removed accounts.
        self._follow: Callable[[Settings, list[str]], None] = lambda *_: None

    def stop(self) -> None:
        """Ends :meth:`run` after requests in flight are finished."""
        self._stop.set()

    def _lose(self) -> None:
        """Stops: other nodes have taken over from this one."""
        self._lost = True
        self._stop.set()

    def load(self) -> Reloaded:
        """Reads the settings again and takes over those that need no restart. Only sessions of
        removed accounts end; their waiting messages are held.

        Raises :class:`bridge.config.settings.ConfigError`, OSError or ValueError for unusable files
        or certificates; then the old settings stay in force.
        """
        notify("RELOADING=1")
        try:
            return self._take_over(self._load())
        except ConfigError as error:
            log.error("reload_failed", mistakes=[str(mistake) for mistake in error.mistakes])
            raise
        except (OSError, ValueError) as error:
            log.error("reload_failed", error=str(error))
            raise
        finally:
            notify("READY=1")

    def _take_over(self, read: Settings) -> Reloaded:
        before = self._settings
        settings = self._settings = without_switch(before, read)
        try:
            for taker in self._takers:
                taker(settings)
        except BaseException:
            self._settings = before
            raise
        removed = self._accounts.reload(settings) if self._accounts is not None else []
        self._follow(settings, removed)
        if settings.log.level != before.log.level:
            logging.set_level(settings.log.level)
        changed = changed_keys(before, read)
        needed = need_restart(before, read)
        for key in needed:
            log.warning("reload_incomplete", key=key, cause="needs a restart")
        log.info("reloaded", changed=changed)
        return Reloaded([key for key in changed if key not in needed], needed, removed)

    async def run(self, ready: Callable[[Addresses], None] = lambda addresses: None) -> None:
        """Serves until :meth:`stop`. ``ready`` is called once, when clients can be served.

        Raises :class:`bridge.store.StoreError` for an unusable store, and OSError for an address
        that cannot be bound.
        """
        settings = self._settings
        accounts = self._accounts = Accounts(settings)
        store = engine_of(settings.store.url, settings.store.lease)
        store.signals.lost.listen(self._lose)
        await store.open()
        virtual = VirtualDeliveries()
        lines = upstream_lines(settings, virtual)
        watched: list[Callable[[str, Mapping[str, Any]], None]] = [
            self._trouble.watch,
            self._audits.watch,
        ]
        logging.WATCHERS += watched
        logging.WATCHED_EVENTS.update(REFUSAL_EVENTS, [AUDIT])
        try:
            # All nodes use the clock of the database.
            clock = store.time
            ids = Ids(store.node, store.last_id, clock)
            pending = PendingAnswers(store.owe, clock)
            dispatcher = Dispatcher(
                store,
                ids,
                settings.cascade,
                lines,
                pending,
                known=accounts.knows,
                clock=clock,
            )
            reply_addresses = reply_addresses_of(settings)
            answer_first = AnswerFirst(store.node, accounts, pending, clock)
            outbox = Outbox(
                store,
                settings.smpp.receipts_keep,
                settings.reports.keep,
                answer_first.not_before,
                clock=clock,
            )
            store.signals.owed.listen(outbox.wake)
            mailing = mailing_of(settings, reply_addresses, accounts.settings_of)
            outbox.join(MAIL, mailing)
            statuses = Statuses(store, clock=clock)
            poller = Poller(store, statuses, settings.cascade, lines, clock=clock)
            await _count_daily(accounts, store)
            directory = Directory(store)
            await directory.open()
            imports = Imports(directory)
            async with asyncio.TaskGroup() as tasks:
                send_outs = SendOuts(store, dispatcher, ids, tasks, clock=clock)
                relay = Relay(
                    settings,
                    store,
                    ids,
                    pending,
                    dispatcher,
                    directory,
                    send_outs,
                    tasks,
                    clock=clock,
                )
                commands = PhoneCommands(
                    relay, directory, accounts.get, lambda: self._settings.hooks
                )
                incoming = IncomingMessages(
                    settings, store, ids.next, clock=clock, follow=commands.follow
                )
                hooks = HooksListener(settings.hooks, statuses.take, incoming.take)
                callbacks = Callbacks(outbox)
                callbacks.follow(settings.accounts)
                gathering = Gathering(
                    store,
                    relay,
                    ids.next,
                    settings.smpp.parts_timeout,
                    clock,
                    dispatcher.follow_clock,
                )
                smtp = SmtpListener(
                    settings.smtp,
                    accounts,
                    relay,
                    dsn=bool(settings.reports.smarthost),
                    reply_addresses=reply_addresses,
                    wall_clock=clock,
                )
                smsc = smsc_listener(settings, accounts, relay, directory)
                smpp = SmppListener(settings.smpp, accounts, relay, gathering, outbox, clock=clock)
                listeners: dict[str, Sessions] = {"smtp": smtp, "smpp": smpp}
                parts = DaemonParts(
                    self,
                    accounts,
                    store,
                    dispatcher,
                    lines,
                    listeners,
                    relay,
                    directory,
                    imports,
                    self._trouble,
                    self._audits,
                )
                admin = AdminService(settings, parts)
                loaded = asyncio.Event()
                dispatching = tasks.create_task(dispatcher.run(loaded))
                await loaded.wait()
                gatherer = tasks.create_task(gathering.run())
                keeper = Upkeep(store, dispatcher, settings.store, clock)
                store.signals.work.listen(keeper.wake)
                store.signals.settled.listen(relay.settled_elsewhere)
                upkeep = tasks.create_task(keeper.run())
                coming_back = [
                    tasks.create_task(part.run())
                    for part in (statuses, poller, directory, imports, send_outs)
                ]
                coming_back.append(tasks.create_task(virtual.run(statuses.note)))
                telling = tasks.create_task(outbox.run())
                watching = tasks.create_task(admin.run())
                async with contextlib.AsyncExitStack() as stack:
                    stack.push_async_callback(smtp.close)
                    stack.push_async_callback(smpp.close)
                    stack.push_async_callback(hooks.close)
                    stack.push_async_callback(admin.listener.close)
                    stack.push_async_callback(smsc.close)
                    try:
                        addresses = Addresses(
                            tuple(await smtp.start(self._passed)),
                            tuple(await smpp.start(self._passed)),
                            tuple(await hooks.start(self._passed)),
                            tuple(await admin.listener.start(self._passed)),
                            tuple(await smsc.start(self._passed)),
                        )
                        self._takers = [
                            lambda new: smtp.reload(new.smtp),
                            lambda new: smpp.reload(new.smpp),
                            lambda new: hooks.reload(new.hooks),
                            lambda new: admin.listener.reload(new.admin),
                            lambda new: smsc.reload(new.smsc),
                            admin.control.reload_settings,
                            relay.reload,
                            incoming.reload,
                            lambda new: keeper.reload(new.store),
                        ]

                        def follow(now: Settings, removed: list[str]) -> None:
                            reload_lines(lines, now, virtual)
                            smpp.follow_accounts()
                            callbacks.follow(now.accounts)
                            if reply_addresses is not None:
                                reply_addresses.reload(now.accounts)
                            tasks.create_task(_refresh(dispatcher, accounts, store))
                            for account in removed:
                                _remove(account, listeners.values())

                        self._follow = follow
                        admin.health.serving = True
                        self._announce(addresses, dispatcher.backlog)
                        ready(addresses)
                        await self._stop.wait()
                    finally:
                        admin.health.serving = False
                        log.info("stopping")
                        notify("STOPPING=1")
                        await hooks.close()
                        for task in (upkeep, *coming_back):
                            task.cancel()
                        dispatcher.stop()
                        outbox.stop()
                        stopping_at = time.monotonic()
                        limit = self._settings.admin.stop_timeout
                        last_resort = asyncio.get_running_loop().call_later(limit, _end_now)
                    drain_within = min(DRAIN_WITHIN, limit)
                    draining = asyncio.gather(
                        smtp.drain(drain_within), smpp.drain(drain_within), smsc.close(drain_within)
                    )
                    await asyncio.wait({dispatching}, timeout=min(ANSWER_ON_STOP, limit))
                    relay.drain()
                    await draining
                    within = min(limit - CLOSE_WITHIN, settings.cascade.timeout + STORE_WITHIN)
                    left = stopping_at + within - time.monotonic()
                    if (await asyncio.wait({dispatching}, timeout=max(0.0, left)))[1]:
                        # The next start finds them; their outcome is unknown.
                        log.error("stop_incomplete", cause="the last requests cannot be stored")
                        dispatching.cancel()
                    send_outs.close()
                    gatherer.cancel()
                    telling.cancel()
                    watching.cancel()
                    await admin.close()
                    await mailing.close()
                    await callbacks.close()
                    await outbox.close()
        finally:
            for line in {id(line): line for line in lines.values()}.values():
                await line.client.close()
            await store.close()
            accounts.close()
            for watcher in watched:
                logging.WATCHERS.remove(watcher)
        last_resort.cancel()
        log.info("stopped")
        if self._lost:
            raise StoreError("other nodes took over from this one; start it again")

    def _announce(self, addresses: Addresses, backlog: int) -> None:
        # The garbage collector need not scan long-lived objects; a message's objects are freed by
        # reference counting.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        log.info(
            "ready",
            version=__version__,
            smtp=[str(endpoint) for endpoint in addresses.smtp],
            smpp=[str(endpoint) for endpoint in addresses.smpp],
            hooks=[str(endpoint) for endpoint in addresses.hooks],
            admin=[str(endpoint) for endpoint in addresses.admin],
            smsc=[str(endpoint) for endpoint in addresses.smsc],
            upstream=self._settings.cascade.base_url,
            store=without_password(self._settings.store.url),
            backlog=backlog,
        )
        notify("READY=1")


def _end_now() -> None:
    """Ends the process like kill -9: accepted messages are durable, and requests in flight have an
    unknown outcome after the next start."""
    log.error("stop_incomplete", cause="stop_timeout has passed")
    os._exit(os.EX_UNAVAILABLE)


async def _count_daily(accounts: Accounts, store: Store) -> None:
    """Has the store count the messages of accounts with a daily limit."""
    limited = [account.name for account in accounts if account.settings.daily_limit]
    await store.change(keep_daily_counts, limited, int(store.time()))


async def _refresh(dispatcher: Dispatcher, accounts: Accounts, store: Store) -> None:
    """Holds and daily limits as they are for accounts that have changed."""
    try:
        await _count_daily(accounts, store)
        await dispatcher.refresh()
    except StoreError as error:
        log.error("reload_failed", error=str(error))


def _remove(account: str, listeners: Iterable[Sessions]) -> None:
    """Ends the sessions of a removed account; its waiting messages are held until it is back."""
    sessions = sum(
        listener.end_sessions("the account was removed", account=account) for listener in listeners
    )
    log.warning("account_removed", account=account, sessions=sessions)

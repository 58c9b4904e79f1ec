"""The verbs about clients: accounts with their limits, their sessions, blocked logins."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from bridge.accounts.accounts import Account
from bridge.admin.answers import AccountLimits, BlockedLogin, Changed, LoginTest
from bridge.admin.joining import blocks_of, sessions_of, sum_of
from bridge.admin.nodes import everywhere
from bridge.admin.parts import DaemonParts
from bridge.admin.variable_verbs import VariableVerbs
from bridge.config.settings import Settings
from bridge.model import message
from bridge.model.failure import Failure, Reason
from bridge.net.networks import origin
from bridge.net.sessions import SessionInfo
from bridge.store.daily_count import accepted_today, all_accepted_today


class AccountVerbs(VariableVerbs):
    """``by`` names the caller: every change is an ``audit`` event. ``clock`` gives Unix time."""

    def __init__(self, settings: Settings, parts: DaemonParts, clock: Callable[[], float]) -> None:
        super().__init__(settings, parts)
        self._listeners = parts.listeners
        self._clock = clock

    def _after(self, seconds: float) -> datetime:
        now = datetime.fromtimestamp(int(self._clock()), UTC)
        return now + timedelta(seconds=round(seconds))

    # --- sessions --------------------------------------------------------------------------

    @everywhere(sessions_of)
    async def list_sessions(self, *, account: str = "", protocol: str = "") -> list[SessionInfo]:
        """List sessions: binds and SMTP connections, the oldest first."""
        return [
            info
            for listener in self._listeners.values()
            for info in listener.sessions()
            if account in ("", info.account) and protocol in ("", info.protocol)
        ]

    @everywhere(sum_of)
    async def close_sessions(self, *, by: str, id: str = "", account: str = "") -> Changed:
        """End one session, or all of an account, after the answers in flight."""
        if bool(id) == bool(account):
            raise Failure(Reason.BAD_PARAMETER, "name either a session or an account")
        reason = "closed by an operator"
        own_id, _, node = id.partition("@")
        ended = 0
        if node in ("", str(self._store.node)):
            ended = sum(
                listener.end_sessions(reason, id=own_id, account=account)
                for listener in self._listeners.values()
            )
        if not ended:
            raise Failure(Reason.NOT_FOUND, f"no session of {id or account} is open")
        self._audit("close_sessions", by, session=id, account=account, sessions=ended)
        return Changed(ended)

    # --- blocked ---------------------------------------------------------------------------

    @everywhere(blocks_of)
    async def list_blocked(self) -> list[BlockedLogin]:
        """List addresses and accounts that are blocked after wrong passwords."""
        return [
            BlockedLogin(
                block.origin,
                block.name,
                self._after(block.seconds),
                len(block.attempts),
                self._after(-block.attempts[0][0]) if block.attempts else None,
                self._after(-block.attempts[-1][0]) if block.attempts else None,
                sorted({name for _, name in block.attempts}),
            )
            for block in self._accounts.lockout.blocks()
        ]

    @everywhere(sum_of)
    async def lift_block(self, *, by: str, address: str, account: str | None = None) -> Changed:
        """Lift the block of an address, or of one account at it."""
        # IPv6 addresses are blocked by network: accept an address and a network.
        where = address if "/" in address else origin(address)
        lifted = self._accounts.lockout.lift(where, account)
        if not lifted:
            raise Failure(Reason.NOT_FOUND, f"{address} is not blocked")
        self._audit("lift_block", by, address=address, account=account or "", blocks=lifted)
        return Changed(lifted)

    # --- accounts --------------------------------------------------------------------------

    async def list_accounts(self) -> list[AccountLimits]:
        """List the accounts with their limits and their use."""
        holds = await self._store.holds()
        sessions = await self.list_sessions()
        today = await self._store.look_up(all_accepted_today, int(self._store.time()))
        return [
            _limits(account, today.get(account.name, 0), holds, sessions)
            for account in self._accounts
        ]

    async def show_account(self, *, name: str) -> AccountLimits:
        """Show an account with its limits and their use."""
        account = self.account(name)
        sessions = await self.list_sessions(account=name)
        today = await self._store.look_up(accepted_today, name, int(self._store.time()))
        return _limits(account, today, await self._store.holds(), sessions)

    async def test_login(
        self, *, name: str, password: str, protocol: str = "", address: str = ""
    ) -> LoginTest:
        """Test an account's password, and whether protocol and address are allowed."""
        account = self.account(name)
        own = account.settings
        if not address and own.networks:
            # Without an address only the password is tested.
            address = str(own.networks[0].network_address)
        try:
            way = message.Protocol(protocol or own.protocols[0])
        except ValueError:
            raise Failure(Reason.BAD_PARAMETER, f"no protocol {protocol}") from None
        await self._accounts.authenticate(name, password, protocol=way, address=address)
        return LoginTest(name, way.value, address)


def _limits(
    account: Account, today: int, holds: set[tuple[str, str]], sessions: list[SessionInfo]
) -> AccountLimits:
    own = account.settings
    sessions = [info for info in sessions if info.account == account.name]
    binds = sum(info.protocol == message.Protocol.SMPP.value for info in sessions)
    return AccountLimits(
        account.name,
        sorted(own.protocols),
        own.sender,
        own.senders,
        [kind.value for kind in own.message_types],
        [*map(str, own.networks), *(f"{one} (trusted)" for one in own.trusted_networks)],
        own.countries,
        own.rate,
        own.daily_limit,
        today,
        own.max_binds,
        binds,
        len(sessions) - binds,
        ("account", account.name) in holds,
    )

"""The commands' connection to the daemon: its socket, or ``--url`` and a token for another machine.

Verbs are called by HTTP; a refusal becomes a sentence and an exit code. Without a daemon
:class:`NotRunning` is raised.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import quote

import click
import httpx

from bridge.cli import Exit, Stop, config_option
from bridge.cli.stored import reading
from bridge.config import load
from bridge.config.secret import read_secret
from bridge.config.settings import ConfigError, Settings
from bridge.model.failure import Failure, Reason

if TYPE_CHECKING:
    from bridge.admin.endpoints import ApiEndpoint

F = TypeVar("F", bound=Callable[..., Any])

PREFIX = "/api/v1"
#: Time limit of a request; verbs on many messages take long (seconds).
_TIMEOUT = 120.0
#: The exit code for a refusal, by the failure's name.
_EXITS = {
    Reason.NOT_FOUND: Exit.NO_INPUT,
    Reason.BAD_PARAMETER: Exit.USAGE,
    Reason.WRONG_LOGIN: Exit.NO_PERMISSION,
    Reason.LOGIN_REQUIRED: Exit.NO_PERMISSION,
    Reason.NOT_ALLOWED: Exit.NO_PERMISSION,
    Reason.ADDRESS_BLOCKED: Exit.NO_PERMISSION,
    Reason.OPERATION_FAILED: Exit.TEMPORARY,
    Reason.BRIDGE_FULL: Exit.TEMPORARY,
    Reason.TOO_FAST: Exit.TEMPORARY,
}


class NotRunning(Stop):
    """No daemon listens on the socket."""

    def __init__(self, socket: str, why: str) -> None:
        super().__init__(f"the daemon does not run: {socket}: {why}", Exit.UNAVAILABLE)


class DaemonRefused(Stop):
    """A refused verb, with the failure."""

    def __init__(self, failure: Failure, words: str, code: Exit) -> None:
        super().__init__(words, code)
        self.failure = failure


class Daemon:
    """A running daemon, or the store in its place.

    ``settings`` are those of the configuration; None with ``--url`` only. ``mistakes`` are those of
    the configuration: a running daemon has the settings from before them, and is reached.
    """

    def __init__(
        self,
        client: httpx.Client,
        where: str,
        settings: Settings | None,
        mistakes: ConfigError | None = None,
    ) -> None:
        self._client = client
        self._where = where
        self._mistakes = mistakes
        self.settings = settings

    def ask(self, method: str, path: str, **arguments: Any) -> Any:
        """The answer of a verb; ``arguments`` without a value are omitted.

        ``path`` is relative to the API's prefix; names in braces are replaced by arguments. Raises
        :class:`click.ClickException` for a refusal.
        """
        given = {name: value for name, value in arguments.items() if value is not None}
        try:
            response = self._verb(method, path, given)
        except NotRunning:
            if self.settings is None or (verb := _of_the_store(method, path)) is None:
                raise
            return _read(self.settings, verb, given)
        if response.is_success:
            return response.json()
        raise _refused(response)

    def _verb(self, method: str, path: str, given: dict[str, Any]) -> httpx.Response:
        rest = dict(given)
        for name in [name for name in rest if f"{{{name}}}" in path]:
            path = path.replace(f"{{{name}}}", quote(str(rest.pop(name)), safe=""))
        if method in ("GET", "DELETE"):
            return self._send(method, PREFIX + path, params=rest)
        return self._send(method, PREFIX + path, json=rest or None)

    def get(self, path: str) -> httpx.Response:
        """The answer of a path without a verb."""
        return self._send("GET", path)

    def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            return self._client.request(method, path, **more)
        except httpx.ConnectError as error:
            if "Permission denied" in str(error):
                raise Stop(
                    f"{self._where} may not be opened by this user; members of the group "
                    "cascade-bridge may",
                    Exit.NO_PERMISSION,
                ) from None
            if self.settings is None:
                # Also a wrong name, or a certificate that is not trusted.
                said = f"{self._where} cannot be reached: {_reason(error)}"
                raise Stop(said, Exit.UNAVAILABLE) from None
            if self._mistakes is not None:
                raise self._mistakes from None
            raise NotRunning(self._where, _reason(error)) from None
        except httpx.HTTPError as error:
            raise Stop(f"{self._where}: {_reason(error)}", Exit.UNAVAILABLE) from None


def _of_the_store(method: str, path: str) -> ApiEndpoint | None:
    """The verb at this path, if it only reads the store."""
    from bridge.admin.endpoints import ENDPOINTS
    from bridge.admin.stored_verbs import StoredVerbs

    for endpoint in ENDPOINTS:
        if (endpoint.method, endpoint.path) == (method, path):
            name = endpoint.verb.__name__
            return endpoint if getattr(StoredVerbs, name, None) is endpoint.verb else None
    return None


def _read(settings: Settings, verb: ApiEndpoint, given: dict[str, Any]) -> Any:
    """The answer from the store, without a daemon."""
    from pydantic import ValidationError

    from bridge.admin.stored_verbs import StoredVerbs

    async def read() -> Any:
        async with reading(settings) as store:
            answer = await verb.call(StoredVerbs(settings, store), given, "")
            return verb.answer.dump_python(answer, mode="json")

    try:
        return asyncio.run(read())
    except ValidationError as error:
        raise Stop(str(error.errors()[0]["msg"]), Exit.USAGE) from None
    except Failure as failure:
        code = _EXITS.get(failure.reason, Exit.FAILED)
        raise DaemonRefused(failure, failure.description, code) from None


def _reason(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text.partition("] ")[2] or text


def _refused(response: httpx.Response) -> Stop:
    try:
        problem = response.json()
        reason = Reason[problem["reason"]]
        words = problem["detail"]
    except (ValueError, KeyError, TypeError):
        return Stop(f"HTTP {response.status_code}", Exit.SOFTWARE)
    lines = [words, *(_mistake(one) for one in problem.get("mistakes", ()))]
    code = _EXITS.get(reason, Exit.FAILED)
    if problem.get("mistakes"):
        code = Exit.CONFIG
    elif response.status_code == httpx.codes.CONFLICT:
        code = Exit.FAILED  # it is there already, also at another try
    return DaemonRefused(Failure(reason), "\n".join(lines), code)


def _mistake(one: dict[str, str]) -> str:
    place = ": ".join(part for part in (one["file"], one["key"]) if part)
    return f"  {place}: found {one['found']}; allowed: {one['allowed']}"


def daemon_options(function: F) -> F:
    """Adds ``--config``, ``--url``, ``--token``: the command gets ``daemon``."""

    @wraps(function)
    def command(config: Path | None, url: str | None, token: str | None, **arguments: Any) -> Any:
        with reach(config, url, token) as client:
            return function(daemon=client, **arguments)

    decorated = cast(F, command)
    for option in (
        click.option(
            "--token",
            metavar="SECRET",
            envvar="CASCADE_BRIDGE_TOKEN",
            help="The token for --url, or file:PATH or env:NAME [default: $CASCADE_BRIDGE_TOKEN].",
        ),
        click.option(
            "--url",
            metavar="URL",
            help="Another machine's bridge, for instance https://bridge.example.com:8025.",
        ),
        config_option,
    ):
        decorated = option(decorated)
    return decorated


class reach:  # noqa: N801 - reads as a verb
    """The daemon of the options; a context manager."""

    def __init__(self, config: Path | None, url: str | None, token: str | None) -> None:
        self._client: httpx.Client
        settings: Settings | None = None
        mistakes: ConfigError | None = None
        if url is None:
            try:
                settings = load(config, secrets=False)
            except ConfigError as error:
                if error.rest is None and config is not None:
                    raise  # not the daemon at the default socket, which has another configuration
                settings, mistakes = error.rest or Settings(), error
            where = str(settings.admin.socket)
            transport = httpx.HTTPTransport(uds=where)
            self._client = httpx.Client(
                transport=transport, base_url="http://cascade-bridge", timeout=_TIMEOUT
            )
        else:
            where = url
            try:
                secret = read_secret(token or "")
            except ValueError as error:
                raise Stop(f"--url needs --token: {error}", Exit.USAGE) from None
            headers = {"Authorization": f"Bearer {secret}"}
            self._client = httpx.Client(
                base_url=url.rstrip("/"), headers=headers, timeout=_TIMEOUT, trust_env=False
            )
        self._daemon = Daemon(self._client, where, settings, mistakes)

    def __enter__(self) -> Daemon:
        return self._daemon

    def __exit__(self, *_: object) -> None:
        self._client.close()


def json_option(function: F) -> F:
    """Adds ``--json``: the command gets ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(
        function
    )


def echo_json(document: Any) -> None:
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def troubles_of(settings: Settings) -> dict[str, str]:
    """Upstreams that take no messages, with the reason, from a running daemon; empty without
    one."""
    transport = httpx.HTTPTransport(uds=str(settings.admin.socket))
    try:
        with httpx.Client(transport=transport, base_url="http://cascade-bridge") as client:
            found = client.get(f"{PREFIX}/upstreams").json()
            return {one["name"]: words for one in found if (words := one["words"])}
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return {}

"""Verbs that act on every node of a store.

A verb marked with :func:`everywhere` runs at each node that shares the store, and the results are
joined. The nodes talk through the store (:meth:`bridge.store.Store.tell_nodes`): none needs
another's address or token.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any, Final, Generic, ParamSpec, TypeVar, cast, get_type_hints
from uuid import uuid4

import orjson
import structlog
from pydantic import TypeAdapter

from bridge.config.settings import ConfigError
from bridge.model.failure import Failure, Reason
from bridge.store import Store, StoreError

log = structlog.get_logger()

P = ParamSpec("P")
T = TypeVar("T")

#: Time limit for the answers of other nodes (seconds).
WITHIN: Final = 5.0

#: The verbs that other nodes may call, as functions for this node only.
_HERE: dict[str, Callable[..., Coroutine[Any, Any, Any]]] = {}


@dataclass(frozen=True, slots=True)
class NodeAnswers(Generic[T]):
    """The results by node number, the failures, and the nodes that did not answer in time.

    ``own`` is the number of the node that asked.
    """

    own: int
    results: Mapping[int, T]
    failures: Mapping[int, Failure]
    silent: list[int]

    @property
    def several(self) -> bool:
        return len(self.results) + len(self.failures) + len(self.silent) > 1


def everywhere(
    join: Callable[[NodeAnswers[T]], T],
) -> Callable[[Callable[P, Coroutine[Any, Any, T]]], Callable[P, Coroutine[Any, Any, T]]]:
    """Makes a verb of :class:`bridge.admin.control.Control` run at every node.

    ``join`` makes one result of those of all nodes. If every node fails, the most telling failure
    is raised.
    """

    def mark(verb: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        @wraps(verb)
        async def run(*args: P.args, **kwargs: P.kwargs) -> T:
            nodes = cast(Nodes, cast(Any, args[0]).nodes)
            return join(await nodes.run(verb.__name__, verb(*args, **kwargs), kwargs))

        _HERE[verb.__name__] = verb
        return run

    return mark


@cache
def _result_of(verb: str) -> TypeAdapter[Any]:
    return TypeAdapter(get_type_hints(_HERE[verb], include_extras=True)["return"])


class Nodes:
    """Asks the other nodes and answers them. ``control`` has the verbs."""

    def __init__(self, store: Store, control: object) -> None:
        self._store = store
        self._control = control
        self._asked: dict[str, asyncio.Queue[dict[str, Any]]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        store.signals.told.listen(self._hear)

    async def run(
        self, verb: str, here: Awaitable[T], arguments: Mapping[str, Any]
    ) -> NodeAnswers[T]:
        """Runs a verb at this node (``here``) and at the others; raises Failure if all fail."""
        own = self._store.node
        results: dict[int, T] = {}
        failures: dict[int, Failure] = {}
        try:
            results[own] = await here
        except Failure as failure:
            failures[own] = failure
        answers, silent = await self._ask(verb, arguments)
        for answer in answers:
            node = int(answer["node"])
            if "failure" in answer:
                failures[node] = Failure(Reason.named(answer["failure"]), answer["detail"])
            else:
                results[node] = _result_of(verb).validate_python(answer["result"])
        if not results:
            raise _most_telling(failures, own)
        return NodeAnswers(own, dict(sorted(results.items())), failures, silent)

    async def _ask(
        self, verb: str, arguments: Mapping[str, Any]
    ) -> tuple[list[dict[str, Any]], list[int]]:
        """The answers of the other nodes, and the nodes that did not answer."""
        try:
            missing = set(await self._store.node_numbers()) - {self._store.node}
        except StoreError:
            return [], []
        answers: list[dict[str, Any]] = []
        if not missing:
            return answers, []
        id = uuid4().hex
        heard = self._asked[id] = asyncio.Queue()
        try:
            async with asyncio.timeout(WITHIN):
                await self._tell(ask=id, verb=verb, arguments=dict(arguments))
                while missing:
                    answer = await heard.get()
                    missing.discard(answer["node"])
                    answers.append(answer)
        except (TimeoutError, StoreError):
            pass
        finally:
            del self._asked[id]
        return answers, sorted(missing)

    async def _tell(self, **words: Any) -> None:
        await self._store.tell_nodes(orjson.dumps({**words, "node": self._store.node}).decode())

    def _hear(self, words: str) -> None:
        """Takes the words of another node: a question, or an answer."""
        said = orjson.loads(words)
        if (heard := self._asked.get(said.get("answer", ""))) is not None:
            heard.put_nowait(said)
        elif said.get("ask") and said["verb"] in _HERE:
            answering = asyncio.create_task(self._answer(said))
            self._answering.add(answering)
            answering.add_done_callback(self._answering.discard)

    async def _answer(self, said: dict[str, Any]) -> None:
        verb = said["verb"]
        told: dict[str, Any]
        try:
            result = await _HERE[verb](self._control, **said["arguments"])
            told = {"result": _result_of(verb).dump_python(result, mode="json")}
        except Failure as failure:
            told = {"failure": failure.reason.name, "detail": failure.detail}
        except ConfigError as error:
            told = {"failure": Reason.BAD_PARAMETER.name, "detail": str(error.mistakes[0])}
        except (StoreError, OSError, ValueError, TypeError) as error:
            told = {"failure": Reason.OPERATION_FAILED.name, "detail": str(error)}
        try:
            await self._tell(answer=said["ask"], **told)
        except StoreError as error:
            log.warning("node_not_answered", verb=verb, error=str(error))


def _most_telling(failures: Mapping[int, Failure], own: int) -> Failure:
    found = [one for one in failures.values() if one.reason is not Reason.NOT_FOUND]
    chosen = found[0] if found else failures[own]
    return Failure(chosen.reason, chosen.detail, cause=chosen.cause)

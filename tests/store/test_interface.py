"""The interface: both engines offer all of it, and the contract tries all of it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.store import Store
from bridge.store.engines import engine_of
from tests.benchmarks.store_cases import VERBS as BENCHMARKS

FOLDER = Path(__file__).parent
#: The verbs and attributes of the interface.
NAMES = sorted(name for name in {*vars(Store), *Store.__annotations__} if not name.startswith("_"))
VERBS = [name for name in NAMES if inspect.isfunction(getattr(Store, name, None))]


def shape(verb: Callable[..., object]) -> list[tuple[str, object, object]]:
    """The parameters of a function, or of a method without its object."""
    parameters = inspect.signature(verb).parameters.values()
    return [(one.name, one.kind, one.default) for one in parameters if one.name != "self"]


def uses(*patterns: str) -> set[str]:
    """The attributes that these files use."""
    texts = [path.read_text("utf-8") for pattern in patterns for path in FOLDER.glob(pattern)]
    assert texts
    return set(re.findall(r"\.(\w+)", "\n".join(texts)))


@pytest.mark.parametrize("url", ["sqlite:///never-opened.db", "postgresql://nowhere/bridge"])
def test_an_engine_offers_everything_as_it_is_declared(url: str) -> None:
    engine = engine_of(url)
    assert [name for name in NAMES if not hasattr(engine, name)] == []
    for name in VERBS:
        declared, offered = getattr(Store, name), getattr(engine, name)
        # A verb that returns a future asks for its work at once, and others when they are awaited.
        asks = inspect.iscoroutinefunction
        assert asks(offered) == asks(declared), name
        if inspect.ismethod(offered):
            assert shape(offered) == shape(declared), name


def test_each_verb_says_what_it_promises() -> None:
    assert [name for name in VERBS if not getattr(Store, name).__doc__] == []


def test_each_verb_on_the_path_of_a_message_has_a_benchmark() -> None:
    measured = {verb for case in BENCHMARKS for verb in case.split(" and ")}
    assert measured <= set(VERBS)
    on_the_path = {
        name for name in VERBS if "Future" in getattr(Store, name).__annotations__["return"]
    }
    assert len(on_the_path) > 8
    assert on_the_path <= measured


def test_each_verb_is_in_the_contract() -> None:
    used = uses("test_*.py", "contract/*.py", "directory/*.py", "operating/*.py", "samples.py")
    assert [name for name in NAMES if name not in used] == []

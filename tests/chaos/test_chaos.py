"""The short form of ``python -m tests.chaos``, on both engines.

``CASCADE_BRIDGE_CHAOS_FAULTS=1000 CASCADE_BRIDGE_CHAOS_SEED=7`` make it longer, with another seed.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.chaos.faults import FAULTS, plan
from tests.chaos.node import faketime
from tests.chaos.run import chaos
from tests.store.postgres.server import binaries
from tests.support import missing

COUNT = int(os.environ.get("CASCADE_BRIDGE_CHAOS_FAULTS", "15"))
SEED = int(os.environ.get("CASCADE_BRIDGE_CHAOS_SEED", "1"))


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
async def test_nothing_is_lost_whatever_breaks(engine: str, tmp_path: Path) -> None:
    if faketime() is None:
        missing("libfaketime")
    if engine == "postgres" and binaries() is None:
        missing("PostgreSQL")
    report = await chaos(engine, COUNT, SEED, tmp_path, nodes=2)
    assert not report.violations, "\n".join([*report.story, str(report)])
    assert report.counts["accepted"] > COUNT


def test_a_plan_is_the_same_for_the_same_seed() -> None:
    assert plan(1, 50, "sqlite") == plan(1, 50, "sqlite") != plan(2, 50, "sqlite")
    assert plan(1, 50, "sqlite") == plan(1, 60, "sqlite")[:50]


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_every_fault_comes(engine: str) -> None:
    wanted = {name for name, fault in FAULTS.items() if fault.engine in ("", engine)}
    if faketime() is None:
        wanted -= {"clock"}
    assert {planned.name for planned in plan(1, 1000, engine)} == wanted

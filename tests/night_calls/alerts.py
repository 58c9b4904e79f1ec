"""Which alert rules fire for what a bridge was scraped of, as promtool says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

import httpx

from tests.serving.daemon import VIEW, Bridge, run
from tests.support import program

RULES: Final = Path(__file__).parents[2] / "config/alerts.yml"
ALERTS: Final = re.findall(r"- alert: (\w+)", RULES.read_text())
#: The fault lasts so long (minutes): longer than any rule waits.
LASTS: Final = 30

Scrape = dict[str, float]


async def scrape(bridge: Bridge) -> Scrape:
    """Its series with their values, as Prometheus would store them."""
    headers = {"Authorization": f"Bearer {VIEW}"}
    async with httpx.AsyncClient(
        base_url=await bridge.api(), headers=headers, timeout=30
    ) as client:
        answer = await client.get("/metrics")
        assert answer.status_code == 200
    found = re.findall(r"^(cascade_bridge_\w+(?:\{.*\})?) (\S+)$", answer.text, re.M)
    return {name: float(value) for name, value in found}


def _step(name: str, before: float, after: float) -> float:
    """How a series goes on while the fault lasts, a minute: counters as they did between the two
    scrapes, ages as time does."""
    metric = name.partition("{")[0]
    if metric.endswith(("_total", "_sum", "_count", "_bucket")):
        return after - before
    return 60.0 if metric.endswith("_age_seconds") and after else 0.0


def _series(before: Scrape, after: Scrape | None) -> list[dict[str, str]]:
    """As promtool reads them; a bridge that does not answer (``None``) has but ``up``."""
    up = {"series": 'up{job="cascade-bridge"}', "values": f"1 {int(after is not None)}x{LASTS}"}
    found = [up]
    for name, value in (after or {}).items():
        first = before.get(name, 0.0)
        step = _step(name, first, value)
        found.append({"series": name, "values": f"{first} {value}{step:+}x{LASTS}"})
    return found


async def firing(folder: Path, before: Scrape, after: Scrape | None) -> set[str]:
    """The alerts that fire at last, for a fault between two scrapes that goes on."""
    expects = [
        {
            "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}})',
            "eval_time": f"{LASTS}m",
            "exp_samples": [],
        }
        for name in ALERTS
    ]
    document = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": _series(before, after),
                "promql_expr_test": expects,
            }
        ],
    }
    file = folder / "alerts_test.yml"
    file.write_text(json.dumps(document))  # JSON is YAML too
    _, said = await run(program("promtool"), "test", "rules", str(file))
    assert "SUCCESS" in said or "exp:" in said, said
    # What was not expected to fire, and does.
    return set(re.findall(r'expr: "count\(ALERTS\{alertname=\\"(\w+)', said))

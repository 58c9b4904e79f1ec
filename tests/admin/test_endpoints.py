"""The API's table: every verb has a summary for the description."""

from __future__ import annotations

import pytest

from bridge.admin.endpoints import ENDPOINTS, ApiEndpoint


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda one: f"{one.method} {one.path}")
def test_the_first_line_of_a_verb_is_a_sentence(endpoint: ApiEndpoint) -> None:
    summary = (endpoint.verb.__doc__ or "").partition("\n")[0]
    assert summary.endswith("."), summary

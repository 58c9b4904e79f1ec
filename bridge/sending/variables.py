"""Uploads values of template variables to an upstream, beside its queue."""

from __future__ import annotations

from bridge.cascade.answers import refusal_of
from bridge.model.failure import Failure
from bridge.sending.upstream import UpstreamLine


async def upload(line: UpstreamLine, body: bytes) -> None:
    """Uploads them; raises Failure with the API's own words."""
    refusal = refusal_of(await line.client.upload(line.headers, body))
    if refusal is not None:
        raise Failure(refusal.reason, refusal.cause, cause=refusal.cause)

"""Recipients that were refused while the submission was accepted for others.

The answer names them, and each is kept as a refusal for the trace of the submission and of the
number. The log has their count: one event a submission.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bridge.log import unwritten
from bridge.model.failure import Failure
from bridge.model.message import Recipient
from bridge.relay.send_out_plan import NAMED
from bridge.store.operating.refusals import left_out_of

#: The event for each of them, which is not written.
LEFT_OUT: Final = "recipient_left_out"


def keep_left_out(
    id: int, account: str, protocol: str, peer: str, refused: Sequence[tuple[Recipient, Failure]]
) -> None:
    """Keeps the refused recipients of the submission with this id."""
    for recipient, failure in refused[:NAMED]:
        unwritten(
            LEFT_OUT,
            account=account,
            protocol=protocol,
            peer=peer,
            recipient=recipient.address,
            reason=left_out_of(id) + failure.description,
        )

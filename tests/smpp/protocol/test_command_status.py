"""The statuses, against smpplib's table and the failures that use them."""

from __future__ import annotations

import pytest
from smpplib import consts

from bridge.model.failure import Reason
from bridge.smpp.protocol.command_status import CommandStatus

THEIRS = {
    name.removeprefix("SMPP_"): value
    for name, value in vars(consts).items()
    if name.startswith("SMPP_ESME_")
}
#: The first status that is new in 5.0.
_NEW = 0x100


def test_the_statuses_of_3_4_are_those_of_smpplib() -> None:
    ours = {status.name: status.value for status in CommandStatus if status < _NEW}
    assert ours == {name: value for name, value in THEIRS.items() if value < _NEW}


def test_the_statuses_of_5_0_follow_each_other() -> None:
    # SMPP 5.0 §4.7.6
    new = [status.value for status in CommandStatus if status >= _NEW]
    assert new == list(range(_NEW, 0x113))
    assert CommandStatus.ESME_RINVDCS.value - _NEW == 4


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_status_with_a_name(reason: Reason) -> None:
    codes = reason.codes
    assert CommandStatus(codes.smpp) < _NEW
    assert CommandStatus(codes.smpp_v5)

"""The tables, compared with smpplib's if those are right, and with the specification."""

from __future__ import annotations

from typing import Any

import pytest
from smpplib import command as smpplib_command
from smpplib import command_codes, consts
from smpplib.ptypes import ostr

from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.layouts import (
    BODIES,
    COMMAND_IDS,
    LAYOUTS,
    LONGEST_PASSWORD,
    RESPONSES,
    FieldKind,
    Layout,
)

SMPPLIB = {key.lower(): value for key, value in vars(smpplib_command).items()}

#: Sizes that are wrong in smpplib (SMPP 3.4 §4.7.1, §4.12.1), and our own size of passwords.
OTHERWISE = {
    ("bind_transmitter", "password"): LONGEST_PASSWORD + 1,
    ("bind_receiver", "password"): LONGEST_PASSWORD + 1,
    ("bind_transceiver", "password"): LONGEST_PASSWORD + 1,
    ("data_sm", "source_addr"): 65,
    ("data_sm", "destination_addr"): 65,
    ("alert_notification", "source_addr"): 65,
    ("alert_notification", "esme_addr"): 65,
}


def of_smpplib(command: str) -> list[tuple[str, FieldKind, int]]:
    """The mandatory fields in smpplib's class for the command."""
    source: Any = SMPPLIB[command.replace("_", "")]
    fields = []
    for name in source.params_order:
        param = source.params[name]
        if name in consts.OPTIONAL_PARAMS and name not in getattr(source, "mandatory_fields", ()):
            break  # from here on TLVs
        size = OTHERWISE.get((command, name))
        if param.type is int:
            fields.append((name, FieldKind.INTEGER, size or param.size))
        elif param.type is ostr:
            fields[-1] = (name, FieldKind.SHORT_MESSAGE, param.max)  # in place of its sm_length
        else:
            fields.append((name, FieldKind.C_OCTET_STRING, size or param.max))
    return fields


@pytest.mark.parametrize(
    "command",
    [name for name in command_codes.commands if name.replace("_", "") in SMPPLIB],
)
def test_a_command_is_laid_out_as_in_smpplib(command: str) -> None:
    assert [(f.name, f.kind, f.size) for f in LAYOUTS[command]] == of_smpplib(command)


def test_every_command_has_smpplibs_id() -> None:
    theirs = dict(command_codes.commands)
    assert theirs.items() <= COMMAND_IDS.items()
    # SMPP 5.0 §4.4.1, §4.6.1, §4.6.2
    ours = {name: code for name, code in COMMAND_IDS.items() if name not in theirs}
    assert ours == {
        "broadcast_sm": 0x111,
        "broadcast_sm_resp": 0x80000111,
        "query_broadcast_sm": 0x112,
        "query_broadcast_sm_resp": 0x80000112,
        "cancel_broadcast_sm": 0x113,
        "cancel_broadcast_sm_resp": 0x80000113,
    }


def test_every_body_has_the_fields_of_its_layout() -> None:
    for command, fields in LAYOUTS.items():
        assert BODIES[command]._fields == tuple(field.name for field in fields)


def test_every_request_has_its_response() -> None:
    assert RESPONSES["submit_sm"] == "submit_sm_resp"
    assert RESPONSES["cancel_sm"] == "cancel_sm_resp"
    # SMPP 3.4 §4.12 and §4.1.7: these two have no response.
    assert RESPONSES["alert_notification"] == RESPONSES["outbind"] == "generic_nack"
    assert not any(name.endswith("_resp") for name in RESPONSES)


@pytest.mark.parametrize("name", [name for name in vars(consts) if name.startswith("SMPP_ESME_R")])
def test_a_status_has_smpplibs_value(name: str) -> None:
    assert CommandStatus[name.removeprefix("SMPP_")] == getattr(consts, name)


def test_cancel_sm_and_replace_sm_are_laid_out_as_the_specification_says() -> None:
    # SMPP 3.4 §4.9.1 and §4.10.1; smpplib has neither
    assert [(f.name, f.size) for f in LAYOUTS["cancel_sm"]] == [
        ("service_type", 6),
        ("message_id", 65),
        ("source_addr_ton", 1),
        ("source_addr_npi", 1),
        ("source_addr", 21),
        ("dest_addr_ton", 1),
        ("dest_addr_npi", 1),
        ("destination_addr", 21),
    ]
    assert [f.name for f in LAYOUTS["replace_sm"]] == [
        "message_id",
        "source_addr_ton",
        "source_addr_npi",
        "source_addr",
        "schedule_delivery_time",
        "validity_period",
        "registered_delivery",
        "sm_default_msg_id",
        "short_message",
    ]


def test_submit_multi_has_destinations_where_submit_sm_has_one() -> None:
    # SMPP 3.4 §4.5.1
    single = LAYOUTS["submit_sm"]
    destinations = Layout("dest_address", FieldKind.DEST_ADDRESS, 254, 255)
    assert LAYOUTS["submit_multi"] == (*single[:4], destinations, *single[7:])


def test_smpp_5_0_has_longer_texts_and_lists_and_nothing_else() -> None:
    longer = {
        (command, field.name, field.size, field.size_50)
        for command, fields in LAYOUTS.items()
        for field in fields
        if field.size != field.size_50
    }
    assert longer == {
        ("submit_sm", "short_message", 254, 255),
        ("deliver_sm", "short_message", 254, 255),
        ("submit_multi", "short_message", 254, 255),
        ("submit_multi", "dest_address", 254, 255),
        ("replace_sm", "short_message", 254, 255),
    }

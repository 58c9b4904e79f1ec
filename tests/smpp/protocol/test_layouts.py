"""The tables: what comes from smpplib, and what is not inherited from it."""

from __future__ import annotations

import pytest
from smpplib import command as smpplib_command
from smpplib import command_codes, consts

from bridge.smpp.protocol.command_status import Status
from bridge.smpp.protocol.layouts import (
    COMMAND_IDS,
    LAYOUTS,
    RESPONSES,
    TAGS,
    TLV_RULES,
    Field,
    Kind,
)


def test_every_command_has_smpplibs_id() -> None:
    assert command_codes.commands == COMMAND_IDS


def test_every_request_has_its_response() -> None:
    assert RESPONSES["submit_sm"] == "submit_sm_resp"
    assert RESPONSES["cancel_sm"] == "cancel_sm_resp"
    # SMPP 3.4 §4.12 and §4.1.7: nothing answers these two.
    assert RESPONSES["alert_notification"] == RESPONSES["outbind"] == "generic_nack"
    assert not any(name.endswith("_resp") for name in RESPONSES)


@pytest.mark.parametrize("name", [name for name in vars(consts) if name.startswith("SMPP_ESME_R")])
def test_a_status_has_smpplibs_value(name: str) -> None:
    assert Status[name.removeprefix("SMPP_")] == getattr(consts, name)


@pytest.mark.parametrize("command", ["cancel_sm", "replace_sm", "submit_multi", "outbind"])
def test_commands_that_smpplib_lacks_are_there(command: str) -> None:
    with pytest.raises(Exception, match="not supported"):
        smpplib_command.factory(command)
    assert LAYOUTS[command]


def test_cancel_sm_and_replace_sm_are_laid_out_as_the_specification_says() -> None:
    # SMPP 3.4 §4.9.1 and §4.10.1
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
    multi = [f.name for f in LAYOUTS["submit_multi"]]
    single = [f.name for f in LAYOUTS["submit_sm"]]
    assert multi == [*single[:4], "dest_address", *single[7:]]


def test_addresses_of_data_sm_and_alert_notification_have_65_octets() -> None:
    # SMPP 3.4 §4.7.1 and §4.12.1
    assert Field("destination_addr", Kind.C_OCTET_STRING, 65) in LAYOUTS["data_sm"]
    assert Field("esme_addr", Kind.C_OCTET_STRING, 65) in LAYOUTS["alert_notification"]


def test_query_sm_resp_has_its_message_state_among_the_mandatory_fields() -> None:
    assert [f.name for f in LAYOUTS["query_sm_resp"]] == [
        "message_id",
        "final_date",
        "message_state",
        "error_code",
    ]


@pytest.mark.parametrize(
    ("name", "length"),
    [
        ("source_addr_subunit", 1),  # smpplib: 2 in submit_sm
        ("source_telematics_id", 1),  # smpplib: 2
        ("network_error_code", 3),  # smpplib: 4 in data_sm_resp
        ("user_message_reference", 2),
        ("qos_time_to_live", 4),
    ],
)
def test_a_tlv_of_fixed_length_has_the_specifications(name: str, length: int) -> None:
    rule = TLV_RULES[TAGS[name]]
    assert (rule.shortest, rule.longest) == (length, length)


def test_subaddresses_are_octets() -> None:
    assert TLV_RULES[TAGS["source_subaddress"]].kind is None
    assert TLV_RULES[TAGS["dest_subaddress"]].kind is None


def test_every_tag_has_a_rule_and_5_0_has_its_own() -> None:
    assert TLV_RULES.keys() == set(TAGS.values())
    assert consts.OPTIONAL_PARAMS.items() <= TAGS.items()
    assert TAGS["congestion_state"] == 0x0428

"""The table of TLVs, compared with smpplib's."""

from __future__ import annotations

from typing import Any

import pytest
from smpplib import command as smpplib_command
from smpplib import consts

from bridge.smpp.protocol.tlvs import READ, TLVS, TlvKind

#: TLVs that are wrong, missing or ambiguous in smpplib.
OTHERWISE = {
    "dest_telematics_id",
    "source_addr_subunit",
    "source_telematics_id",
    "source_subaddress",
    "dest_subaddress",
    "callback_num_atag",
    "message_payload",
    "network_error_code",
    "additional_status_info_text",
    "receipted_message_id",
    "sc_interface_version",
    "ms_validity",
    "delivery_failure_reason",
    "alert_on_message_delivery",
    "user_message_reference",
}


def test_every_tag_of_smpplib_is_there_with_its_number() -> None:
    assert consts.OPTIONAL_PARAMS.items() <= {name: rule.tag for name, rule in TLVS.items()}.items()
    assert TLVS["congestion_state"].tag == 0x0428
    assert len({rule.tag for rule in TLVS.values()}) == len(TLVS)


@pytest.mark.parametrize("name", sorted(consts.OPTIONAL_PARAMS.keys() - OTHERWISE))
def test_a_tlv_has_smpplibs_length(name: str) -> None:
    tables: list[Any] = [getattr(value, "params", {}) for value in vars(smpplib_command).values()]
    params = [table[name] for table in tables if name in table]
    rule = TLVS[name]
    for param in params:
        if param.type is int:
            assert (rule.kind, rule.shortest, rule.longest) == (
                TlvKind.INTEGER,
                param.size,
                param.size,
            )
        else:
            assert rule.longest == param.max


@pytest.mark.parametrize(
    ("name", "length"),
    [
        ("source_addr_subunit", 1),  # smpplib: 2 in submit_sm
        ("source_telematics_id", 1),  # smpplib: 2
        ("network_error_code", 3),  # smpplib: 4 in data_sm_resp
        ("qos_time_to_live", 4),
        ("sar_msg_ref_num", 2),
    ],
)
def test_a_tlv_of_fixed_length_has_the_specifications(name: str, length: int) -> None:
    assert (TLVS[name].shortest, TLVS[name].longest) == (length, length)


def test_subaddresses_are_octets() -> None:
    assert TLVS["source_subaddress"].kind is TlvKind.OCTETS
    assert TLVS["dest_subaddress"].kind is TlvKind.OCTETS


def test_only_what_hands_over_or_replaces_a_text_reads_tlvs() -> None:
    assert READ.keys() == {"submit_sm", "submit_multi", "data_sm", "replace_sm"}
    assert READ["replace_sm"].keys() == {TLVS["message_payload"].tag}

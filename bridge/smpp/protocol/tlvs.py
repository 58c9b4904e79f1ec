"""TLVs (optional parameters) as data: tag, type and bounds of each (SMPP 3.4 §5.3.2, 5.0 §4.8.4).

Decides which of them a command reads. These must be well-formed; all other TLVs are kept as they
came, whatever their length or value (SMPP 5.0 §2.11.1).
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple


class TlvKind(Enum):
    """How a value is written."""

    INTEGER = "integer"
    C_OCTET_STRING = "C-octet string"
    OCTETS = "octets"


class TlvRule(NamedTuple):
    """A TLV: the length of its value in octets, and for some integers the allowed values."""

    tag: int
    kind: TlvKind
    shortest: int
    longest: int
    values: range | None = None


_INTEGER, _STRING, _OCTETS = TlvKind.INTEGER, TlvKind.C_OCTET_STRING, TlvKind.OCTETS

#: The largest two-octet length.
_ANY_LENGTH: Final = 0xFFFF

TLVS: Final[dict[str, TlvRule]] = {
    "dest_addr_subunit": TlvRule(0x0005, _INTEGER, 1, 1),
    "dest_network_type": TlvRule(0x0006, _INTEGER, 1, 1),
    "dest_bearer_type": TlvRule(0x0007, _INTEGER, 1, 1),
    "dest_telematics_id": TlvRule(0x0008, _INTEGER, 2, 2),
    "source_addr_subunit": TlvRule(0x000D, _INTEGER, 1, 1),
    "source_network_type": TlvRule(0x000E, _INTEGER, 1, 1),
    "source_bearer_type": TlvRule(0x000F, _INTEGER, 1, 1),
    "source_telematics_id": TlvRule(0x0010, _INTEGER, 1, 1),
    "qos_time_to_live": TlvRule(0x0017, _INTEGER, 4, 4),
    "payload_type": TlvRule(0x0019, _INTEGER, 1, 1),
    "additional_status_info_text": TlvRule(0x001D, _STRING, 0, 256),
    "receipted_message_id": TlvRule(0x001E, _STRING, 0, 65),
    "ms_msg_wait_facilities": TlvRule(0x0030, _INTEGER, 1, 1),
    "privacy_indicator": TlvRule(0x0201, _INTEGER, 1, 1, range(4)),
    "source_subaddress": TlvRule(0x0202, _OCTETS, 2, 23),
    "dest_subaddress": TlvRule(0x0203, _OCTETS, 2, 23),
    # Two octets by the specification; some clients write one, with the same meaning.
    "user_message_reference": TlvRule(0x0204, _INTEGER, 1, 2),
    "user_response_code": TlvRule(0x0205, _INTEGER, 1, 1),
    "source_port": TlvRule(0x020A, _INTEGER, 2, 2),
    "destination_port": TlvRule(0x020B, _INTEGER, 2, 2),
    "sar_msg_ref_num": TlvRule(0x020C, _INTEGER, 2, 2),
    "language_indicator": TlvRule(0x020D, _INTEGER, 1, 1),
    "sar_total_segments": TlvRule(0x020E, _INTEGER, 1, 1, range(1, 256)),
    "sar_segment_seqnum": TlvRule(0x020F, _INTEGER, 1, 1, range(1, 256)),
    "sc_interface_version": TlvRule(0x0210, _INTEGER, 1, 1),
    "callback_num_pres_ind": TlvRule(0x0302, _INTEGER, 1, 1),
    "callback_num_atag": TlvRule(0x0303, _OCTETS, 0, 65),
    "number_of_messages": TlvRule(0x0304, _INTEGER, 1, 1, range(100)),
    "callback_num": TlvRule(0x0381, _OCTETS, 4, 19),
    "dpf_result": TlvRule(0x0420, _INTEGER, 1, 1, range(2)),
    "set_dpf": TlvRule(0x0421, _INTEGER, 1, 1, range(2)),
    "ms_availability_status": TlvRule(0x0422, _INTEGER, 1, 1),
    "network_error_code": TlvRule(0x0423, _OCTETS, 3, 3),
    "message_payload": TlvRule(0x0424, _OCTETS, 0, _ANY_LENGTH),
    "delivery_failure_reason": TlvRule(0x0425, _INTEGER, 1, 1),
    "more_messages_to_send": TlvRule(0x0426, _INTEGER, 1, 1, range(2)),
    "message_state": TlvRule(0x0427, _INTEGER, 1, 1, range(10)),
    "congestion_state": TlvRule(0x0428, _INTEGER, 1, 1, range(100)),
    "ussd_service_op": TlvRule(0x0501, _INTEGER, 1, 1),
    "broadcast_channel_indicator": TlvRule(0x0600, _INTEGER, 1, 1),
    "broadcast_content_type": TlvRule(0x0601, _OCTETS, 3, 3),
    "broadcast_content_type_info": TlvRule(0x0602, _OCTETS, 1, 255),
    "broadcast_message_class": TlvRule(0x0603, _INTEGER, 1, 1),
    "broadcast_rep_num": TlvRule(0x0604, _INTEGER, 2, 2),
    "broadcast_frequency_interval": TlvRule(0x0605, _OCTETS, 3, 3),
    "broadcast_area_identifier": TlvRule(0x0606, _OCTETS, 1, 100),
    "broadcast_error_status": TlvRule(0x0607, _INTEGER, 4, 4),
    "broadcast_area_success": TlvRule(0x0608, _INTEGER, 1, 1),
    "broadcast_end_time": TlvRule(0x0609, _STRING, 0, 17),
    "broadcast_service_group": TlvRule(0x060A, _OCTETS, 1, 255),
    "billing_identification": TlvRule(0x060B, _OCTETS, 1, 1024),
    "source_network_id": TlvRule(0x060D, _STRING, 7, 65),
    "dest_network_id": TlvRule(0x060E, _STRING, 7, 65),
    "source_node_id": TlvRule(0x060F, _OCTETS, 6, 6),
    "dest_node_id": TlvRule(0x0610, _OCTETS, 6, 6),
    "dest_addr_np_resolution": TlvRule(0x0611, _INTEGER, 1, 1),
    "dest_addr_np_information": TlvRule(0x0612, _OCTETS, 10, 10),
    "dest_addr_np_country": TlvRule(0x0613, _OCTETS, 1, 5),
    "display_time": TlvRule(0x1201, _INTEGER, 1, 1),
    "sms_signal": TlvRule(0x1203, _INTEGER, 2, 2),
    # 5.0 may add a period to the octet
    "ms_validity": TlvRule(0x1204, _OCTETS, 1, 4),
    # 5.0 may add an octet
    "alert_on_message_delivery": TlvRule(0x130C, _OCTETS, 0, 1),
    "its_reply_type": TlvRule(0x1380, _INTEGER, 1, 1),
    "its_session_info": TlvRule(0x1383, _INTEGER, 2, 2),
}

USER_MESSAGE_REFERENCE: Final = TLVS["user_message_reference"].tag
MESSAGE_PAYLOAD: Final = TLVS["message_payload"].tag
QOS_TIME_TO_LIVE: Final = TLVS["qos_time_to_live"].tag
SAR_MSG_REF_NUM: Final = TLVS["sar_msg_ref_num"].tag
SAR_TOTAL_SEGMENTS: Final = TLVS["sar_total_segments"].tag
SAR_SEGMENT_SEQNUM: Final = TLVS["sar_segment_seqnum"].tag
SC_INTERFACE_VERSION: Final = TLVS["sc_interface_version"].tag
CONGESTION_STATE: Final = TLVS["congestion_state"].tag
RECEIPTED_MESSAGE_ID: Final = TLVS["receipted_message_id"].tag
MESSAGE_STATE: Final = TLVS["message_state"].tag
NETWORK_ERROR_CODE: Final = TLVS["network_error_code"].tag
ADDITIONAL_STATUS_INFO_TEXT: Final = TLVS["additional_status_info_text"].tag
SOURCE_PORT: Final = TLVS["source_port"].tag
DESTINATION_PORT: Final = TLVS["destination_port"].tag
USSD_SERVICE_OP: Final = TLVS["ussd_service_op"].tag
ITS_SESSION_INFO: Final = TLVS["its_session_info"].tag

#: Vendor TLVs of this bridge; :mod:`bridge.smpp.inbound.submit` checks their values.
CASCADE_TYPE: Final = 0x1500
CASCADE_SURVEY_OPTION: Final = 0x1501
CASCADE_ROUTE: Final = 0x1502
CASCADE_REFERENCE: Final = 0x1503
CASCADE_FALLBACK: Final = 0x1504

_SUBMIT: Final = (
    "qos_time_to_live",
    "user_message_reference",
    "sar_msg_ref_num",
    "sar_total_segments",
    "sar_segment_seqnum",
    "message_payload",
)

#: Command → the TLVs that it reads. (TLVs whose presence refuses a submit are not read.)
_READ: Final[dict[str, tuple[str, ...]]] = {
    "submit_sm": _SUBMIT,
    "submit_multi": _SUBMIT,
    "data_sm": _SUBMIT,
    "replace_sm": ("message_payload",),
}

#: The same by tags, for the codec.
READ: Final[dict[str, dict[int, tuple[str, TlvRule]]]] = {
    command: {TLVS[name].tag: (name, TLVS[name]) for name in names}
    for command, names in _READ.items()
}

"""PDU layouts as data: which field follows which, of what kind and size, in every command.

The tables come from smpplib; what it lacks or has wrong (by SMPP 3.4 §4 and §5.3, and SMPP 5.0)
is corrected right below where it is read. :mod:`bridge.smpp.protocol.codec` walks them.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final, NamedTuple

from smpplib import command as smpplib_command
from smpplib import command_codes, consts
from smpplib.ptypes import ostr

from bridge.smpp.protocol import pdu
from bridge.smpp.protocol.command_status import Status


class Kind(Enum):
    """How a field is written."""

    INTEGER = "integer"  # of `size` octets
    C_OCTET_STRING = "C-octet string"  # up to `size` octets with its NUL
    SHORT_MESSAGE = "octets after a one-octet length"  # up to `size` octets
    DEST_ADDRESS = "destinations after their number"  # up to `size` of them
    UNSUCCESS_SME = "refused destinations after their number"


class Field(NamedTuple):
    """One mandatory field."""

    name: str
    kind: Kind
    size: int


#: command_id → name. The response to a request has the same id with the highest bit set.
COMMANDS: Final[dict[int, str]] = {code: name for name, code in command_codes.commands.items()}
COMMAND_IDS: Final[dict[str, int]] = {name: code for code, name in COMMANDS.items()}
RESPONSE: Final = 0x80000000

#: What answers a request; alert_notification and outbind have no response of their own.
RESPONSES: Final[dict[str, str]] = {
    name: COMMANDS.get(code | RESPONSE, "generic_nack")
    for code, name in COMMANDS.items()
    if not code & RESPONSE
}


def _derived(name: str) -> list[Field]:
    """The mandatory fields in smpplib's class for the command, in order."""
    classes = {key.lower(): value for key, value in vars(smpplib_command).items()}
    source: Any = classes[name.replace("_", "")]
    fields = []
    for field in source.params_order:
        param = source.params[field]
        if field in consts.OPTIONAL_PARAMS and field not in getattr(source, "mandatory_fields", ()):
            break  # from here on TLVs
        if param.type is int:
            fields.append(Field(field, Kind.INTEGER, param.size))
        elif param.type is ostr:
            fields[-1] = Field(field, Kind.SHORT_MESSAGE, param.max)  # in place of its sm_length
        else:
            fields.append(Field(field, Kind.C_OCTET_STRING, param.max))
    return fields


_SUBMIT: Final = {field.name: field for field in _derived("submit_sm")}
_MESSAGE_ID: Final = Field("message_id", Kind.C_OCTET_STRING, 65)
_DESTINATION: Final = tuple(
    _SUBMIT[name] for name in ("dest_addr_ton", "dest_addr_npi", "destination_addr")
)
_SOURCE: Final = tuple(
    _SUBMIT[name] for name in ("source_addr_ton", "source_addr_npi", "source_addr")
)

#: The commands that smpplib has no class for.
_MISSING: Final[dict[str, tuple[Field, ...]]] = {
    "outbind": tuple(_derived("bind_transmitter")[:2]),
    "submit_multi": (
        _SUBMIT["service_type"],
        *_SOURCE,
        Field("dest_address", Kind.DEST_ADDRESS, 254),
        *list(_SUBMIT.values())[7:],
    ),
    "submit_multi_resp": (_MESSAGE_ID, Field("unsuccess_sme", Kind.UNSUCCESS_SME, 255)),
    "cancel_sm": (_SUBMIT["service_type"], _MESSAGE_ID, *_SOURCE, *_DESTINATION),
    "cancel_sm_resp": (),
    "replace_sm": (
        _MESSAGE_ID,
        *_SOURCE,
        *(
            _SUBMIT[name]
            for name in (
                "schedule_delivery_time",
                "validity_period",
                "registered_delivery",
                "sm_default_msg_id",
                "short_message",
            )
        ),
    ),
    "replace_sm_resp": (),
}

#: Binds say passwords of up to 8 octets (SMPP 3.4 §4.1.1); ours may be longer, and clients send
#: what they are told to.
LONGEST_PASSWORD: Final = 64

#: Sizes that smpplib has wrong: addresses of 65 octets in SMPP 3.4 §4.7.1 and §4.12.1. And ours.
_SIZES: Final = {
    ("bind_transmitter", "password"): LONGEST_PASSWORD + 1,
    ("bind_receiver", "password"): LONGEST_PASSWORD + 1,
    ("bind_transceiver", "password"): LONGEST_PASSWORD + 1,
    ("data_sm", "source_addr"): 65,
    ("data_sm", "destination_addr"): 65,
    ("alert_notification", "source_addr"): 65,
    ("alert_notification", "esme_addr"): 65,
}


def _layout(name: str) -> tuple[Field, ...]:
    fields = _MISSING[name] if name in _MISSING else _derived(name)
    return tuple(f._replace(size=_SIZES.get((name, f.name), f.size)) for f in fields)


#: The mandatory fields of every command.
LAYOUTS: Final[dict[str, tuple[Field, ...]]] = {name: _layout(name) for name in COMMAND_IDS}

#: The class that holds them.
BODIES: Final[dict[str, type[Any]]] = {
    "bind_transmitter": pdu.Bind,
    "bind_transmitter_resp": pdu.BindResp,
    "bind_receiver": pdu.Bind,
    "bind_receiver_resp": pdu.BindResp,
    "bind_transceiver": pdu.Bind,
    "bind_transceiver_resp": pdu.BindResp,
    "outbind": pdu.Outbind,
    "unbind": pdu.Empty,
    "unbind_resp": pdu.Empty,
    "submit_sm": pdu.SubmitSm,
    "submit_sm_resp": pdu.MessageIdResp,
    "submit_multi": pdu.SubmitMulti,
    "submit_multi_resp": pdu.SubmitMultiResp,
    "deliver_sm": pdu.SubmitSm,
    "deliver_sm_resp": pdu.MessageIdResp,
    "data_sm": pdu.DataSm,
    "data_sm_resp": pdu.MessageIdResp,
    "query_sm": pdu.QuerySm,
    "query_sm_resp": pdu.QuerySmResp,
    "cancel_sm": pdu.CancelSm,
    "cancel_sm_resp": pdu.Empty,
    "replace_sm": pdu.ReplaceSm,
    "replace_sm_resp": pdu.Empty,
    "enquire_link": pdu.Empty,
    "enquire_link_resp": pdu.Empty,
    "alert_notification": pdu.AlertNotification,
    "generic_nack": pdu.Empty,
}

assert BODIES.keys() == LAYOUTS.keys()
assert all(BODIES[c]._fields == tuple(f.name for f in fields) for c, fields in LAYOUTS.items())

#: The status for a field whose value is too long; for others it is ESME_RINVCMDLEN.
TOO_LONG: Final = {
    "system_id": Status.ESME_RINVSYSID,
    "password": Status.ESME_RINVPASWD,
    "system_type": Status.ESME_RINVSYSTYP,
    "service_type": Status.ESME_RINVSERTYP,
    "source_addr": Status.ESME_RINVSRCADR,
    "destination_addr": Status.ESME_RINVDSTADR,
    "dl_name": Status.ESME_RINVDLNAME,
    "schedule_delivery_time": Status.ESME_RINVSCHED,
    "validity_period": Status.ESME_RINVEXPIRY,
    "message_id": Status.ESME_RINVMSGID,
    "short_message": Status.ESME_RINVMSGLEN,
}


class TlvRule(NamedTuple):
    """What a known TLV must look like: its length in octets and, for integers, its values."""

    name: str
    kind: Kind | None  # None: plain octets
    shortest: int
    longest: int
    values: range | None = None


#: Nothing in a PDU is longer than its two-octet length can say.
_ANY_LENGTH: Final = 0xFFFF

_INTEGER, _TEXT, _OCTETS = Kind.INTEGER, Kind.C_OCTET_STRING, None

#: Where smpplib's own table is wrong, silent, or differs from command to command (SMPP 3.4 §5.3.2,
#: SMPP 5.0 §4.8.4): kind, shortest, longest and values, by name.
_TLVS: Final[dict[str, tuple[Kind | None, int, int, range | None]]] = {
    "dest_network_type": (_INTEGER, 1, 1, None),
    "dest_bearer_type": (_INTEGER, 1, 1, None),
    "dest_telematics_id": (_INTEGER, 2, 2, None),
    "source_addr_subunit": (_INTEGER, 1, 1, None),
    "source_telematics_id": (_INTEGER, 1, 1, None),
    "source_subaddress": (_OCTETS, 2, 23, None),
    "dest_subaddress": (_OCTETS, 2, 23, None),
    "callback_num_atag": (_OCTETS, 0, 65, None),
    "message_payload": (_OCTETS, 0, _ANY_LENGTH, None),
    "network_error_code": (_OCTETS, 3, 3, None),
    "additional_status_info_text": (_TEXT, 0, 256, None),
    "receipted_message_id": (_TEXT, 0, 65, None),
    "sc_interface_version": (_INTEGER, 1, 1, None),
    "delivery_failure_reason": (_INTEGER, 1, 1, None),
    "set_dpf": (_INTEGER, 1, 1, range(2)),
    "dpf_result": (_INTEGER, 1, 1, range(2)),
    "sar_total_segments": (_INTEGER, 1, 1, range(1, 256)),
    "sar_segment_seqnum": (_INTEGER, 1, 1, range(1, 256)),
    "more_messages_to_send": (_INTEGER, 1, 1, range(2)),
    "privacy_indicator": (_INTEGER, 1, 1, range(4)),
    "number_of_messages": (_INTEGER, 1, 1, range(100)),
    "message_state": (_INTEGER, 1, 1, range(10)),
    "ms_validity": (_OCTETS, 1, 4, None),  # 5.0 may add a period to the octet
    "alert_on_message_delivery": (_OCTETS, 0, 1, None),  # 5.0 may add an octet
    # SMPP 5.0 §4.8.4 only
    "congestion_state": (_INTEGER, 1, 1, range(100)),
    "billing_identification": (_OCTETS, 1, 1024, None),
    "source_network_id": (_TEXT, 7, 65, None),
    "dest_network_id": (_TEXT, 7, 65, None),
    "source_node_id": (_OCTETS, 6, 6, None),
    "dest_node_id": (_OCTETS, 6, 6, None),
    "dest_addr_np_resolution": (_INTEGER, 1, 1, None),
    "dest_addr_np_information": (_OCTETS, 10, 10, None),
    "dest_addr_np_country": (_OCTETS, 1, 5, None),
}

#: Tags that only SMPP 5.0 has.
_V5_TAGS: Final = {
    "congestion_state": 0x0428,
    "billing_identification": 0x060B,
    "source_network_id": 0x060D,
    "dest_network_id": 0x060E,
    "source_node_id": 0x060F,
    "dest_node_id": 0x0610,
    "dest_addr_np_resolution": 0x0611,
    "dest_addr_np_information": 0x0612,
    "dest_addr_np_country": 0x0613,
}

#: Name → tag.
TAGS: Final[dict[str, int]] = {**consts.OPTIONAL_PARAMS, **_V5_TAGS}


def _tlv_rule(name: str) -> TlvRule:
    if name in _TLVS:
        return TlvRule(name, *_TLVS[name])
    tables: list[Any] = [getattr(value, "params", {}) for value in vars(smpplib_command).values()]
    param = next(table[name] for table in tables if name in table)
    if param.type is int:
        return TlvRule(name, _INTEGER, param.size, param.size)
    return TlvRule(name, _OCTETS, getattr(param, "min", 0), param.max)


#: Tag → what a value must look like. A tag that is not here may have any value.
TLV_RULES: Final[dict[int, TlvRule]] = {tag: _tlv_rule(name) for name, tag in TAGS.items()}

USER_MESSAGE_REFERENCE: Final = TAGS["user_message_reference"]
MESSAGE_PAYLOAD: Final = TAGS["message_payload"]
QOS_TIME_TO_LIVE: Final = TAGS["qos_time_to_live"]
SAR_MSG_REF_NUM: Final = TAGS["sar_msg_ref_num"]
SAR_TOTAL_SEGMENTS: Final = TAGS["sar_total_segments"]
SAR_SEGMENT_SEQNUM: Final = TAGS["sar_segment_seqnum"]
SC_INTERFACE_VERSION: Final = TAGS["sc_interface_version"]
CONGESTION_STATE: Final = TAGS["congestion_state"]
RECEIPTED_MESSAGE_ID: Final = TAGS["receipted_message_id"]
MESSAGE_STATE: Final = TAGS["message_state"]
NETWORK_ERROR_CODE: Final = TAGS["network_error_code"]
ADDITIONAL_STATUS_INFO_TEXT: Final = TAGS["additional_status_info_text"]

#: Vendor TLVs of this bridge; what they may hold is decided where a Submission is made of them.
CASCADE_TYPE: Final = 0x1500
CASCADE_SURVEY_OPTION: Final = 0x1501
CASCADE_ROUTE: Final = 0x1502
CASCADE_REFERENCE: Final = 0x1503
CASCADE_FALLBACK: Final = 0x1504

"""PDU layouts as data: every command of SMPP 3.4 §4 and SMPP 5.0 §4, each field in its order.

:mod:`bridge.smpp.protocol.codec` walks these tables in both directions. TLVs
(:mod:`bridge.smpp.protocol.tlvs`) follow the mandatory fields.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final, NamedTuple

from bridge.smpp.protocol import pdu
from bridge.smpp.protocol.command_status import CommandStatus


class FieldKind(Enum):
    """How a field is written."""

    INTEGER = "integer"  # of `size` octets
    C_OCTET_STRING = "C-octet string"  # up to `size` octets with its NUL
    SHORT_MESSAGE = "octets after a one-octet length"  # up to `size` octets
    DEST_ADDRESS = "destinations after their number"  # up to `size` of them
    UNSUCCESS_SME = "refused destinations after their number"


class Layout(NamedTuple):
    """One mandatory field. ``size`` is that of SMPP 3.4, ``size_50`` the larger one of SMPP 5.0."""

    name: str
    kind: FieldKind
    size: int
    size_50: int


def _integer(name: str, octets: int = 1) -> Layout:
    return Layout(name, FieldKind.INTEGER, octets, octets)


def _string(name: str, size: int) -> Layout:
    return Layout(name, FieldKind.C_OCTET_STRING, size, size)


#: Passwords have up to 8 octets in SMPP 3.4 (§4.1.1). Those of the bridge may be longer, and
#: clients send them.
LONGEST_PASSWORD: Final = 64

#: SMPP 3.4 §4.1.1, §4.1.3, §4.1.5
_BIND: Final = (
    _string("system_id", 16),
    _string("password", LONGEST_PASSWORD + 1),
    _string("system_type", 13),
    _integer("interface_version"),
    _integer("addr_ton"),
    _integer("addr_npi"),
    _string("address_range", 41),
)
#: SMPP 3.4 §4.1.2, §4.1.4, §4.1.6
_BIND_RESP: Final = (_string("system_id", 16),)
#: SMPP 3.4 §4.1.7
_OUTBIND: Final = (
    _string("system_id", 16),
    _string("password", 9),
)
#: SMPP 3.4 §4.4.1, §4.6.1. SMPP 5.0 §4.7.28 has one octet more for the text.
_SUBMIT_SM: Final = (
    _string("service_type", 6),
    _integer("source_addr_ton"),
    _integer("source_addr_npi"),
    _string("source_addr", 21),
    _integer("dest_addr_ton"),
    _integer("dest_addr_npi"),
    _string("destination_addr", 21),
    _integer("esm_class"),
    _integer("protocol_id"),
    _integer("priority_flag"),
    _string("schedule_delivery_time", 17),
    _string("validity_period", 17),
    _integer("registered_delivery"),
    _integer("replace_if_present_flag"),
    _integer("data_coding"),
    _integer("sm_default_msg_id"),
    Layout("short_message", FieldKind.SHORT_MESSAGE, 254, 255),
)
#: SMPP 3.4 §4.4.2, §4.6.2, §4.7.2; SMPP 5.0 §4.4.1.2
_MESSAGE_ID: Final = (_string("message_id", 65),)
#: SMPP 3.4 §4.5.1. SMPP 5.0 §4.7.17 has one destination more.
_SUBMIT_MULTI: Final = (
    _string("service_type", 6),
    _integer("source_addr_ton"),
    _integer("source_addr_npi"),
    _string("source_addr", 21),
    Layout("dest_address", FieldKind.DEST_ADDRESS, 254, 255),
    _integer("esm_class"),
    _integer("protocol_id"),
    _integer("priority_flag"),
    _string("schedule_delivery_time", 17),
    _string("validity_period", 17),
    _integer("registered_delivery"),
    _integer("replace_if_present_flag"),
    _integer("data_coding"),
    _integer("sm_default_msg_id"),
    Layout("short_message", FieldKind.SHORT_MESSAGE, 254, 255),
)
#: SMPP 3.4 §4.5.2
_SUBMIT_MULTI_RESP: Final = (
    _string("message_id", 65),
    Layout("unsuccess_sme", FieldKind.UNSUCCESS_SME, 255, 255),
)
#: SMPP 3.4 §4.7.1: longer addresses than submit_sm's
_DATA_SM: Final = (
    _string("service_type", 6),
    _integer("source_addr_ton"),
    _integer("source_addr_npi"),
    _string("source_addr", 65),
    _integer("dest_addr_ton"),
    _integer("dest_addr_npi"),
    _string("destination_addr", 65),
    _integer("esm_class"),
    _integer("registered_delivery"),
    _integer("data_coding"),
)
#: SMPP 3.4 §4.8.1; SMPP 5.0 §4.6.1.1 (query_broadcast_sm)
_QUERY_SM: Final = (
    _string("message_id", 65),
    _integer("source_addr_ton"),
    _integer("source_addr_npi"),
    _string("source_addr", 21),
)
#: SMPP 3.4 §4.8.2
_QUERY_SM_RESP: Final = (
    _string("message_id", 65),
    _string("final_date", 17),
    _integer("message_state"),
    _integer("error_code"),
)
#: SMPP 3.4 §4.9.1
_CANCEL_SM: Final = (
    _string("service_type", 6),
    _string("message_id", 65),
    _integer("source_addr_ton"),
    _integer("source_addr_npi"),
    _string("source_addr", 21),
    _integer("dest_addr_ton"),
    _integer("dest_addr_npi"),
    _string("destination_addr", 21),
)
#: SMPP 3.4 §4.10.1
_REPLACE_SM: Final = (
    _string("message_id", 65),
    _integer("source_addr_ton"),
    _integer("source_addr_npi"),
    _string("source_addr", 21),
    _string("schedule_delivery_time", 17),
    _string("validity_period", 17),
    _integer("registered_delivery"),
    _integer("sm_default_msg_id"),
    Layout("short_message", FieldKind.SHORT_MESSAGE, 254, 255),
)
#: SMPP 3.4 §4.12.1
_ALERT_NOTIFICATION: Final = (
    _integer("source_addr_ton"),
    _integer("source_addr_npi"),
    _string("source_addr", 65),
    _integer("esme_addr_ton"),
    _integer("esme_addr_npi"),
    _string("esme_addr", 65),
)
#: SMPP 5.0 §4.4.1.1
_BROADCAST_SM: Final = (
    _string("service_type", 6),
    _integer("source_addr_ton"),
    _integer("source_addr_npi"),
    _string("source_addr", 21),
    _string("message_id", 65),
    _integer("priority_flag"),
    _string("schedule_delivery_time", 17),
    _string("validity_period", 17),
    _integer("replace_if_present_flag"),
    _integer("data_coding"),
    _integer("sm_default_msg_id"),
)
#: SMPP 5.0 §4.6.2.1
_CANCEL_BROADCAST_SM: Final = (
    _string("service_type", 6),
    _string("message_id", 65),
    _integer("source_addr_ton"),
    _integer("source_addr_npi"),
    _string("source_addr", 21),
)


class _Command(NamedTuple):
    command_id: int
    body: type[Any]
    fields: tuple[Layout, ...]


_COMMANDS: Final[dict[str, _Command]] = {
    "bind_receiver": _Command(0x00000001, pdu.Bind, _BIND),
    "bind_receiver_resp": _Command(0x80000001, pdu.BindResp, _BIND_RESP),
    "bind_transmitter": _Command(0x00000002, pdu.Bind, _BIND),
    "bind_transmitter_resp": _Command(0x80000002, pdu.BindResp, _BIND_RESP),
    "query_sm": _Command(0x00000003, pdu.QuerySm, _QUERY_SM),
    "query_sm_resp": _Command(0x80000003, pdu.QuerySmResp, _QUERY_SM_RESP),
    "submit_sm": _Command(0x00000004, pdu.SubmitSm, _SUBMIT_SM),
    "submit_sm_resp": _Command(0x80000004, pdu.MessageIdResp, _MESSAGE_ID),
    "deliver_sm": _Command(0x00000005, pdu.SubmitSm, _SUBMIT_SM),
    "deliver_sm_resp": _Command(0x80000005, pdu.MessageIdResp, _MESSAGE_ID),
    "unbind": _Command(0x00000006, pdu.Empty, ()),
    "unbind_resp": _Command(0x80000006, pdu.Empty, ()),
    "replace_sm": _Command(0x00000007, pdu.ReplaceSm, _REPLACE_SM),
    "replace_sm_resp": _Command(0x80000007, pdu.Empty, ()),
    "cancel_sm": _Command(0x00000008, pdu.CancelSm, _CANCEL_SM),
    "cancel_sm_resp": _Command(0x80000008, pdu.Empty, ()),
    "bind_transceiver": _Command(0x00000009, pdu.Bind, _BIND),
    "bind_transceiver_resp": _Command(0x80000009, pdu.BindResp, _BIND_RESP),
    "outbind": _Command(0x0000000B, pdu.Outbind, _OUTBIND),
    "enquire_link": _Command(0x00000015, pdu.Empty, ()),
    "enquire_link_resp": _Command(0x80000015, pdu.Empty, ()),
    "submit_multi": _Command(0x00000021, pdu.SubmitMulti, _SUBMIT_MULTI),
    "submit_multi_resp": _Command(0x80000021, pdu.SubmitMultiResp, _SUBMIT_MULTI_RESP),
    "alert_notification": _Command(0x00000102, pdu.AlertNotification, _ALERT_NOTIFICATION),
    "data_sm": _Command(0x00000103, pdu.DataSm, _DATA_SM),
    "data_sm_resp": _Command(0x80000103, pdu.MessageIdResp, _MESSAGE_ID),
    "broadcast_sm": _Command(0x00000111, pdu.BroadcastSm, _BROADCAST_SM),
    "broadcast_sm_resp": _Command(0x80000111, pdu.MessageIdResp, _MESSAGE_ID),
    "query_broadcast_sm": _Command(0x00000112, pdu.QuerySm, _QUERY_SM),
    "query_broadcast_sm_resp": _Command(0x80000112, pdu.MessageIdResp, _MESSAGE_ID),
    "cancel_broadcast_sm": _Command(0x00000113, pdu.CancelBroadcastSm, _CANCEL_BROADCAST_SM),
    "cancel_broadcast_sm_resp": _Command(0x80000113, pdu.Empty, ()),
    "generic_nack": _Command(0x80000000, pdu.Empty, ()),
}

#: Name → command_id and back. A response has its request's id with the highest bit set.
COMMAND_IDS: Final = {name: command.command_id for name, command in _COMMANDS.items()}
COMMANDS: Final = {command_id: name for name, command_id in COMMAND_IDS.items()}
RESPONSE: Final = 0x80000000

#: The mandatory fields of every command, and the class that holds them.
LAYOUTS: Final = {name: command.fields for name, command in _COMMANDS.items()}
BODIES: Final = {name: command.body for name, command in _COMMANDS.items()}

#: Request → its response; alert_notification and outbind have none.
RESPONSES: Final = {
    name: COMMANDS.get(command_id | RESPONSE, "generic_nack")
    for name, command_id in COMMAND_IDS.items()
    if not command_id & RESPONSE
}

#: The requests that submit messages.
SUBMITS: Final = frozenset({"submit_sm", "submit_multi", "data_sm"})

#: The status for a field whose value is too long; for others it is ESME_RINVCMDLEN.
TOO_LONG: Final = {
    "system_id": CommandStatus.ESME_RINVSYSID,
    "password": CommandStatus.ESME_RINVPASWD,
    "system_type": CommandStatus.ESME_RINVSYSTYP,
    "service_type": CommandStatus.ESME_RINVSERTYP,
    "source_addr": CommandStatus.ESME_RINVSRCADR,
    "destination_addr": CommandStatus.ESME_RINVDSTADR,
    "dl_name": CommandStatus.ESME_RINVDLNAME,
    "schedule_delivery_time": CommandStatus.ESME_RINVSCHED,
    "validity_period": CommandStatus.ESME_RINVEXPIRY,
    "message_id": CommandStatus.ESME_RINVMSGID,
    "short_message": CommandStatus.ESME_RINVMSGLEN,
}

"""The bodies of PDUs: one class for each, with the specification's field names.

Bodies leave out fields that only count others (sm_length, number_of_dests, no_unsuccess). C-octet
strings are bytes without their NUL. :mod:`bridge.smpp.protocol.layouts` has the layouts on the
wire.
"""

from __future__ import annotations

from typing import NamedTuple

from bridge.smpp.protocol.command_status import CommandStatus


class Tlv(NamedTuple):
    """An optional parameter of a PDU, known or unknown."""

    tag: int
    value: bytes


class Bind(NamedTuple):
    """bind_transmitter, bind_receiver, bind_transceiver (SMPP 3.4 §4.1)."""

    system_id: bytes = b""
    password: bytes = b""
    system_type: bytes = b""
    interface_version: int = 0x34
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: bytes = b""


class BindResp(NamedTuple):
    """The three bind responses."""

    system_id: bytes = b""


class Outbind(NamedTuple):
    """SMPP 3.4 §4.1.7."""

    system_id: bytes = b""
    password: bytes = b""


class SubmitSm(NamedTuple):
    """submit_sm (SMPP 3.4 §4.4.1) and, with the same fields, deliver_sm (§4.6.1)."""

    service_type: bytes = b""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: bytes = b""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: bytes = b""
    esm_class: int = 0
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: bytes = b""
    validity_period: bytes = b""
    registered_delivery: int = 0
    replace_if_present_flag: int = 0
    data_coding: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""


class MessageIdResp(NamedTuple):
    """submit_sm_resp, deliver_sm_resp, data_sm_resp, broadcast_sm_resp, query_broadcast_sm_resp."""

    message_id: bytes = b""


class SmeAddress(NamedTuple):
    """A dest_address of submit_multi with dest_flag 1 (SMPP 3.4 §4.5.1.1)."""

    dest_addr_ton: int
    dest_addr_npi: int
    destination_addr: bytes


class DistributionList(NamedTuple):
    """A dest_address of submit_multi with dest_flag 2."""

    dl_name: bytes


class UnsuccessSme(NamedTuple):
    """A refused destination of submit_multi (SMPP 3.4 §4.5.2.1)."""

    dest_addr_ton: int
    dest_addr_npi: int
    destination_addr: bytes
    error_status_code: int


class SubmitMulti(NamedTuple):
    """SMPP 3.4 §4.5.1."""

    service_type: bytes = b""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: bytes = b""
    dest_address: tuple[SmeAddress | DistributionList, ...] = ()
    esm_class: int = 0
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: bytes = b""
    validity_period: bytes = b""
    registered_delivery: int = 0
    replace_if_present_flag: int = 0
    data_coding: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""


class SubmitMultiResp(NamedTuple):
    """SMPP 3.4 §4.5.2."""

    message_id: bytes = b""
    unsuccess_sme: tuple[UnsuccessSme, ...] = ()


class DataSm(NamedTuple):
    """SMPP 3.4 §4.7.1."""

    service_type: bytes = b""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: bytes = b""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: bytes = b""
    esm_class: int = 0
    registered_delivery: int = 0
    data_coding: int = 0


class QuerySm(NamedTuple):
    """query_sm (SMPP 3.4 §4.8.1), query_broadcast_sm (SMPP 5.0 §4.6.1.1)."""

    message_id: bytes = b""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: bytes = b""


class QuerySmResp(NamedTuple):
    """SMPP 3.4 §4.8.2."""

    message_id: bytes = b""
    final_date: bytes = b""
    message_state: int = 0
    error_code: int = 0


class CancelSm(NamedTuple):
    """SMPP 3.4 §4.9.1."""

    service_type: bytes = b""
    message_id: bytes = b""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: bytes = b""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: bytes = b""


class ReplaceSm(NamedTuple):
    """SMPP 3.4 §4.10.1."""

    message_id: bytes = b""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: bytes = b""
    schedule_delivery_time: bytes = b""
    validity_period: bytes = b""
    registered_delivery: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""


class BroadcastSm(NamedTuple):
    """SMPP 5.0 §4.4.1.1."""

    service_type: bytes = b""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: bytes = b""
    message_id: bytes = b""
    priority_flag: int = 0
    schedule_delivery_time: bytes = b""
    validity_period: bytes = b""
    replace_if_present_flag: int = 0
    data_coding: int = 0
    sm_default_msg_id: int = 0


class CancelBroadcastSm(NamedTuple):
    """SMPP 5.0 §4.6.2.1."""

    service_type: bytes = b""
    message_id: bytes = b""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: bytes = b""


class AlertNotification(NamedTuple):
    """SMPP 3.4 §4.12.1."""

    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: bytes = b""
    esme_addr_ton: int = 0
    esme_addr_npi: int = 0
    esme_addr: bytes = b""


class Empty(NamedTuple):
    """The body of commands that have none."""


Body = (
    Bind
    | BindResp
    | Outbind
    | SubmitSm
    | MessageIdResp
    | SubmitMulti
    | SubmitMultiResp
    | DataSm
    | QuerySm
    | QuerySmResp
    | CancelSm
    | ReplaceSm
    | AlertNotification
    | BroadcastSm
    | CancelBroadcastSm
    | Empty
)


class Pdu(NamedTuple):
    """One PDU. ``body`` is None in a response that an error status leaves without a body."""

    command: str
    sequence_number: int
    body: Body | None = None
    tlvs: tuple[Tlv, ...] = ()
    command_status: int = CommandStatus.ESME_ROK

    def tlv(self, tag: int) -> bytes | None:
        """The value of the first TLV with this tag."""
        for found, value in self.tlvs:
            if found == tag:
                return value
        return None


class PduError(Exception):
    """A PDU that is refused, with the command_status for the answer.

    ``command`` is empty if the command_id is unknown or framing is lost: the answer is a
    generic_nack. ``detail`` is for the log.
    """

    def __init__(
        self, status: CommandStatus, detail: str, *, command: str = "", sequence_number: int = 0
    ) -> None:
        super().__init__(status, detail)
        self.status = status
        self.detail = detail
        self.command = command
        self.sequence_number = sequence_number

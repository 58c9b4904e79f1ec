"""Writes deliver_sm and data_sm for receipts and messages from phones.

:class:`Style` has the session's options. These PDUs differ in a few fields only, so that their
octets are composed directly; tests compare them with :mod:`bridge.smpp.protocol.layouts`.
"""

from __future__ import annotations

from datetime import tzinfo
from struct import Struct
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from bridge.config.settings import AccountSettings
from bridge.smpp.protocol.framing import HEADER
from bridge.smpp.protocol.layouts import COMMAND_IDS
from bridge.smpp.protocol.tlvs import MESSAGE_PAYLOAD
from bridge.smpp.protocol.versions import has_tlvs

DELIVER_SM: Final = COMMAND_IDS["deliver_sm"]
DATA_SM: Final = COMMAND_IDS["data_sm"]

#: TON and NPI (SMPP 3.4 §5.2.5, §5.2.6) of an international number, of a name, of another number.
_PHONE: Final = b"\1\1"
_NAME: Final = b"\5\0"
_SHORT_NUMBER: Final = b"\0\1"
#: A number with fewer digits is a short number of an operator, without a country code.
_SHORTEST_PHONE: Final = 7
#: destination_addr without its NUL (SMPP 3.4 §4.6.1).
_LONGEST_ADDRESS: Final = 20

_TLV: Final = Struct(">HH")


class Style(NamedTuple):
    """The options of a session's receipts and messages from phones.

    ``alphabet`` is that of data_coding 0, ``zone`` the time zone of dates in receipts.
    """

    interface_version: int
    alphabet: str = "gsm7"
    data_sm: bool = False
    hex_ids: bool = False
    date_format: str = "%y%m%d%H%M"
    zone: tzinfo = ZoneInfo("UTC")
    with_text: bool = True
    payload: bool = False

    @classmethod
    def of(cls, settings: AccountSettings, interface_version: int, alphabet: str) -> Style:
        """The style by the account's settings and the session's version."""
        tlvs = has_tlvs(interface_version)
        return cls(
            interface_version,
            alphabet,
            data_sm=tlvs and settings.receipt_pdu == "data_sm",
            hex_ids=settings.receipt_id == "hex",
            date_format="%y%m%d%H%M%S" if settings.receipt_dates == "seconds" else "%y%m%d%H%M",
            zone=ZoneInfo(settings.receipt_zone),
            with_text=settings.receipt_text,
            payload=tlvs and settings.incoming_long == "payload",
        )


class Outgoing(NamedTuple):
    """A request of the bridge without its sequence number: ``octets`` follow the header."""

    command_id: int
    octets: bytes

    def frame(self, sequence_number: int) -> bytes:
        """The PDU."""
        length = HEADER.size + len(self.octets)
        return HEADER.pack(length, self.command_id, 0, sequence_number) + self.octets


def addresses(phone: str, name: str) -> bytes:
    """service_type, source and destination: from ``phone`` (E.164) to a sender's name or number.

    The phone goes without its ``+``, as clients expect an international number.
    """
    if name.isascii() and name.isdigit():
        kind = _PHONE if len(name) >= _SHORTEST_PHONE else _SHORT_NUMBER
    else:
        kind = _NAME
    address = name.encode()
    if len(address) > _LONGEST_ADDRESS:
        address = address[:_LONGEST_ADDRESS].decode(errors="ignore").encode()
    return b"\0%b%b\0%b%b\0" % (_PHONE, phone.removeprefix("+").encode(), kind, address)


def deliver_sm(
    addresses: bytes, esm_class: int, data_coding: int, text: bytes, tlvs: bytes = b""
) -> Outgoing:
    """SMPP 3.4 §4.6.1; ``text`` has at most 254 octets."""
    fields = bytes((esm_class, 0, 0, 0, 0, 0, 0, data_coding, 0, len(text)))
    return Outgoing(DELIVER_SM, b"".join((addresses, fields, text, tlvs)))


def data_sm(
    addresses: bytes, esm_class: int, data_coding: int, text: bytes, tlvs: bytes = b""
) -> Outgoing:
    """SMPP 3.4 §4.7.1: the text goes as message_payload."""
    fields = bytes((esm_class, 0, data_coding))
    return Outgoing(DATA_SM, b"".join((addresses, fields, tlvs, tlv(MESSAGE_PAYLOAD, text))))


def tlv(tag: int, value: bytes) -> bytes:
    """An optional parameter."""
    return _TLV.pack(tag, len(value)) + value

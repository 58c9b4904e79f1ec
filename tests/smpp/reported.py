"""PDUs from public bug reports of other SMPP software, and the bridge's reading of them.

Each is as reported, except for numbers, names and texts, which are invented with the same length. A
few words describe the other software's error.
"""

from __future__ import annotations

from typing import NamedTuple

from bridge.smpp.protocol.command_status import CommandStatus


class Reported(NamedTuple):
    """``status`` is the status of a refusal, ``fields`` are the fields of an accepted PDU."""

    about: str
    octets: bytes
    status: CommandStatus = CommandStatus.ESME_ROK
    fields: tuple[object, ...] = ()


def _pdu(hexadecimal: str) -> bytes:
    return bytes.fromhex(hexadecimal)


def _text(text: str) -> str:
    return text.encode().hex()


PHONE = _text("380501234567")

REPORTED = [
    Reported(
        "cloudhopper: sm_length leaves out the text's NUL, and the session was destroyed",
        _pdu(
            "00000070 00000004 00000000 00000008 00 05 01"
            + _text("ABCDEF")
            + "00 01 01"
            + PHONE
            + "00 00 00 00 00 00 01 00 00 00 3c"
            + _text("katbehole friendly test message 2: greetings from Vienna :-)")
            + "00"
        ),
        fields=(b"katbehole friendly test message 2: greetings from Vienna :-)",),
    ),
    Reported(
        "php-smpp: the same with 26 octets, refused as malformed by the provider",
        _pdu(
            "0000004c 00000004 00000000 00000002 00 05 00"
            + _text("4321")
            + "00 01 01"
            + PHONE
            + "00 00 00 00 00 00 00 00 00 00 1a"
            + _text("Mensaje de prueba de env?o")
            + "00"
        ),
        fields=(b"Mensaje de prueba de env?o",),
    ),
    Reported(
        "Jasmin: NUL-terminated UCS-2, two octets more than sm_length says",
        _pdu(
            "00000035 00000004 00000000 00000003 00 05 00"
            + _text("Shop")
            + "00 01 01"
            + PHONE
            + "00 00 00 00 00 00 00 00 08 00 02 0421 0000"
        ),
        fields=("\u0421".encode("utf-16-be"),),
    ),
    Reported(
        "python-smpp: 700 octets in short_message, whose length did not fit into sm_length",
        _pdu(
            "000002ed 00000004 00000000 00007032 00 00 00"
            + _text("4321")
            + "00 01 01"
            + PHONE
            + "00 00 00 00 00 00 01 00 08 00 bc"
            + "0055" * 350
        ),
        CommandStatus.ESME_RINVOPTPARSTREAM,
    ),
    Reported(
        "sm_length counts more octets than there are",
        _pdu(
            "00000034 00000004 00000000 00000009 00 05 00"
            + _text("Shop")
            + "00 01 01"
            + PHONE
            + "00 00 00 00 00 00 00 00 00 00 ff"
            + _text("hey")
        ),
        CommandStatus.ESME_RINVMSGLEN,
    ),
    Reported(
        "php-smpp: no text at all, which its own parser could not read",
        _pdu(
            "00000031 00000004 00000000 00000009 00 05 00"
            + _text("Shop")
            + "00 01 01"
            + PHONE
            + "00 00 00 00 00 00 00 00 00 00 00"
        ),
        fields=(b"",),
    ),
    Reported(
        "ksmppd: a TLV of the Indian registry, 0x1400, warned of as unknown",
        _pdu(
            "0000004a 00000004 00000000 00000012 00 05 00"
            + _text("Shop")
            + "00 01 01"
            + PHONE
            + "00 00 00 00 00 00 00 00 00 00 02"
            + _text("hi")
            + "1400 0013"
            + _text("1701158019811410068")
        ),
        fields=(b"hi", (0x1400, b"1701158019811410068")),
    ),
    Reported(
        "python-smpp: user_message_reference of one octet",
        _pdu(
            "00000038 00000004 00000000 00000001 00 05 00"
            + _text("Shop")
            + "00 01 01"
            + PHONE
            + "00 00 00 00 00 00 00 00 00 00 02"
            + _text("hi")
            + "0204 0001 00"
        ),
        fields=(b"hi", (0x0204, b"\0")),
    ),
    Reported(
        "Jasmin: tenths of a second in two digits make validity_period too long",
        _pdu(
            "00000043 00000004 00000000 00000006 00 05 00"
            + _text("Shop")
            + "00 01 01"
            + PHONE
            + "00 00 00 00 00"
            + _text("24020710453110100+")
            + "00 00 00 00 00 00"
        ),
        CommandStatus.ESME_RINVEXPIRY,
    ),
    Reported(
        "Jasmin: qos_time_to_live, misplaced in a deliver_sm, dropped the session",
        _pdu(
            "00000038 00000005 00000000 00000006 00 05 00"
            + _text("Piter")
            + "00 01 00"
            + _text("16777")
            + "00 00 00 00 00 00 00 00 00 00 05"
            + _text("hello")
            + "0017 0004 6665d425"
        ),
        fields=(b"hello", (0x0017, b"\x66\x65\xd4\x25")),
    ),
    Reported(
        "Jasmin: sc_interface_version, a TLV of bind responses, in a deliver_sm",
        _pdu(
            "00000042 00000005 00000000 000000fa"
            + _text("WAP")
            + "00 01 01"
            + _text("380501234567")
            + "00 00 01"
            + _text("3838")
            + "00 00 00 00 00 00 00 00 00 00"
            " 03" + _text("Tes") + "0204 0002 00c5 0210 0001 34"
        ),
        fields=(b"Tes", (0x0204, b"\x00\xc5"), (0x0210, b"\x34")),
    ),
    Reported(
        "Jasmin: a provider's own TLVs, 0x1454 and 0x1418, behind network_error_code",
        _pdu(
            "0000004c 00000005 00000000 03088101 00 01 01"
            + PHONE
            + "00 05 00"
            + _text("Shop")
            + "00 04 00 00 00 00 00 00 00 00 04"
            + _text("id:1")
            + "0423 0003 000003 1454 0004 00000001 1418 0004 00000030"
        ),
        fields=(
            b"id:1",
            (0x0423, b"\0\0\3"),
            (0x1454, b"\0\0\0\1"),
            (0x1418, b"\0\0\0\x30"),
        ),
    ),
    Reported(
        "smpp.pdu: receipted_message_id says one octet too many; the bridge reads no TLV of it",
        _pdu(
            "00000051 00000005 00000000 00000024 00 00 00"
            + PHONE
            + "00 05 00"
            + _text("Shop")
            + "00 04 00 00 00 00 00 00 00 00 04"
            + _text("id:1")
            + "001e 0014"
            + _text("393928110752727040")
            + "00 0427 0001 00"
        ),
        fields=(b"id:1",),
    ),
    Reported(
        "go-smpp: a user data header that counts one octet too many",
        _pdu(
            "0000003b 00000004 00000000 00000007 00 05 00"
            + _text("Shop")
            + "00 01 01"
            + PHONE
            + "00 40 00 00 00 00 00 00 08 00 0a 06 00 03 f3 02 02 06 31 06 45"
        ),
        fields=(_pdu("06 00 03 f3 02 02 06 31 06 45"),),
    ),
    Reported(
        "jsmpp: submit_multi to two addresses that are empty, with a schedule in other quarters",
        _pdu(
            "00000056 00000021 00000000 00000002"
            + _text("CMT")
            + "00 02 00"
            + _text("AX-DEV")
            + "00 02 01 02 00 00 01 02 00 00 00 00 01"
            + _text("201012172432736+")
            + "00 00 02 01 11 00 16"
            + _text("Test message from suck")
        ),
        fields=(b"Test message from suck",),
    ),
    Reported(
        "cloudhopper: a password longer than SMPP has room for went out without a word",
        _pdu(
            "00000033 00000009 00000000 00000001"
            + _text("sender")
            + "00"
            + _text("morethanninecharacters")
            + "00 00 34 00 00 00"
        ),
        fields=(b"sender", b"morethanninecharacters"),
    ),
    Reported(
        "smppex: submit_sm_resp with an error and a message_id all the same",
        _pdu("00000021 80000004 0000000b 00000002" + _text("0A000000A3D323A1") + "00"),
        fields=(b"0A000000A3D323A1",),
    ),
    Reported(
        "node-smpp: submit_sm_resp of 17 octets with the status of an unknown command",
        _pdu("00000011 80000004 00000003 00000002 00"),
        fields=(b"",),
    ),
    Reported(
        "vumi: submit_sm_resp with an error and without a body",
        _pdu("00000010 80000004 00000045 00000002"),
    ),
    Reported(
        "node-smpp: submit_multi_resp whose message_id is a sentence without an end",
        _pdu("00000020 80000021 0000000d 00000002" + _text("Unknown command.")),
        CommandStatus.ESME_RINVCMDLEN,
    ),
    Reported(
        "Jasmin: deliver_sm_resp with the message_id that ought to be empty",
        _pdu("00000022 80000005 00000000 00000067" + _text("16919575035727586") + "00"),
        fields=(b"16919575035727586",),
    ),
    Reported(
        "Jasmin: a command_status that nobody defined",
        _pdu("00000010 80000004 00000022 00000002"),
    ),
    Reported(
        "vumi: a generic_nack that says ESME_RINVMSGLEN",
        _pdu("00000010 80000000 00000001 0001718d"),
    ),
]

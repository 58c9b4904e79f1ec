"""A client for one submission: smtplib for mail, smpplib for SMPP.

Used by ``send`` and ``demo``. Returns the bridge's reply verbatim.
"""

from __future__ import annotations

import logging
import re
import smtplib
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email import policy
from email.message import EmailMessage
from enum import Enum
from typing import Any

from bridge.config.settings import Endpoint
from bridge.model.gsm0338 import encode as gsm_encode

#: The longest short_message (SMPP 3.4 §5.2.22).
_SHORT_MESSAGE = 254
#: smpplib warns about every connection that ends without unbind; the reply has the details.
_SILENT = "smpplib.silent"
_DATA_CODING_GSM, _DATA_CODING_UCS2 = 0, 8


class DeliveryVerdict(Enum):
    """The meaning of a reply for the client."""

    ACCEPTED = "accepted"
    REFUSED = "refused"  # permanently
    LOGIN = "login refused"
    LATER = "try again later"


@dataclass(frozen=True, slots=True)
class ServerReply:
    """The bridge's reply: its text and its meaning."""

    text: str
    verdict: DeliveryVerdict
    #: The receipts and messages that arrived while the client waited, as text.
    heard: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        return self.verdict is DeliveryVerdict.ACCEPTED


@dataclass(frozen=True, slots=True)
class ToSend:
    """One submission.

    SMTP: ``headers`` are X-Cascade fields, ``options`` the answers of a survey, ``variables`` those
    of a template (``name=value``). SMPP: ``fields`` are those of submit_sm, ``to`` is one number,
    ``hear`` is the number of deliver_sm to wait for.
    """

    to: tuple[str, ...]
    text: str
    account: str
    password: str
    domain: str = "sms.example.com"
    mail_from: str = "cascade-bridge@localhost"
    headers: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)
    hear: int = 0
    timeout: float = 30.0


def by_smtp(server: Endpoint, sending: ToSend, *, tls: ssl.SSLContext | None = None) -> ServerReply:
    """Sends a mail; with ``tls`` over STARTTLS. Raises OSError without a proper answer."""
    mail = EmailMessage()
    mail["From"] = sending.mail_from
    mail["To"] = ", ".join(_address(to, sending.domain) for to in sending.to)
    for name, value in sending.headers.items():
        mail[name] = value
    for option in sending.options:
        mail["X-Cascade-Option"] = option
    for variable in sending.variables:
        mail["X-Cascade-Var"] = variable
    mail.set_content(sending.text)
    try:
        with smtplib.SMTP(server.host, server.port, timeout=sending.timeout) as smtp:
            if tls is not None:
                smtp.starttls(context=tls)
            if sending.password:
                smtp.login(sending.account, sending.password)
            return _mail(smtp, sending, mail)
    except smtplib.SMTPAuthenticationError as error:
        return _smtp_reply(error.smtp_code, error.smtp_error)
    except smtplib.SMTPResponseException as error:
        return _smtp_reply(error.smtp_code, error.smtp_error)
    except smtplib.SMTPNotSupportedError as error:
        raise OSError(str(error)) from None


def _mail(smtp: smtplib.SMTP, sending: ToSend, mail: EmailMessage) -> ServerReply:
    """The transaction step by step: smtplib's own does not return the reply to DATA."""
    smtp.ehlo_or_helo_if_needed()
    wide = not all(to.isascii() for to in sending.to)  # RFC 6531
    if wide:
        smtp.command_encoding = "utf-8"
    code, text = smtp.mail(sending.mail_from, ["SMTPUTF8"] if wide else [])
    if code != 250:
        return _smtp_reply(code, text)
    refused = ""
    taken = 0
    for to in sending.to:
        code, text = smtp.rcpt(f"<{_address(to, sending.domain)}>")
        if code in (250, 251):
            taken += 1
        else:
            refused = refused or _smtp_reply(code, text).text
    if not taken:
        return _smtp_reply(code, text)
    # With CRLF, so that the bridge takes away the dots that smtplib doubles (RFC 5321 §4.5.2).
    code, text = smtp.data(mail.as_bytes(policy=policy.SMTP))
    reply = _smtp_reply(code, text)
    return (
        ServerReply(f"{reply.text} [and at RCPT: {refused}]", reply.verdict) if refused else reply
    )


def _address(to: str, domain: str) -> str:
    """The address of a recipient; a group's name with spaces becomes a quoted local part (RFC 5321
    §4.1.2)."""
    if re.fullmatch(r"[\w.+-]+", to) is None:
        to = '"' + re.sub(r'(["\\])', r"\\\1", to) + '"'
    return f"{to}@{domain}"


def _smtp_reply(code: int, text: bytes | str) -> ServerReply:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    if code < 400:
        verdict = DeliveryVerdict.ACCEPTED
    elif code in (530, 535):
        verdict = DeliveryVerdict.LOGIN
    else:
        verdict = DeliveryVerdict.REFUSED if code >= 500 else DeliveryVerdict.LATER
    return ServerReply(f"{code} " + words.replace("\r\n", "\n").replace("\n", " / "), verdict)


def by_smpp(server: Endpoint, sending: ToSend) -> ServerReply:
    """Binds and submits, to one number; the id is in the reply. A transmitter gets no receipts.

    Raises OSError without a proper answer.
    """
    import smpplib.client
    import smpplib.consts
    import smpplib.exceptions

    logging.getLogger(_SILENT).disabled = True
    client = smpplib.client.Client(
        server.host,
        server.port,
        timeout=sending.timeout,
        logger_name=_SILENT,
        allow_unknown_opt_params=True,
    )
    answers: list[Any] = []
    heard: list[str] = []
    client.set_message_sent_handler(lambda pdu, **_: answers.append(pdu))
    # Otherwise it raises for every status but zero, and the status is needed.
    client.set_error_pdu_handler(answers.append)
    client.set_message_received_handler(lambda pdu, **_: heard.append(_deliver_sm(pdu)))
    bind = client.bind_transceiver if sending.hear else client.bind_transmitter
    try:
        # smpplib's own connect supports only IPv4, and reports every error as "Connection refused".
        client._socket = socket.create_connection(server, sending.timeout)
        client.state = smpplib.consts.SMPP_CLIENT_STATE_OPEN
        bind(system_id=sending.account, password=sending.password)
        client.send_message(**_submit_sm(sending))
        deadline = time.monotonic() + sending.timeout
        while not answers or (len(heard) < sending.hear and not answers[0].status):
            if time.monotonic() > deadline:
                raise OSError("no answer in time")
            client.read_once(auto_send_enquire_link=False)
        client.unbind()
        reply = _smpp_reply(answers[0].command, answers[0].status, answers[0].message_id)
        return replace(reply, heard=tuple(heard))
    except smpplib.exceptions.PDUError as error:
        if len(error.args) < 2:
            raise OSError(str(error)) from None
        return _smpp_reply(f"{bind.__name__}_resp", error.args[1])
    except smpplib.exceptions.ConnectionError as error:
        raise OSError(str(error) or "the connection was closed") from None
    finally:
        client.disconnect()


def _submit_sm(sending: ToSend) -> dict[str, Any]:
    octets = gsm_encode(sending.text)
    data_coding = _DATA_CODING_GSM
    if octets is None:
        octets, data_coding = sending.text.encode("utf-16-be"), _DATA_CODING_UCS2
    body = (
        {"short_message": octets}
        if len(octets) <= _SHORT_MESSAGE
        else {"short_message": b"", "message_payload": octets}
    )
    return {
        "dest_addr_ton": 1 if sending.to[0].startswith("+") else 0,
        "dest_addr_npi": 1,
        "destination_addr": sending.to[0].lstrip("+"),
        "data_coding": data_coding,
        **body,
        **sending.fields,
    }


def _deliver_sm(pdu: Any) -> str:
    octets: bytes = pdu.short_message
    ucs2 = pdu.data_coding == _DATA_CODING_UCS2
    text = octets.decode("utf-16-be" if ucs2 else "ascii", "replace")
    return f"deliver_sm from {pdu.source_addr.decode()} to {pdu.destination_addr.decode()}: {text}"


def _smpp_reply(command: str, status: int, message_id: bytes | None = None) -> ServerReply:
    from smpplib import consts

    names = {
        value: name.removeprefix("SMPP_")
        for name, value in vars(consts).items()
        if name.startswith("SMPP_ESME_R")
    }
    words = f"{command} {names.get(status, 'reserved')} (0x{status:02X})"
    if not status:
        id = (message_id or b"").decode("ascii", "replace")
        return ServerReply(f"{words}, message_id {id}", DeliveryVerdict.ACCEPTED)
    if command.startswith("bind"):
        return ServerReply(words, DeliveryVerdict.LOGIN)
    later = status in (0x08, 0x14, 0x58)
    return ServerReply(words, DeliveryVerdict.LATER if later else DeliveryVerdict.REFUSED)

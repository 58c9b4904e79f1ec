"""The bind of a client: password check, response, log events (SMPP 3.4 §4.1)."""

from __future__ import annotations

from typing import Final

import structlog

from bridge.accounts.accounts import Account
from bridge.model.failure import Failure, Reason
from bridge.model.message import Protocol
from bridge.net.repeats import Repeats
from bridge.smpp.inbound.services import Services
from bridge.smpp.inbound.submit import word
from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.layouts import RESPONSES
from bridge.smpp.protocol.pdu import Bind, BindResp, Pdu, PduError, Tlv
from bridge.smpp.protocol.session import BINDS
from bridge.smpp.protocol.tlvs import SC_INTERFACE_VERSION
from bridge.smpp.protocol.versions import VERSION_34, VERSION_50, has_tlvs

log = structlog.get_logger()

BIND_RESPONSES: Final = frozenset(RESPONSES[command] for command in BINDS)


def bind_name(pdu: Pdu) -> str:
    """``transmitter``, ``receiver`` or ``transceiver``."""
    return pdu.command.removeprefix("bind_")


def name_of(body: Bind) -> str:
    """The account's name; some clients pad the field with spaces."""
    return word(body.system_id).rstrip(" ")


async def admit(
    services: Services, pdu: Pdu, body: Bind, address: str, peer: str
) -> Account | Failure | PduError:
    """The account, with its bind counted, or the cause of the refusal."""
    try:
        account = await services.accounts.authenticate(
            name_of(body), word(body.password), protocol=Protocol.SMPP, address=address
        )
        if bind_name(pdu) not in account.settings.binds:
            cause = f"accounts.{account.name}.binds does not name {bind_name(pdu)}"
            return Failure(Reason.NOT_ALLOWED, cause=cause)
        services.occupancy.bind(account)
    except (Failure, PduError) as refused:
        return refused
    except Exception:  # the client must get an answer
        log.exception("bind_failed", peer=peer)
        return Failure(Reason.OPERATION_FAILED)
    return account


def bind_resp(pdu: Pdu, version: int, system_id: str) -> Pdu:
    """The response to an accepted bind."""
    tlvs: tuple[Tlv, ...] = ()
    if has_tlvs(version):
        ours = VERSION_50 if version >= VERSION_50 else VERSION_34
        tlvs = (Tlv(SC_INTERFACE_VERSION, bytes((ours,))),)
    resp = BindResp(system_id.encode("ascii", "replace"))
    return Pdu(RESPONSES[pdu.command], pdu.sequence_number, resp, tlvs)


def log_refused(
    repeats: Repeats, address: str, peer: str, body: Bind, refused: Failure | PduError, resp: Pdu
) -> None:
    """Logs a refused bind. Those of a blocked address are counted."""
    fields = {
        "account": name_of(body),
        "peer": peer,
        "reason": str(refused) if isinstance(refused, Failure) else refused.detail,
        "status": CommandStatus(resp.command_status).name,
    }
    if isinstance(refused, Failure) and refused.reason is Reason.ADDRESS_BLOCKED:
        repeats.warn("bind_refused", by=(address, refused.reason), **fields)
    else:
        log.warning("bind_refused", **fields)


def log_bound(account: Account, pdu: Pdu, body: Bind, version: int, peer: str) -> None:
    """Logs an accepted bind."""
    log.info(
        "bound",
        account=account.name,
        peer=peer,
        bind=bind_name(pdu),
        interface_version=f"{version >> 4}.{version & 15}",
        system_type=word(body.system_type),
    )

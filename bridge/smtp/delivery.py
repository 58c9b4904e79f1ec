"""A received mail to its outcome: read, submitted, waited for.

Decides only what a mail that could not be read or submitted is answered, and where the reading of
a large one runs; the words are :mod:`bridge.smtp.reply`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import structlog

from bridge.accounts import Account
from bridge.failure import Failure, Reason
from bridge.message import Outcome, Recipient
from bridge.smtp.mail import read_mail
from bridge.smtp.service import Service

log = structlog.get_logger()

#: Mails above this are read in a thread.
LARGE_MAIL = 64 * 1024


async def deliver(
    service: Service,
    account: Account,
    recipients: tuple[Recipient, ...],
    mail: bytes,
    *,
    address: str,
    before_waiting: Callable[[], None],
) -> Outcome:
    """What becomes of ``mail``, which ``account`` sent from ``address``; raises nothing.

    ``before_waiting`` is called if the outcome is not there at once. A mail that the relay took is
    finished by it, whatever happens here.
    """
    read = partial(
        read_mail,
        mail,
        recipients,
        smtp=service.settings,
        account=account.settings,
        peer=address,
    )
    try:
        if len(mail) > LARGE_MAIL:
            before_waiting()
            loop = asyncio.get_running_loop()
            submission = await loop.run_in_executor(service.threads, read)
        else:
            submission = read()
        answer = service.relay.submit(account, submission)
        if answer.done():
            return answer.result()
        before_waiting()
        return await asyncio.shield(answer)
    except Failure as failure:
        return failure
    except Exception as error:
        log.exception("mail_failed", account=account.name, address=address)
        return Failure(Reason.OPERATION_FAILED, cause=repr(error))

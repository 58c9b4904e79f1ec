"""``explain``: how a recipient or a mail would be handled, and why.

The listener's and the relay's own rules decide; here their decisions are put into words. Nothing is
sent, and no running bridge is needed. Of the store only groups count, not the day's messages or the
black list.
"""

from __future__ import annotations

import itertools
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from email.header import Header
from email.parser import BytesHeaderParser
from email.utils import getaddresses
from pathlib import Path

import click

from bridge.accounts.accounts import Account
from bridge.cli import Exit, Stop, config_option
from bridge.cli.daemon import echo_json, json_option
from bridge.cli.stored_groups import StoredGroups, described
from bridge.config import load
from bridge.config.settings import Settings
from bridge.directory.groups import names_group
from bridge.model.contact import Group
from bridge.model.failure import Failure, Reason
from bridge.model.message import Message, Recipient, Route, Submission
from bridge.model.phone import country
from bridge.relay import rules
from bridge.smtp import reply
from bridge.smtp.address import comparable_domains, parse_path
from bridge.smtp.inbound.target import ToSmscLine, target_of
from bridge.smtp.reading.charset import codec_of
from bridge.smtp.reading.mail import read_line, read_mail, read_reply
from bridge.smtp.reading.record import Record
from bridge.smtp.reply import Refused
from bridge.smtp.reply_address import ReplyAddress, reply_addresses_of

Row = tuple[str, str]

#: Of the messages to a group.
_MESSAGES_SHOWN = 10


@click.command("explain")
@click.argument("addresses", nargs=-1, metavar="[ADDRESS]...")
@click.option(
    "--mail",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A mail; - reads it from standard input. Its To and Cc count if there is no ADDRESS.",
)
@click.option("--account", "-a", metavar="NAME", help="[default: the only one configured]")
@json_option
@config_option
def command(
    config: Path | None,
    addresses: tuple[str, ...],
    mail: Path | None,
    account: str | None,
    as_json: bool,
) -> int:
    """Show how a recipient or a mail would be handled, and why.

    Exits with 0 if all would be accepted, and with 65 if anything would be refused.

    \b
    Examples:
      cascade-bridge explain 380501234567@sms.example.com
      cascade-bridge explain 0501234567+promo@sms.example.com --account shop
      cascade-bridge explain --mail mail.eml
    """
    settings = load(config)
    if not addresses and mail is None:
        raise click.UsageError("give an ADDRESS or --mail")
    explained = _Explained(settings, _account(settings, account))
    if mail is None:
        for address in addresses:
            explained.address(address)
    else:
        octets = _octets(mail)
        explained.mail(octets, addresses or _recipients_of(octets))
    if as_json:
        echo_json(
            [[{"what": name, "says": says} for name, says in rows] for rows in explained.told]
        )
    else:
        for number, rows in enumerate(explained.told):
            if number:
                click.echo()
            _print(rows)
    return Exit.OK if explained.good else Exit.DATA


def _account(settings: Settings, name: str | None) -> Account:
    if name is None:
        if len(settings.accounts) != 1:
            raise click.UsageError("give --account: there is not exactly one account")
        [name] = settings.accounts
    if name not in settings.accounts:
        raise Stop(f"There is no account {name}.", Exit.NO_USER)
    return Account(name, settings.accounts[name])


def _octets(mail: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(mail) == "-" else mail.read_bytes()
    except OSError as error:
        raise Stop(f"{mail}: {error.strerror}", Exit.NO_INPUT) from None


def _recipients_of(mail: bytes) -> tuple[str, ...]:
    fields = BytesHeaderParser().parsebytes(mail)
    values = [*fields.get_all("to", []), *fields.get_all("cc", [])]
    texts = [value if isinstance(value, str) else str(Header(value)) for value in values]
    found = tuple(address for _, address in getaddresses(texts) if address)
    if not found:
        raise click.UsageError("the mail has neither To nor Cc: name an ADDRESS")
    return found


def _moment(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _span(seconds: int) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _print(rows: list[Row]) -> None:
    width = max(len(name) for name, _ in rows)
    for name, meaning in rows:
        first, *more = meaning.split("\n")
        click.echo(f"{name:<{width}}  {first}".rstrip())
        for line in more:
            click.echo(f"{'':<{width}}  {line}".rstrip())


def _reading(record: Record) -> list[Row]:
    """Where the text was found: part, charset, and omitted content, each with the reason."""
    rows: list[Row] = []
    if record.part:
        place = f"part {record.place}, " if record.place else ""
        rows.append(("part", f"{place}{record.part}"))
        if not record.declared:
            why = "none is declared"
        elif codec_of(record.declared) == record.charset:
            why = f"declared as {record.declared}"
        else:
            why = f"declared as {record.declared}, which is wrong"
        rows.append(("charset", f"{record.charset} ({why})"))
    rows += [("note", note) for note in record.notes]
    rows += [("cut", f"{cut.characters} characters: {cut.what}") for cut in record.cuts]
    return rows


class _Explained:
    """``told`` are the explanations; ``good`` is False once anything would be refused."""

    def __init__(self, settings: Settings, account: Account) -> None:
        self._settings = settings
        self._account = account
        self._answers: ReplyAddress | None = None
        self._groups = StoredGroups(settings)
        own = account.settings.cascade
        self._route: Route = (own.route if own else None) or settings.cascade.route
        self.good = True
        self.told: list[list[Row]] = []

    # --- one recipient -----------------------------------------------------------------------

    def address(self, address: str) -> None:
        rows: list[Row] = [("address", address), ("account", self._account.name)]
        recipient = self._recipient(address, rows)
        if recipient is not None:
            rows.append(("answer", "250 2.1.5 OK"))
        self.told.append(rows)

    def _recipient(self, address: str, rows: list[Row]) -> Recipient | ToSmscLine | None:
        """The recipient at this address, or None if it is refused; adds the reasons to ``rows``."""
        parsed = parse_path(f"<{address.strip().strip('<>')}>")
        smtp = self._settings.smtp
        try:
            if parsed is None:
                raise Refused(reply.BAD_RECIPIENT)
            path = parsed[0]
            domains = comparable_domains(smtp.domains)
            ours = path.domain in domains
            why = "one of smtp.domains" if ours else "not in smtp.domains"
            rows.append(("domain", f"{path.domain or '(none)'}: {why}"))
            meant = target_of(
                path,
                self._account,
                domains=domains,
                smsc_address=smtp.smsc_address.lower(),
                check=self._check,
                reply_address=self._reply_address,
            )
            if isinstance(meant, ReplyAddress):
                return self._reply(meant, rows)
        except (Refused, Failure) as error:
            self._refused(error, rows)
            return None
        if isinstance(meant, ToSmscLine):
            rows.append(("means", "the SMSC line: login, numbers and text stand in the mail"))
            return meant
        if names_group(meant.recipient.address):
            rows.append(("means", described(self._group(meant.recipient))))
            rows += self._kind(meant.recipient)
        else:
            rows += self._phone(meant.recipient)
        return meant.recipient

    def _check(self, account: Account, recipient: Recipient) -> None:
        if not names_group(recipient.address):
            rules.phone_of(account, recipient.address)
        elif not self._group(recipient).size:
            raise Failure(Reason.NOT_FOUND, "the group has no contacts")

    def _group(self, recipient: Recipient) -> Group:
        return self._groups.find(self._account, recipient.address)

    def _reply_address(self, local: str) -> ReplyAddress | None:
        reply_addresses = reply_addresses_of(self._settings)
        return None if reply_addresses is None else reply_addresses.read(local, time.time())

    def _reply(self, meant: ReplyAddress, rows: list[Row]) -> Recipient:
        sender = meant.sender or "the default sender"
        means = f"an answer to {meant.phone} from {sender} of {meant.account}, without a login"
        rows += [("means", means), ("until", _moment(meant.expires_at))]
        self._answers = meant
        return Recipient(meant.phone)

    def _phone(self, recipient: Recipient) -> list[Row]:
        settings = self._account.settings
        phone = rules.phone_of(self._account, recipient.address)
        allowed = (
            f"allowed: {', '.join(settings.countries)}" if settings.countries else "any may be"
        )
        written = recipient.address
        national = not written.startswith(("+", "00")) and phone != f"+{written}"
        form = f"national form of {settings.region}" if national else "international form"
        return [
            ("means", f"the number {phone} ({form})"),
            ("country", f"{country(phone) or 'unknown'} ({allowed})"),
            *self._kind(recipient),
        ]

    def _kind(self, recipient: Recipient) -> list[Row]:
        settings = self._account.settings
        kind = recipient.message_type or settings.message_type
        by = "by its tag" if recipient.message_type else "the account's default"
        route = recipient.route or self._route
        route_by = "by its tag" if recipient.route else "as configured"
        return [
            ("type", f"{kind.value} ({by})"),
            ("route", f"{route.value} ({route_by})"),
        ]

    def _refused(self, error: Refused | Failure, rows: list[Row]) -> None:
        self.good = False
        fmt = self._account.settings.reply_fmt
        text = reply.of_failure(error, fmt) if isinstance(error, Failure) else error.reply
        rows.append(("refused", text))

    # --- a whole mail ------------------------------------------------------------------------

    def mail(self, octets: bytes, addresses: tuple[str, ...]) -> None:
        rows: list[Row] = [("mail", f"{len(octets)} octets"), ("account", self._account.name)]
        recipients: list[Recipient] = []
        smsc_line = False
        for address in addresses:
            details: list[Row] = []
            recipient = self._recipient(address, details)
            if recipient is None:
                rows.append(("to", f"{address}: refused, {details[-1][1]}"))
            else:
                rows.append(("to", f"{address}: {dict(details)['means']}"))
                if isinstance(recipient, ToSmscLine):
                    smsc_line = True
                else:
                    recipients.append(recipient)
        try:
            if len(octets) > self._settings.smtp.max_size:
                raise Refused(reply.MAIL_TOO_BIG)
            if not (recipients or smsc_line):
                raise Refused(reply.RCPT_FIRST)
            if smsc_line:
                submission = self._line(octets, rows)
            else:
                submission = self._mail(octets, tuple(recipients), rows)
            rows += self._messages(submission)
        except (Refused, Failure) as error:
            self._refused(error, rows)
        self.told.append(rows)

    def _line(self, octets: bytes, rows: list[Row]) -> Submission:
        record = Record()
        line, submission = read_line(
            octets,
            now=time.time(),
            max_recipients=self._settings.smtp.max_recipients,
            record=record,
        )
        rows += _reading(record)
        rows.append(("login", line.login or "(an API key)"))
        if line.login and line.login != self._account.name:
            rows.append(("", f"not the account of this explanation, which is {self._account.name}"))
        if line.test:
            rows.append(("test", "answered as usual, but nothing is sent"))
        return submission

    def _mail(
        self, octets: bytes, recipients: tuple[Recipient, ...], rows: list[Row]
    ) -> Submission:
        own, smtp = self._account.settings, self._settings.smtp
        record = Record()
        if self._answers is not None:
            submission = read_reply(
                octets,
                recipients[0],
                smtp=smtp,
                account=own,
                sender=self._answers.sender,
                record=record,
            )
        else:
            submission = read_mail(octets, recipients, smtp=smtp, account=own, record=record)
        rows += _reading(record)
        return submission

    def _messages(self, submission: Submission) -> list[Row]:
        """The messages that the relay's rules would make."""
        now = time.time()
        if any(names_group(recipient.address) for recipient in submission.recipients):
            # Without a store no group is known, and each is refused below.
            with suppress(Failure):
                submission = self._groups.expanded(self._account, submission, now)
        prepared, refused = rules.prepare(
            self._account,
            submission,
            route=self._route,
            now=now,
            next_id=itertools.count(1).__next__,
        )
        rows: list[Row] = []
        for recipient, failure in refused:
            details: list[Row] = []
            self._refused(failure, details)
            rows.append(("refused", f"{recipient.address}: {details[0][1]}"))
        shown = ""
        for _, message in prepared[:_MESSAGES_SHOWN]:
            if message.text != shown:
                shown = message.text
                rows.append(("text", shown or f"(none; fallback: {message.fallback})"))
            rows.append(("message", self._message(message)))
        if len(prepared) > _MESSAGES_SHOWN:
            rows.append(("", f"and {len(prepared) - _MESSAGES_SHOWN} more"))
        return rows

    def _message(self, message: Message) -> str:
        words = [
            f"to {message.phone}",
            f"from {message.sender}",
            message.message_type.value,
            message.route.value,
            f"{message.parts} SMS",
            f"valid for {_span(message.expires_at - (message.scheduled_at or message.due_at))}",
        ]
        if message.scheduled_at is not None:
            words.append(f"scheduled for {_moment(message.scheduled_at)}")
        elif message.due_at > message.accepted_at:
            words.append(f"kept until {_moment(message.due_at)}")
        if message.options:
            words.append("options " + ", ".join(message.options))
        return ", ".join(words)

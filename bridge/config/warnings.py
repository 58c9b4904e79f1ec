"""Warnings: settings that work but may be wrong.

One sentence each, beginning with the key. :mod:`bridge.config.mistakes` finds settings that cannot
work.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from bridge.config.listening import is_loopback
from bridge.config.mistakes import ARGON2
from bridge.config.settings import AccountSettings, Endpoint, Settings


def _weak_accounts(name: str, own: AccountSettings) -> Iterator[str]:
    at = f"accounts.{name}"
    password = own.password.get_secret_value() if own.password else ""
    if "smpp" in own.protocols and len(password.encode()) > 8:
        # SMPP 3.4 §5.2.2: nine octets with the NUL.
        yield f"{at}.password: over 8 characters; many SMPP clients cannot send more"
    if "smpp" in own.protocols and not password.isascii():
        yield f"{at}.password: not only ASCII; SMPP clients cannot send it"
    if not own.countries:
        yield f"{at}.countries: empty, so that every country is allowed, at any price"
    if not own.sender:
        yield f"{at}.sender: empty, so that every message must name its sender"
    if own.virtual:
        yield f"{at}.virtual: its messages count as delivered without being sent to the API"
    if own.burst and not own.rate:
        yield f"{at}.burst: no effect, because rate is 0 (unlimited)"
    for network in own.trusted_networks:
        if network.prefixlen < (8 if network.version == 4 else 32):
            yield f"{at}.trusted_networks: {network} is very large and needs no login"
    parameters = ARGON2.fullmatch(own.password_hash)
    if parameters and int(parameters[2]) * int(parameters[3]) > 4 * 19 * 1024 * 2:
        yield f"{at}.password_hash: expensive; each login takes several times the usual 20 ms"


def _accounts(settings: Settings) -> Iterator[str]:
    if not settings.accounts:
        yield "accounts: none, so that nobody can send"
    for name, own in settings.accounts.items():
        yield from _weak_accounts(name, own)


def _exposed(settings: Settings) -> Iterator[str]:
    smtp = settings.smtp
    open_smtp = [str(e) for e in smtp.listen if not is_loopback(e)]
    if smtp.clear_text_auth and open_smtp:
        yield f"smtp.clear_text_auth: passwords travel in the clear to {', '.join(open_smtp)}"
        if smtp.smsc_address:
            yield (
                "smtp.smsc_address: passwords in SMSC lines travel in the clear to "
                f"{', '.join(open_smtp)}"
            )
    elif open_smtp and not smtp.certificate:
        yield (
            f"smtp.listen: {', '.join(open_smtp)} has no certificate, so that nobody can log in "
            "there; trusted networks work"
        )
        if smtp.smsc_address:
            yield (
                "smtp.smsc_address: refused to other machines, because the line holds a password "
                "and there is no certificate"
            )
    elif open_smtp and smtp.smsc_address and smtp.starttls != "required":
        yield (
            "smtp.smsc_address: refused to other machines that do not use STARTTLS, because the "
            "line holds a password"
        )
    for endpoint in settings.smpp.listen:
        if not is_loopback(endpoint):
            yield f"smpp.listen: passwords travel in the clear to {endpoint}; tls_listen is safer"
    for endpoint in settings.smsc.listen:
        if not is_loopback(endpoint):
            yield f"smsc.listen: passwords travel in the clear to {endpoint}; tls_listen is safer"
    for name, own in settings.accounts.items():
        target = urlsplit(own.callback_url)
        if target.scheme == "http" and not is_loopback(Endpoint(target.hostname or "", 0)):
            yield f"accounts.{name}.callback_url: texts travel in the clear; https is safer"
        if own.callback_secret and not own.callback_url:
            yield f"accounts.{name}.callback_secret: no effect without callback_url"
    for endpoint in settings.admin.listen:
        if not settings.admin.certificate and not is_loopback(endpoint):
            yield f"admin.listen: the token travels in the clear to {endpoint}"
    url = urlsplit(settings.cascade.base_url)
    if url.scheme == "http" and not is_loopback(Endpoint(url.hostname or "", 0)):
        yield "cascade.base_url: keys and texts travel in the clear; https is safer"
    if not any((smtp.listen, smtp.tls_listen, smtp.lmtp_listen)) and not any(
        (settings.smpp.listen, settings.smpp.tls_listen, *_smsc_listens(settings))
    ):
        yield "smtp.listen, smpp.listen: nothing listens, so that nobody can send"


def _smsc_listens(settings: Settings) -> list[Endpoint]:
    return [*settings.smsc.listen, *settings.smsc.tls_listen]


def _http(settings: Settings) -> Iterator[str]:
    """Accounts that use HTTP, and their listeners."""
    callers = {name: own for name, own in settings.accounts.items() if "http" in own.protocols}
    if _smsc_listens(settings):
        if not callers:
            yield 'smsc.listen: no account has "http" in its protocols, so that nobody can call'
        for name, own in callers.items():
            if own.password_hash and not own.smsc_password_hash:
                yield (
                    f"accounts.{name}.smsc_password_hash: not set, so that clients that send the "
                    "MD5 of their password cannot log in (accounts hash-password --smsc)"
                )
    elif not settings.admin.listen:
        for name in callers:
            yield (
                f'accounts.{name}.protocols: "http" has no effect, because neither '
                "smsc.listen nor admin.listen is set"
            )


def _unfinished(settings: Settings) -> Iterator[str]:
    if settings.reports.smarthost and settings.reports.from_.endswith("example.com"):
        yield f"reports.from: still the example {settings.reports.from_}"
    if "sms.example.com" in settings.smtp.domains:
        yield "smtp.domains: still the example sms.example.com"
    scheme, _, rest = settings.store.url.partition("://")
    if scheme == "sqlite" and not Path(rest[1:]).parent.is_dir():
        yield f"store.url: the directory {Path(rest[1:]).parent} does not exist yet"


def _hooks(settings: Settings) -> Iterator[str]:
    hooks = settings.hooks
    if hooks.secret is None:
        if hooks.model_fields_set:
            yield "hooks.secret: not set, so that webhooks are off"
        if not settings.cascade.poll:
            yield "cascade.poll: false without hooks.secret, so that no delivery status arrives"
        return
    for endpoint in hooks.listen:
        if not hooks.certificate and not is_loopback(endpoint):
            yield f"hooks.listen: the secret and texts of phones travel in the clear to {endpoint}"
    own = settings.accounts.get(hooks.incoming)
    if own is not None and "smpp" not in own.protocols and not own.incoming_to:
        yield f"hooks.incoming: {hooks.incoming} has neither SMPP nor incoming_to to receive them"


def _readable(settings: Settings) -> Iterator[str]:
    secrets = [("secret", file) for file in settings.files]
    for table in (settings.smtp, settings.smpp, settings.admin, settings.hooks, settings.smsc):
        secrets += [("private key", table.private_key)] if table.private_key else []
    for kind, file in dict.fromkeys(secrets):
        try:
            mode = file.stat().st_mode
        except OSError:
            continue
        if mode & 0o004 and (kind == "private key" or _holds_secret(file)):
            yield f"{file}: all users of this machine can read the {kind} in it (chmod o-r)"


def _holds_secret(file: Path) -> bool:
    """Whether the file is a secret, or a configuration with a literal secret."""
    if file.suffix != ".toml":
        return True
    literal = (
        r"(?m)^[^#\n]*\b((?:smarthost_)?password|api_key|authorization_key|viber_auth_token|telegram_bot_key|(?:view_)?token"
        r"""|(?:callback_)?secret)\s*=\s*["'](?!file:|env:|credential:)"""
    )
    return re.search(literal, file.read_text("utf-8", "replace")) is not None


def _reports(settings: Settings) -> Iterator[str]:
    """Mails of the bridge that would not be sent."""
    accounts = settings.accounts
    if not settings.reports.smarthost:
        if any("smtp" in own.protocols for own in accounts.values()):
            yield (
                "reports.smarthost: empty, so that no mail reports the result of a message "
                "to its sender"
            )
        for name, own in accounts.items():
            for key in ("receipts_to", "incoming_to"):
                if getattr(own, key):
                    yield f"accounts.{name}.{key}: no effect without reports.smarthost"
    if settings.hooks.secret is None:
        for name, own in accounts.items():
            if own.incoming_to:
                yield f"accounts.{name}.incoming_to: no effect without hooks.secret"


_WARNINGS = (_accounts, _exposed, _http, _unfinished, _hooks, _reports, _readable)


def find_warnings(settings: Settings) -> Iterator[str]:
    """One sentence for each setting that works but may be wrong."""
    for rule in _WARNINGS:
        yield from rule(settings)

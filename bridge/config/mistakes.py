"""Rules between keys: contradictions and settings that cannot work.

Single values have been checked by the models before. Each rule is a small generator in the table at
the end; :mod:`bridge.config.listening` has those about listeners and TLS.
:mod:`bridge.config.files` finds the file of a finding. :mod:`bridge.config.warnings` has the
settings that work but may be wrong.
"""

from __future__ import annotations

import codecs
import re
import string
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bridge.config.listening import is_loopback, same_address, tls_pairs
from bridge.config.settings import Finding, Settings

ARGON2 = re.compile(
    r"\$argon2(id|i|d)\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$[A-Za-z0-9+/]{11,}\$[A-Za-z0-9+/]{16,}"
)
_MAIL_ADDRESS = re.compile(r"[^\s@<>]+@[^\s@<>]+")
_DOMAIN = re.compile(r"[^\s@.]+(\.[^\s@.]+)*\.?")
_FIGURE = re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?", re.ASCII)
_SENDER = re.compile(r"[0-9]{1,15}|.{1,11}")
#: A secret that is part of a URL's path.
_PATH_SECRET = re.compile(r"[A-Za-z0-9._~-]{16,}")
_PLAIN_ASCII = re.compile(r"[!-~]([ -~]*[!-~])?")


# --- one table each ------------------------------------------------------------------------------


def _parts(url: str) -> SplitResult:
    """The parts of a URL; empty ones if it cannot be read."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # which may be wrong too
        return parts
    except ValueError:
        return urlsplit("")


def _names_hosts(url: str) -> bool:
    """Whether the URL of a database can be read: one or several hosts, with ports that are
    numbers."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    _, at, hosts = parts.netloc.rpartition("@")
    if not at and "@" in parts.path + parts.query + parts.fragment:
        return False
    ports = (re.sub(r"\[[^\]]*\]", "", host).partition(":") for host in hosts.split(","))
    return not parts.fragment and all(port.isdigit() for _, colon, port in ports if colon)


def _cascade(settings: Settings) -> Iterator[Finding]:
    url = _parts(settings.cascade.base_url)
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment:
        found = f'"{settings.cascade.base_url}"'
        yield ("cascade", "base_url"), found, 'a URL such as "https://restapi.smsbat.com"'
    if not re.fullmatch("[A-Za-z_]+", settings.cascade.schedule_field):
        found = f'"{settings.cascade.schedule_field}"'
        yield ("cascade", "schedule_field"), found, "the name of a JSON field"
    tables = [(("cascade",), settings.cascade)] + [
        (("accounts", name, "cascade"), own.cascade)
        for name, own in settings.accounts.items()
        if own.cascade
    ]
    for path, table in tables:
        for key in ("authorization_key", "viber_auth_token", "telegram_bot_key"):
            secret = getattr(table, key)
            if secret and not _PLAIN_ASCII.fullmatch(secret.get_secret_value()):
                yield (*path, key), "a secret of other characters", "one line of printable ASCII"


def _store(settings: Settings) -> Iterator[Finding]:
    store = settings.store
    scheme, _, rest = store.url.partition("://")
    allowed = '"sqlite:////absolute/path.db" or "postgresql://user@host/database"'
    if scheme not in ("sqlite", "postgresql", "postgres"):
        # The URL may contain a password.
        yield ("store", "url"), "another kind of URL", allowed
    elif scheme == "sqlite" and not rest.startswith("//"):
        yield ("store", "url"), f'"{store.url}", a relative path', allowed
    elif scheme == "sqlite" and Path(rest[1:]).is_dir():
        yield ("store", "url"), f"{rest[1:]}, which is a directory", "a file"
    elif scheme != "sqlite" and not _names_hosts(store.url):
        found = "a URL that cannot be read"
        yield ("store", "url"), found, f"{allowed}; / ? # @ : [ ] in a password as %2F %3F …"
    elif scheme != "sqlite" and find_spec("asyncpg") is None:
        yield ("store", "url"), "no asyncpg", 'pip install "cascade-bridge[postgres]"'
    if store.retain_text is not None and store.retain_text > store.retain:
        yield ("store", "retain_text"), "more than store.retain", "at most as long as store.retain"
    kept = {
        "smpp.receipts_keep": settings.smpp.receipts_keep,
        "reports.keep": settings.reports.keep,
    }
    for key, seconds in kept.items():
        if store.retain < seconds:
            # Owed notices are never deleted, so that a shorter time would not be kept.
            yield ("store", "retain"), f"less than {key}", f"at least as long as {key}"


def _smsc(settings: Settings) -> Iterator[Finding]:
    """Numbers as clients of the dialect read them: a comma would separate two fields."""
    figures = [(("prices", region), price) for region, price in settings.smsc.prices.items()]
    for at, figure in (*figures, (("balance",), settings.smsc.balance or "0")):
        if not _FIGURE.fullmatch(figure):
            yield ("smsc", *at), f'"{figure}"', 'a number such as "0.40"'


def _smtp(settings: Settings) -> Iterator[Finding]:
    smtp = settings.smtp
    if not smtp.domains:
        yield ("smtp", "domains"), "no domain", "at least the domain that mails are sent to"
    for domain in smtp.domains:
        if not _DOMAIN.fullmatch(domain):
            yield ("smtp", "domains"), f'"{domain}"', 'a domain such as "sms.example.com"'
    if smtp.hostname and not _DOMAIN.fullmatch(smtp.hostname):
        yield ("smtp", "hostname"), f'"{smtp.hostname}"', 'a name such as "mail.example.com"'
    if re.search(r"[@\s]", smtp.smsc_address):
        yield ("smtp", "smsc_address"), f'"{smtp.smsc_address}"', "what stands before the @ only"
    try:
        if b"\xd0".decode(codecs.lookup(smtp.fallback_charset).name, "replace") is None:
            raise LookupError
    except LookupError:
        found = f'"{smtp.fallback_charset}"'
        yield ("smtp", "fallback_charset"), found, 'a charset such as "windows-1252" or "koi8-r"'
    hashed = [
        name
        for name, own in settings.accounts.items()
        if own.password_hash and "smtp" in own.protocols
    ]
    if "CRAM-MD5" in smtp.auth_mechanisms and hashed:
        found = f"CRAM-MD5, and a password_hash in {_some(hashed)}"
        yield ("smtp", "auth_mechanisms"), found, "CRAM-MD5 only where passwords are kept plain"


def _others(settings: Settings) -> Iterator[Finding]:
    admin = settings.admin
    if admin.token is None and any(not is_loopback(e) for e in admin.listen):
        yield ("admin", "listen"), "no admin.token off loopback", "admin.token, or loopback only"
    tokens = {"token": admin.token, "view_token": admin.view_token}
    for key, token in tokens.items():
        if token and not _PLAIN_ASCII.fullmatch(token.get_secret_value()):
            yield ("admin", key), "a secret of other characters", "one line of printable ASCII"
    if admin.token is not None and admin.token == admin.view_token:
        yield ("admin", "view_token"), "the same secret as admin.token", "a secret of its own"
    secret = settings.hooks.secret
    if secret and not _PATH_SECRET.fullmatch(secret.get_secret_value()):
        allowed = 'at least 16 letters, digits, "-", "_", "." or "~", since it stands in a URL'
        yield ("hooks", "secret"), "a secret of another form", allowed
    incoming = settings.hooks.incoming
    if incoming and incoming not in settings.accounts:
        yield ("hooks", "incoming"), f'no account "{incoming}"', "the name of an account"
    smarthost = settings.reports.smarthost
    if smarthost and not re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^\s:\[\]]+):\d{1,5}", smarthost):
        yield ("reports", "smarthost"), f'"{smarthost}"', '"host:port", such as "127.0.0.1:25"'
    if bool(settings.reports.smarthost_user) != bool(settings.reports.smarthost_password):
        found = "one of smarthost_user and smarthost_password"
        yield ("reports", "smarthost_user"), found, "both or neither"
    if not _MAIL_ADDRESS.fullmatch(settings.reports.from_):
        yield ("reports", "from"), f'"{settings.reports.from_}"', "a mail address"


# --- accounts ------------------------------------------------------------------------------------


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _account_names(settings: Settings) -> Iterator[Finding]:
    for name, own in settings.accounts.items():
        at = ("accounts", name)
        if "smpp" in own.protocols and not re.fullmatch(r"[!-~]{1,15}", name):
            # SMPP 3.4 §4.1.1: system_id has at most 16 octets with its NUL.
            yield at, f"a name of {len(name)} characters", "at most 15 of ASCII for SMPP"
        elif not name.isprintable() or not name.strip() or ":" in name or len(name) > 64:
            yield at, "this name", 'up to 64 printable characters without ":"'


def _account_logins(settings: Settings) -> Iterator[Finding]:
    keys: dict[str, str] = {}
    for name, own in settings.accounts.items():
        at = ("accounts", name)
        if own.password and own.password_hash:
            yield (*at, "password_hash"), "both password and password_hash", "one of them"
        if own.password_hash and not _is_hash(own.password_hash):
            allowed = "an argon2 hash, as `cascade-bridge accounts hash-password` makes it"
            yield (*at, "password_hash"), "something that is no argon2 hash", allowed
        if own.smsc_password_hash and not _is_hash(own.smsc_password_hash):
            allowed = "an argon2 hash, as `cascade-bridge accounts hash-password --smsc` makes it"
            yield (*at, "smsc_password_hash"), "something that is no argon2 hash", allowed
        if not (own.password or own.password_hash or own.api_key or own.trusted_networks):
            allowed = "password_hash, password, api_key or trusted_networks"
            yield at, "no way to log in", allowed
        if not own.protocols:
            yield (*at, "protocols"), "no protocol", 'one or more of "smtp", "smpp", "http"'
        if own.api_key:
            first = keys.setdefault(own.api_key.get_secret_value(), name)
            if first != name:
                found = f"the same secret as in accounts.{first}"
                yield (*at, "api_key"), found, "a key of its own"


def _is_hash(encoded: str) -> bool:
    match = ARGON2.fullmatch(encoded)
    if match is None:
        return False
    memory, rounds, lanes = map(int, match.groups()[1:])
    salt, digest = encoded.split("$")[-2:]
    # RFC 9106 §3.1: eight blocks a lane. No base64 has a length of 1 modulo 4.
    return rounds > 0 and memory >= 8 * lanes > 0 and 1 not in (len(salt) % 4, len(digest) % 4)


def _trusted(settings: Settings) -> Iterator[Finding]:
    owners: dict[str, str] = {}
    for name, own in settings.accounts.items():
        at = ("accounts", name, "trusted_networks")
        if own.trusted_networks and "smtp" not in own.protocols:
            yield at, "trusted networks without SMTP", 'protocols with "smtp", or none'
        for network in own.trusted_networks:
            first = owners.setdefault(str(network), name)
            if first != name:
                yield at, f"{network}, which accounts.{first} has already", "a network of its own"


def _account_values(settings: Settings) -> Iterator[Finding]:
    for name, own in settings.accounts.items():
        at = ("accounts", name)
        if own.message_types and own.message_type not in own.message_types:
            types = ", ".join(f'"{kind.value}"' for kind in own.message_types)
            found = f'"{own.message_type.value}"'
            yield (*at, "message_type"), found, f"one of its message_types: {types}"
        if own.ttl > own.max_ttl:
            yield (*at, "ttl"), "more than max_ttl", "at most max_ttl"
        for key, senders in (("sender", [own.sender]), ("senders", own.senders)):
            for sender in senders:
                wrong = not _SENDER.fullmatch(sender) or sender != sender.strip()
                if wrong and (sender or key == "senders"):
                    allowed = "at most 11 characters, or at most 15 digits"
                    yield (*at, key), f'"{sender}"', allowed
        for key, regions in (("region", [own.region]), ("countries", own.countries)):
            for region in regions:
                if not _is_region(region):
                    allowed = 'a country code of ISO 3166, such as "UA" or "GB"'
                    yield (*at, key), f'"{region}"', allowed
        if own.receipts_to not in ("", "sender") and not _MAIL_ADDRESS.fullmatch(own.receipts_to):
            yield (*at, "receipts_to"), f'"{own.receipts_to}"', 'a mail address or "sender"'
        url = _parts(own.callback_url)
        if own.callback_url and (url.scheme not in ("http", "https") or not url.hostname):
            found = f'"{own.callback_url}"'
            yield (*at, "callback_url"), found, 'a URL such as "https://shop.example/sms"'
        if own.incoming_to and not _MAIL_ADDRESS.fullmatch(own.incoming_to):
            yield (*at, "incoming_to"), f'"{own.incoming_to}"', "a mail address"
        if not _is_zone(own.zone):
            yield (*at, "zone"), f'"{own.zone}"', 'a time zone, such as "Europe/Kyiv"'
        if not _is_zone(own.receipt_zone):
            allowed = 'a time zone such as "UTC" or "Europe/Kyiv"'
            yield (*at, "receipt_zone"), f'"{own.receipt_zone}"', allowed
        if not _is_template(own.text):
            allowed = 'a text with {body}, {subject} or both, such as "{subject}: {body}"'
            yield (*at, "text"), f'"{own.text}"', allowed


def _is_region(region: str) -> bool:
    import phonenumbers

    return region in phonenumbers.SUPPORTED_REGIONS


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _is_template(text: str) -> bool:
    try:
        fields = [field for _, field, *_ in string.Formatter().parse(text) if field is not None]
    except ValueError:
        return False
    return bool(fields) and set(fields) <= {"body", "subject"}


def _upstream_keys(settings: Settings) -> Iterator[Finding]:
    if settings.cascade.has_credentials:
        return
    missing = [
        name
        for name, own in settings.accounts.items()
        if not (own.virtual or (own.cascade and own.cascade.has_credentials))
    ]
    if missing:
        allowed = "authorization_key, viber_auth_token or telegram_bot_key"
        found = f"no key of the Cascade API for {_some(missing)}"
        yield ("cascade", "authorization_key"), found, allowed


_MISTAKES = (
    _cascade,
    _upstream_keys,
    _store,
    _smtp,
    _smsc,
    same_address,
    tls_pairs,
    _others,
    _account_names,
    _account_logins,
    _account_values,
    _trusted,
)


def find_mistakes(settings: Settings) -> Iterator[Finding]:
    """Settings that cannot work: (key's path, found value, allowed values)."""
    for rule in _MISTAKES:
        yield from rule(settings)

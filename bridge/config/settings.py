"""Typed settings from TOML.

The models define all settings: one class for each table, one attribute for each key, with the key's
name. Durations are seconds, addresses are :class:`Endpoint` values, secrets are resolved to their
text when they are read. The models check single values; :mod:`bridge.config.files` reads files and
words mistakes; :mod:`bridge.config.mistakes` and :mod:`bridge.config.warnings` have the rules
between keys.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationInfo

from bridge.config.secret import read_secret
from bridge.model.message import MessageType, Route

Network = IPv4Network | IPv6Network

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"(\d+(?:ms|s|m|h|d|w))+")
_PIECE = re.compile(r"(\d+)(ms|[smhdw])")


class Endpoint(NamedTuple):
    """A host and a port to listen on or to connect to; port 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_duration(value: object) -> float:
    """Seconds from ``"20s"``, ``"5m"``, ``"1h30m"`` or ``"30d"``."""
    text = value.strip() if isinstance(value, str) else ""
    if not _DURATION.fullmatch(text):
        raise ValueError('a duration such as "20s", "5m", "24h" or "30d"')
    return sum(int(n) * _UNITS[unit] for n, unit in _PIECE.findall(text))


def parse_endpoint(value: object) -> Endpoint:
    """``"127.0.0.1:2525"``, ``"[::1]:2525"``, ``":2525"`` (every interface)."""
    if isinstance(value, Endpoint):
        return value
    text = value if isinstance(value, str) else ""
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]*)):(\d{1,5})", text)
    try:
        if match is None or int(match[3]) > 65535:
            raise ValueError
        host = match[1] or match[2] or "0.0.0.0"  # noqa: S104
        if match[1] or not re.search("[A-Za-z]", host):
            ip_address(host)
    except ValueError:
        raise ValueError('an address such as "127.0.0.1:2525" or "[::1]:2525"') from None
    return Endpoint(host, int(match[3]))


def parse_network(value: object) -> Network:
    """``"10.0.0.0/8"`` or one address."""
    try:
        if not isinstance(value, str):
            raise ValueError
        return ip_network(value, strict=False)
    except ValueError:
        raise ValueError('a network such as "10.0.0.0/8" or an address') from None


#: Placeholder for an unreadable secret that the command does not need.
_UNREAD = "not-read-in-this-command"


def _secret(value: object, info: ValidationInfo) -> str:
    try:
        return read_secret(value)
    except ValueError:
        kind = value.partition(":")[0] if isinstance(value, str) else ""
        if info.context is WITHOUT_SECRETS and kind in ("file", "env", "credential"):
            return _UNREAD
        raise


def is_unread(secret: SecretStr) -> bool:
    """Whether a secret could not be read, and the command was loaded without it."""
    return secret.get_secret_value() == _UNREAD


#: The context of a validation that allows unreadable secrets.
WITHOUT_SECRETS: Final = {"secrets": "not needed"}

Duration = Annotated[float, BeforeValidator(parse_duration)]
#: A time limit above 0.
Limit = Annotated[float, BeforeValidator(parse_duration), Field(gt=0)]
Address = Annotated[Endpoint, BeforeValidator(parse_endpoint)]
NetworkList = list[Annotated[Network, BeforeValidator(parse_network)]]
Secret = Annotated[SecretStr, BeforeValidator(_secret)]
PhoneRegion = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
# Strict tables require enum members and Paths; TOML has only strings.
Type = Annotated[MessageType, Field(strict=False)]
RouteName = Annotated[Route, Field(strict=False)]
File = Annotated[Path, Field(strict=False)]


class Table(BaseModel):
    """A TOML table: unknown keys are mistakes, values are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Upstream(Table):
    """Credentials and route at the Cascade API; an account may have its own."""

    authorization_key: Secret | None = None
    viber_auth_token: Secret | None = None
    telegram_bot_key: Secret | None = None
    route: RouteName | None = None

    @property
    def has_credentials(self) -> bool:
        return any((self.authorization_key, self.viber_auth_token, self.telegram_bot_key))


class Cascade(Upstream):
    base_url: str = "https://restapi.smsbat.com"
    route: RouteName = Route.ASYNC
    max_batch: int = Field(1000, ge=1, le=1000)
    max_in_flight: int = Field(4, ge=1, le=64)
    requests_per_second: float = Field(100, gt=0)
    burst: int = Field(150, ge=1)
    timeout: Limit = 30.0
    unknown_outcome: Literal["retry", "hold"] = "retry"
    schedule_field: str = "scheduledSent"
    poll: bool = True
    poll_after: Limit = 30.0
    status_requests_per_second: float = Field(50, gt=0)


class StoreSettings(Table):
    url: str = "sqlite:////var/lib/cascade-bridge/bridge.db"
    backlog_limit: int = Field(1_000_000, ge=1)
    retain: Limit = 30 * 86400.0
    retain_text: Duration | None = None
    lease: Limit = 15.0


class Smtp(Table):
    listen: list[Address] = [Endpoint("127.0.0.1", 2525)]
    tls_listen: list[Address] = []
    lmtp_listen: list[Address] = []
    certificate: File | None = None
    private_key: File | None = None
    hostname: str = ""
    domains: list[str] = ["sms.example.com"]
    starttls: Literal["off", "offered", "required"] = "offered"
    auth_mechanisms: list[Literal["PLAIN", "LOGIN", "CRAM-MD5"]] = ["PLAIN", "LOGIN"]
    clear_text_auth: bool = False
    smsc_address: str = ""
    fallback_charset: str = "windows-1252"
    attachments: Literal["ignore", "refuse"] = "ignore"
    max_size: int = Field(10_485_760, ge=1024, le=1_073_741_824)
    max_recipients: int = Field(1000, ge=1)
    max_connections: int = Field(1000, ge=1)
    max_connections_per_address: int = Field(100, ge=1)
    max_connections_per_account: int = Field(500, ge=1)
    timeout: Limit = 300.0
    proxies: NetworkList = []


class Smpp(Table):
    listen: list[Address] = [Endpoint("127.0.0.1", 2775)]
    tls_listen: list[Address] = []
    certificate: File | None = None
    private_key: File | None = None
    proxies: NetworkList = []
    system_id: str = Field("cascade-bridge", max_length=15)
    bind_timeout: Limit = 10.0
    enquire_link: Limit = 30.0
    inactivity: Limit = 120.0
    response_timeout: Limit = 30.0
    max_connections: int = Field(5000, ge=1)
    max_connections_per_address: int = Field(1000, ge=1)
    parts_timeout: Limit = 300.0
    receipts_keep: Limit = 7 * 86400.0


class Admin(Table):
    socket: File = Path("/run/cascade-bridge/admin.sock")
    listen: list[Address] = [Endpoint("127.0.0.1", 8025)]
    certificate: File | None = None
    private_key: File | None = None
    token: Secret | None = None
    view_token: Secret | None = None
    console: Literal["off", "private", "anywhere"] = "private"
    stop_timeout: Limit = 55.0


class Hooks(Table):
    listen: list[Address] = [Endpoint("127.0.0.1", 8026)]
    certificate: File | None = None
    private_key: File | None = None
    networks: NetworkList = []
    secret: Secret | None = None
    incoming: str = ""
    reply_within: Limit = 30 * 86400.0
    stop_words: list[str] = [
        *("STOP", "STOPALL", "UNSUBSCRIBE", "СТОП", "ВІДПИСАТИСЯ", "ВІДПИСКА", "ОТПИСАТЬСЯ"),
        *("ОТПИСКА", "ODHLÁSIT"),
    ]
    start_words: list[str] = [
        "START",
        "SUBSCRIBE",
        "СТАРТ",
        "ПІДПИСАТИСЯ",
        "ПОДПИСАТЬСЯ",
        "PŘIHLÁSIT",
    ]


class Smsc(Table):
    """The SMSC dialect over HTTP."""

    listen: list[Address] = []
    tls_listen: list[Address] = []
    certificate: File | None = None
    private_key: File | None = None
    networks: NetworkList = []
    proxies: NetworkList = []
    prices: dict[PhoneRegion, str] = {}
    balance: str = ""


class Reports(Table):
    smarthost: str = ""
    smarthost_tls: Literal["off", "offered", "required"] = "offered"
    smarthost_user: str = ""
    smarthost_password: Secret | None = None
    from_: str = Field("bridge@sms.example.com", alias="from")
    delay_after: Limit = 3600.0
    keep: Limit = 5 * 86400.0


class Login(Table):
    """Limits for failed logins and password checks, for all protocols."""

    max_failures: int = Field(10, ge=1, le=1000)
    failures_within: Limit = 300.0
    blocked_for: Limit = 300.0
    cache: Duration = 300.0
    concurrent_checks: int = Field(2, ge=1, le=64)


class Log(Table):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"
    log_texts: bool = False


class AccountSettings(Table):
    """Permissions of one account, and defaults for values that a client omits."""

    password: Secret | None = None
    password_hash: str = ""
    smsc_password_hash: str = ""
    api_key: Secret | None = None
    protocols: list[Literal["smtp", "smpp", "http"]] = ["smtp", "smpp"]
    networks: NetworkList = []
    trusted_networks: NetworkList = []
    sender: str = ""
    senders: list[str] = []
    message_type: Type = MessageType.TRANSACTION
    message_types: list[Type] = []
    region: PhoneRegion = "UA"
    zone: str = "Europe/Kyiv"
    ttl: Limit = 86400.0
    max_ttl: Limit = 7 * 86400.0
    rate: float = Field(0, ge=0)
    burst: int = Field(0, ge=0)
    binds: list[Literal["transmitter", "receiver", "transceiver"]] = Field(
        ["transmitter", "receiver", "transceiver"], min_length=1
    )
    max_binds: int = Field(8, ge=1)
    window: int = Field(1000, ge=1)
    receive_window: int = Field(100, ge=1, le=10_000)
    max_parts: int = Field(10, ge=1, le=255)
    long_text: Literal["refuse", "truncate"] = "refuse"
    text: str = "{body}"
    reply_fmt: int = Field(0, ge=0, le=3)
    answer: Literal["result", "queued"] = "result"
    answer_within: Duration | None = None
    schedule: Literal["provider", "bridge"] = "provider"
    countries: list[PhoneRegion] = []
    daily_limit: int = Field(0, ge=0)
    duplicate_window: Duration = 0.0
    duplicates: Literal["same_answer", "refuse"] = "same_answer"
    allow_variables: bool = False
    default_alphabet: Literal["gsm7", "gsm7-packed", "latin1", "ascii", "utf8"] = "gsm7"
    cut_quotes: bool = True
    stop_line: str = ""
    failure_text: bool = False
    receipt_pdu: Literal["deliver_sm", "data_sm"] = "deliver_sm"
    receipt_id: Literal["decimal", "hex"] = "decimal"
    receipt_dates: Literal["minutes", "seconds"] = "minutes"
    receipt_zone: str = "UTC"
    receipt_text: bool = True
    incoming_long: Literal["parts", "payload"] = "parts"
    receipts_to: str = ""
    incoming_to: str = ""
    callback_url: str = ""
    callback_secret: Secret | None = None
    commands_from: list[str] = []
    stop_reply: str = ""
    start_reply: str = ""
    virtual: bool = False
    cascade: Upstream | None = None


class Settings(Table):
    cascade: Cascade = Cascade()
    store: StoreSettings = StoreSettings()
    smtp: Smtp = Smtp()
    smpp: Smpp = Smpp()
    admin: Admin = Admin()
    hooks: Hooks = Hooks()
    smsc: Smsc = Smsc()
    reports: Reports = Reports()
    login: Login = Login()
    log: Log = Log()
    accounts: dict[str, AccountSettings] = {}

    #: The files of these settings and of their secrets; empty if none were read.
    _files: tuple[Path, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        return self._files


#: What a rule finds: the key's path, what was found there, what is allowed instead.
Finding = tuple[tuple[str, ...], str, str]


class Mistake(NamedTuple):
    """One mistake in the configuration, worded for its author.

    ``key`` is dotted, or a place such as ``line 3, column 7``, or empty for a whole file.
    """

    file: str
    key: str
    found: str
    allowed: str

    def __str__(self) -> str:
        place = ": ".join(part for part in (self.file, self.key) if part)
        return f"{place}: found {self.found}; allowed: {self.allowed}"


class ConfigError(Exception):
    """The mistakes of a configuration; nothing was started.

    ``rest`` are the settings without the wrong keys, if its files could be read.
    """

    def __init__(self, mistakes: list[Mistake], rest: Settings | None = None) -> None:
        super().__init__(mistakes)
        self.mistakes = mistakes
        self.rest = rest

    def __str__(self) -> str:
        return "\n".join(map(str, self.mistakes))


def settings_from(data: dict[str, Any]) -> Settings:
    """Settings from a plain dictionary (tests, demo); raises pydantic's own error."""
    return Settings.model_validate(data)

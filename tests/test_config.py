"""Configuration: what is read, how every mistake is put, and that the example tells the truth."""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import config_file
from bridge.accounts import HASHER
from bridge.config import (
    AccountSettings,
    ConfigError,
    Endpoint,
    Mistake,
    Settings,
    Table,
    Upstream,
    load,
    parse_duration,
    parse_endpoint,
    parse_network,
    read_secret,
    warnings,
)
from bridge.message import MessageType, Route
from tests.support import program

CONFIG = Path(__file__).parent.parent / "config"

#: What an account needs so that nothing else is wrong.
GOOD = """
[cascade]
authorization_key = "key"
[accounts.crm]
password = "secret12"
sender = "Shop"
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file of the configuration and returns its path."""

    def write(text: str, name: str = "bridge.toml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


def mistakes(path: Path | None) -> list[Mistake]:
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert caught.value.mistakes
    return caught.value.mistakes


def mistake(path: Path) -> Mistake:
    (only,) = mistakes(path)
    return only


class TestValues:
    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("20s", 20),
            ("5m", 300),
            ("24h", 86400),
            ("30d", 2592000),
            ("2w", 1209600),
            ("1h30m", 5400),
            ("250ms", 0.25),
            ("0s", 0),
            (" 5s ", 5),
        ],
    )
    def test_durations(self, text: str, seconds: float) -> None:
        assert parse_duration(text) == seconds

    @pytest.mark.parametrize("value", ["", "5", "s", "5 s", "5x", "-5s", "1.5s", 5, True, None])
    def test_what_is_no_duration(self, value: object) -> None:
        with pytest.raises(ValueError, match="duration such as"):
            parse_duration(value)

    @pytest.mark.parametrize(
        ("text", "endpoint"),
        [
            ("127.0.0.1:2525", ("127.0.0.1", 2525)),
            ("[::1]:25", ("::1", 25)),
            (":2525", ("0.0.0.0", 2525)),
            ("localhost:0", ("localhost", 0)),
            ("mx-1.example.com:25", ("mx-1.example.com", 25)),
        ],
    )
    def test_addresses(self, text: str, endpoint: tuple[str, int]) -> None:
        assert parse_endpoint(text) == endpoint
        assert parse_endpoint(str(parse_endpoint(text))) == endpoint

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "2525",
            "127.0.0.1",
            "127.0.0.1:",
            "127.0.0.1:65536",
            "300.1.1.1:25",
            "127.1:25",
            "::1:25",
            "[::zz]:25",
            "[127.0.0.1:25",
            "a b:25",
            2525,
            None,
        ],
    )
    def test_what_is_no_address(self, value: object) -> None:
        with pytest.raises(ValueError, match="address such as"):
            parse_endpoint(value)

    def test_networks(self) -> None:
        assert parse_network("10.1.2.3/8") == ip_network("10.0.0.0/8")
        assert parse_network("10.1.2.3") == ip_network("10.1.2.3/32")
        for value in ("10.0.0.0/33", "example.com", "", 10):
            with pytest.raises(ValueError, match="network such as"):
                parse_network(value)

    @given(st.text() | st.integers() | st.none())
    def test_no_value_breaks_a_parser(self, value: object) -> None:
        for parse in (parse_duration, parse_endpoint, parse_network):
            with contextlib.suppress(ValueError):
                parse(value)


class TestSecrets:
    def test_a_literal(self) -> None:
        assert read_secret("s3cret") == "s3cret"

    def test_a_file_without_its_line_end(self, tmp_path: Path) -> None:
        (tmp_path / "key").write_text("s3cret \r\n")
        assert read_secret(f"file:{tmp_path}/key") == "s3cret "

    def test_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BRIDGE_KEY", "s3cret")
        assert read_secret("env:BRIDGE_KEY") == "s3cret"

    def test_a_credential(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "key").write_text("s3cret\n")
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        assert read_secret("credential:key") == "s3cret"

    @pytest.mark.parametrize(
        ("value", "allowed"),
        [
            ("", "not empty"),
            ("env:BRIDGE_NO_SUCH", "BRIDGE_NO_SUCH to be set"),
            ("file:/no/such/file", "No such file"),
            ("file:/etc", "Is a directory"),
            ("credential:key", "CREDENTIALS_DIRECTORY"),
            (5, "a string"),
        ],
    )
    def test_one_that_cannot_be_read(
        self, value: object, allowed: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
        with pytest.raises(ValueError, match=allowed):
            read_secret(value)

    def test_an_empty_file(self, tmp_path: Path) -> None:
        (tmp_path / "key").write_text("\n")
        with pytest.raises(ValueError, match="not empty"):
            read_secret(f"file:{tmp_path}/key")

    def test_no_mistake_repeats_one(self, write: Write) -> None:
        path = write(
            """
            [cascade]
            authorization_key = "hunter2\\n"
            viber_auth_token = ["hunter2"]
            [store]
            url = "mysql://me:hunter2@host/db"
            [hooks]
            secret = "hunter2"
            [accounts.a]
            pasword = "hunter2"
            [accounts.b]
            password_hash = "hunter2"
            [accounts.c]
            cascade = "hunter2"
            [accounts]
            d = "hunter2"
            """
        )
        found = mistakes(path)
        assert len(found) == 7
        assert "hunter2" not in "\n".join(map(str, found))
        assert "hunter2" not in repr(found)

    def test_settings_do_not_show_them(self, write: Write) -> None:
        settings = load(write(GOOD))
        assert settings.accounts["crm"].password is not None
        assert "secret12" not in repr(settings)


class TestMistakes:
    """One mistake at a time: key, what was found, what is allowed."""

    @pytest.mark.parametrize(
        ("text", "key", "found", "allowed"),
        [
            ("cascade.max_batch = 5000", "cascade.max_batch", "5000", "from 1 to 1000"),
            ('cascade.max_batch = "abc"', "cascade.max_batch", '"abc"', "a whole number from 1"),
            ("cascade.max_batch = true", "cascade.max_batch", "true", "a whole number from 1"),
            ("cascade.max_batch = 5.0", "cascade.max_batch", "5.0", "a whole number from 1"),
            ("cascade.requests_per_second = 0", None, "0", "a number above 0"),
            ("cascade.requests_per_second = inf", None, "inf", "a number above 0"),
            ('cascade.poll = "yes"', "cascade.poll", '"yes"', "true or false"),
            ("cascade.poll = 1", "cascade.poll", "1", "true or false"),
            ('cascade.route = "sms"', "cascade.route", '"sms"', '"async" or "tg-viber"'),
            ('cascade.unknown_outcome = "x"', None, '"x"', '"retry" or "hold"'),
            ("cascade.timeout = 30", "cascade.timeout", "30", 'a duration such as "20s"'),
            ('cascade.timeout = "0s"', "cascade.timeout", '"0s"', "longer than"),
            ('cascade.base_url = "restapi.smsbat.com"', None, '"restapi', "a URL such as"),
            ('cascade.base_url = "ftp://x"', None, '"ftp://x"', "a URL such as"),
            ('cascade.schedule_field = "a b"', None, '"a b"', "name of a JSON field"),
            ("smtp = []", "smtp", "a list", "a table"),
            ('smtp.listen = "127.0.0.1:25"', "smtp.listen", '"127', "a list in brackets"),
            ('smtp.listen = [":1", "x"]', "smtp.listen[2]", '"x"', "an address such as"),
            ("smtp.domains = []", "smtp.domains", "no domain", "at least the domain"),
            ('smtp.domains = ["a@b"]', "smtp.domains", '"a@b"', "a domain such as"),
            ("smtp.domains = [5]", "smtp.domains[1]", "5", "a string in quotes"),
            ('smtp.hostname = "my host"', "smtp.hostname", '"my host"', "a name such as"),
            ('smtp.smsc_address = "a@b"', "smtp.smsc_address", '"a@b"', "before the @"),
            ('smtp.fallback_charset = "cp-9999"', None, '"cp-9999"', "a charset such as"),
            ('smtp.fallback_charset = "rot13"', None, '"rot13"', "a charset such as"),
            ('smtp.starttls = "required"', "smtp.starttls", "no certificate", "certificate and"),
            ('smtp.certificate = "x"', "smtp.private_key", "no private key", "both or neither"),
            ('smpp.private_key = "x"', "smpp.certificate", "no certificate", "both or neither"),
            ('smtp.tls_listen = [":465"]', "smtp.tls_listen", "no certificate", "beside"),
            ('smpp.tls_listen = [":3550"]', "smpp.tls_listen", "no certificate", "beside"),
            ('smpp.listen = ["127.0.0.1:2525"]', "smpp.listen", "smtp.listen has", "of its own"),
            ('smpp.listen = [":2525"]', "smpp.listen", "smtp.listen has already", "of its own"),
            ('smpp.system_id = "more than fifteen"', None, '"more', "at most 15 characters"),
            ("store.url = 5", "store.url", "5", "a string in quotes"),
            ('store.url = "bridge.db"', "store.url", "another kind", "sqlite:////absolute"),
            ('store.url = "sqlite:///b.db"', "store.url", "a relative path", "sqlite:////abs"),
            ('store.url = "sqlite:////etc"', "store.url", "a directory", "a file"),
            ('store.retain_text = "60d"', "store.retain_text", "more than", "at most as long"),
            ('admin.listen = [":8025"]', "admin.listen", "no admin.token", "loopback only"),
            ("admin.socket = 5", "admin.socket", "5", "a path in quotes"),
            ('admin.token = "a\\nb"', "admin.token", "other characters", "one line"),
            ('hooks.secret = "a/b"', "hooks.secret", "another form", "at least 16"),
            ('hooks.incoming = "x"', "hooks.incoming", 'no account "x"', "name of an account"),
            ('reports.smarthost = "mx"', "reports.smarthost", '"mx"', "host:port"),
            ('reports.from = "me"', "reports.from", '"me"', "a mail address"),
            ("login.max_failures = 0", "login.max_failures", "0", "from 1 to 1000"),
            ('log.level = "loud"', "log.level", '"loud"', '"debug", "info", "warning" or'),
            ("accounts = []", "accounts", "a list", "a table"),
            ("accounts.x = 5", "accounts.x", "a single value", "a table"),
            ('include = "x"', "include", '"x"', "a list such as"),
            ('include = ["no.toml"]', "include", "which is no file", "existing files"),
        ],
    )
    def test_in_a_table(
        self, write: Write, text: str, key: str | None, found: str, allowed: str
    ) -> None:
        only = mistake(write(text))
        assert only.key == (key or text.partition(" = ")[0])
        assert found in only.found
        assert allowed in only.allowed

    @pytest.mark.parametrize(
        ("text", "key", "found", "allowed"),
        [
            ('password_hash = "$2b$12$x"', ".password_hash", "no argon2", "hash-password"),
            ("protocols = []", ".protocols", "no protocol", "both"),
            ('protocols = ["sms"]', ".protocols[1]", '"sms"', '"smtp" or "smpp"'),
            ('networks = ["x"]', ".networks[1]", '"x"', "a network such as"),
            ('sender = "twelve chars"', ".sender", '"twelve chars"', "at most 11"),
            ('senders = ["1234567890123456"]', ".senders", '"1234567890123456"', "15 digits"),
            ('senders = [""]', ".senders", '""', "at most 11"),
            ('message_type = "sms"', ".message_type", '"sms"', '"transaction", "promo"'),
            ('message_types = ["promo"]', ".message_type", '"transaction"', 'types: "promo"'),
            ('region = "ua"', ".region", '"ua"', "two capital letters"),
            ('region = "UK"', ".region", '"UK"', "ISO 3166"),
            ('countries = ["ZZ"]', ".countries", '"ZZ"', "ISO 3166"),
            ('ttl = "8d"', ".ttl", "more than max_ttl", "at most max_ttl"),
            ("rate = -1", ".rate", "-1", "a number, 0 or more"),
            ("rate = nan", ".rate", "nan", "a number, 0 or more"),
            ("reply_fmt = 4", ".reply_fmt", "4", "from 0 to 3"),
            ('text = "hello"', ".text", '"hello"', "{body}, {subject}"),
            ('text = "{body} {name}"', ".text", "{name}", "{body}, {subject}"),
            ('text = "{body"', ".text", "{body", "{body}, {subject}"),
            ('receipts_to = "me"', ".receipts_to", '"me"', '"sender"'),
            ('incoming_to = "sender"', ".incoming_to", '"sender"', "a mail address"),
            ('cascade.route = "x"', ".cascade.route", '"x"', '"async" or'),
            ('cascade.viber_auth_token = "ключ"', None, "other characters", "ASCII"),
            (
                'protocols = ["smpp"]\ntrusted_networks = ["10.0.0.1"]',
                ".trusted_networks",
                "without SMTP",
                "or none",
            ),
        ],
    )
    def test_in_an_account(
        self, write: Write, text: str, key: str | None, found: str, allowed: str
    ) -> None:
        lines = [
            line
            for line in GOOD.splitlines()
            if line.partition(" = ")[0] not in text
            and not (key == ".password_hash" and "pass" in line)
        ]
        only = mistake(write("\n".join([*lines, text])))
        assert only.key == "accounts.crm" + (key or f".{text.partition(' = ')[0]}")
        assert found in only.found
        assert allowed in only.allowed

    @pytest.mark.parametrize(
        ("text", "key", "allowed"),
        [
            ("cascade.max_bacth = 5", "cascade.max_bacth", "cascade.max_batch (the nearest"),
            ("cascade.max-batch = 5", "cascade.max-batch", "cascade.max_batch (the nearest"),
            ("account.crm.rate = 5", "account", "accounts (the nearest"),
            ("smtp.requests_per_second = 5", None, "cascade.requests_per_second"),
            ("smpp.window = 5", "smpp.window", "accounts.<name>.window"),
            ('smtp.private_kye = "x"', "smtp.private_kye", "smtp.private_key (the nearest"),
            ("log.zzz = 5", "log.zzz", "one of format, level, log_texts"),
            ('"a b".c = 5', '"a b"', "one of accounts, admin"),
            ("accounts.crm.contries = 5", None, "accounts.crm.countries (the nearest"),
            ('reports.from_ = "a@b"', "reports.from_", "reports.from (the nearest"),
            ("files = 5", "files", "one of accounts, admin"),
        ],
    )
    def test_an_unknown_key_names_the_nearest(
        self, write: Write, text: str, key: str | None, allowed: str
    ) -> None:
        only = mistake(
            write(f'{text}\n[cascade]\nauthorization_key = "k"' if key is None else text)
        )
        assert only.key == (key or text.partition(" = ")[0])
        assert only.found == "an unknown key"
        assert only.allowed.startswith(allowed)

    def test_the_name_of_an_smpp_account(self, write: Write) -> None:
        for name in ("sixteen-letters-", "кафе", "a b"):
            only = mistake(write(GOOD.replace("accounts.crm", f'accounts."{name}"')))
            assert "at most 15 of ASCII for SMPP" in only.allowed
        load(write(GOOD.replace("accounts.crm", "accounts.fifteen-letters")))

    def test_the_name_of_an_smtp_account(self, write: Write) -> None:
        text = GOOD + 'protocols = ["smtp"]'
        load(write(text.replace("accounts.crm", 'accounts."кафе на розі, головне"')))
        only = mistake(write(text.replace("accounts.crm", 'accounts."a:b"')))
        assert (only.key, only.found) == ('accounts."a:b"', "this name")

    def test_an_account_that_nobody_could_use(self, write: Write) -> None:
        only = mistake(write('cascade.authorization_key = "k"\n[accounts.crm]\nsender = "Shop"'))
        assert (only.key, only.found) == ("accounts.crm", "no way to log in")

    def test_both_password_and_hash(self, write: Write) -> None:
        only = mistake(write(GOOD + f"password_hash = '{HASHER.hash('x')}'"))
        assert (only.key, only.allowed) == ("accounts.crm.password_hash", "one of them")

    def test_no_key_of_the_api(self, write: Write) -> None:
        only = mistake(write(GOOD.replace("authorization_key", "# ")))
        assert only.found == "no key of the Cascade API for crm"
        own = GOOD.replace("authorization_key", "# ") + 'cascade.telegram_bot_key = "k"'
        assert load(write(own)).accounts["crm"].cascade is not None

    def test_two_accounts_with_the_same_trusted_network(self, write: Write) -> None:
        shop = '[accounts.shop]\nsender = "Shop"\ntrusted_networks = ["10.1.2.3/8"]'
        crm = GOOD + 'trusted_networks = ["10.0.0.0/8"]\n'
        only = mistake(write(crm + shop))
        assert only.key == "accounts.shop.trusted_networks"
        assert only.found == "10.0.0.0/8, which accounts.crm has already"
        load(write(crm + shop.replace("/8", "/16")))

    def test_two_accounts_with_the_same_api_key(self, write: Write) -> None:
        only = mistake(write(GOOD + 'api_key = "k"\n[accounts.shop]\napi_key = "k"'))
        assert only.key == "accounts.shop.api_key"

    def test_cram_md5_needs_plain_passwords(self, write: Write) -> None:
        cram = GOOD + '[smtp]\nauth_mechanisms = ["PLAIN", "CRAM-MD5"]'
        load(write(cram))
        hashed = cram.replace('password = "secret12"', f"password_hash = '{HASHER.hash('x')}'")
        only = mistake(write(hashed))
        assert (only.key, only.found) == (
            "smtp.auth_mechanisms",
            "CRAM-MD5, and a password_hash in crm",
        )

    def test_listeners_on_port_0_do_not_collide(self, write: Write) -> None:
        load(write('smtp.listen = ["127.0.0.1:0", "127.0.0.1:0"]\nsmpp.listen = ["127.0.0.1:0"]'))

    def test_the_same_port_of_different_addresses(self, write: Write) -> None:
        load(write('smtp.listen = ["127.0.0.1:25", "127.0.0.2:25", "[::]:25", "[::1]:26"]'))

    def test_all_are_said_at_once(self, write: Write) -> None:
        path = write(
            """
            cascade.max_batch = 0
            smtp.starttls = "always"
            smpp.listne = []
            [accounts.a]
            password = "env:BRIDGE_NO_SUCH"
            [accounts.b]
            [accounts.c]
            password = "x"
            sender = "a very long sender"
            """
        )
        assert [one.key for one in mistakes(path)] == [
            "cascade.max_batch",
            "smtp.starttls",
            "smpp.listne",
            "accounts.a.password",
            "accounts.b",
            "accounts.c.sender",
        ]

    def test_one_mistake_raises_no_ghosts(self, write: Write) -> None:
        # With its only password unreadable, "no way to log in" would be true and of no help.
        path = write('cascade.authorization_key = "k"\naccounts.crm.password = "env:NO_SUCH"')
        assert mistake(path).key == "accounts.crm.password"

    @given(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats()
            | st.text(max_size=20)
            | st.just(datetime.date(2025, 1, 1)),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["listen", "password", "rate", "cascade", "x", "a b"]), inner
                )
            ),
        )
    )
    def test_no_value_anywhere_breaks_the_words(self, value: Any) -> None:
        for data in (
            {"smtp": value},
            {"smtp": {"listen": value, "domains": value}},
            {"accounts": value},
            {"accounts": {"crm": value}},
            {"accounts": {"crm": {"cascade": value, "networks": [value], "rate": value}}},
            {"cascade": {"poll": value, "route": value, "max_batch": value, "timeout": value}},
            {"x": value},
        ):
            files = config_file._Files()
            files.files.append(Path("bridge.toml"))
            files._join(files.data, data, Path("bridge.toml"), ())
            config_file._validate(files)
            assert all(one.allowed and one.found for one in files.mistakes)


class TestTls:
    @pytest.fixture
    def pair(self, tmp_path: Path) -> tuple[Path, Path]:
        return self.make(tmp_path, "one")

    def make(self, folder: Path, name: str, *more: str) -> tuple[Path, Path]:
        certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
        encrypted = more or ("-nodes",)
        subprocess.run(
            [
                *(program("openssl"), "req", "-x509", "-subj", "/CN=localhost"),
                *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
                *("-keyout", str(key), "-out", str(certificate), *encrypted),
            ],
            check=True,
            capture_output=True,
        )
        return certificate, key

    def text(self, certificate: Path, key: Path) -> str:
        return f'[smtp]\ncertificate = "{certificate}"\nprivate_key = "{key}"'

    def test_a_pair_that_fits(self, write: Write, pair: tuple[Path, Path]) -> None:
        settings = load(write(self.text(*pair) + '\nstarttls = "required"\ntls_listen = [":465"]'))
        assert settings.smtp.certificate == pair[0]

    def test_paths_are_relative_to_the_file(self, write: Write, pair: tuple[Path, Path]) -> None:
        settings = load(write(self.text(Path(pair[0].name), Path(pair[1].name))))
        assert (settings.smtp.certificate, settings.smtp.private_key) == pair

    def test_a_key_of_another_certificate(
        self, write: Write, tmp_path: Path, pair: tuple[Path, Path]
    ) -> None:
        _, other = self.make(tmp_path, "two")
        only = mistake(write(self.text(pair[0], other)))
        assert only.found == f"{other}, which does not belong to {pair[0]}"

    def test_a_key_with_a_passphrase_is_no_prompt(self, write: Write, tmp_path: Path) -> None:
        pair = self.make(tmp_path, "locked", "-passout", "pass:1234")
        assert "without a passphrase" in mistake(write(self.text(*pair))).found

    def test_files_that_are_none(
        self, write: Write, tmp_path: Path, pair: tuple[Path, Path]
    ) -> None:
        missing = tmp_path / "no"
        assert "cannot be read (No such" in mistake(write(self.text(pair[0], missing))).found
        nonsense = write("nonsense", "nonsense.pem")
        assert "no PEM pair" in mistake(write(self.text(nonsense, pair[1]))).found


class TestFiles:
    def test_the_order(self, write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        first = write("cascade.max_batch = 1", "first.toml")
        second = write("cascade.max_batch = 2", "second.toml")
        third = write("cascade.max_batch = 3", "third.toml")
        monkeypatch.setattr(config_file, "DEFAULT", third)
        monkeypatch.setenv("CASCADE_BRIDGE_CONFIG", str(second))
        assert load(first).cascade.max_batch == 1
        assert load(None).cascade.max_batch == 2
        monkeypatch.delenv("CASCADE_BRIDGE_CONFIG")
        assert load(None).cascade.max_batch == 3

    def test_no_file_says_where_one_may_be(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.delenv("CASCADE_BRIDGE_CONFIG", raising=False)
        monkeypatch.setattr(config_file, "DEFAULT", tmp_path / "bridge.toml")
        (only,) = mistakes(None)
        assert "--config FILE" in only.allowed

    @pytest.mark.parametrize(
        ("content", "key", "found"),
        [
            (b"[cascade]\nmax_batch = \n", "line 2, column 13", "invalid value"),
            (b"a = 1\na = 2\n", "line 2, column 6", "cannot overwrite"),
            (b'a = "b', "end of document", "mistake in the TOML"),
            (b"a = 1\nb = '\xff'\n", "line 2", "not UTF-8"),
        ],
    )
    def test_what_is_no_toml(self, tmp_path: Path, content: bytes, key: str, found: str) -> None:
        path = tmp_path / "bridge.toml"
        path.write_bytes(content)
        only = mistake(path)
        assert only.key == key
        assert found in only.found

    def test_a_byte_order_mark_is_no_mistake(self, tmp_path: Path) -> None:
        path = tmp_path / "bridge.toml"
        path.write_bytes(b"\xef\xbb\xbf[cascade]\r\nmax_batch = 5\r\n")
        assert load(path).cascade.max_batch == 5

    def test_a_file_that_cannot_be_read(self, tmp_path: Path) -> None:
        assert "No such file" in mistake(tmp_path / "no.toml").found
        assert "directory" in mistake(tmp_path).found

    def test_an_empty_file_gives_the_defaults(self, write: Write) -> None:
        assert load(write("")).model_dump() == Settings().model_dump()

    def test_include_joins_tables(self, write: Write, tmp_path: Path) -> None:
        main = write('include = ["accounts.d/*.toml"]\ncascade.authorization_key = "k"')
        write('[accounts.crm]\npassword = "x"', "accounts.d/crm.toml")
        write('[accounts.shop]\npassword = "x"', "accounts.d/shop.toml")
        settings = load(main)
        assert list(settings.accounts) == ["crm", "shop"]
        assert [file.name for file in settings.files] == ["bridge.toml", "crm.toml", "shop.toml"]

    def test_a_pattern_may_match_nothing_and_never_the_main_file(self, write: Write) -> None:
        load(write('include = ["accounts.d/*.toml", "*.toml"]\ncascade.max_batch = 5'))

    def test_mistakes_name_the_file_they_are_in(self, write: Write) -> None:
        main = write('include = ["*.d/*.toml"]\n[accounts.crm]\nsender = "Shop"')
        sub = write('[accounts.crm]\nrate = "x"\n[accounts.b]\n', "a.d/a.toml")
        found = {(one.file, one.key) for one in mistakes(main)}
        assert (str(sub), "accounts.crm.rate") in found
        assert (str(sub), "accounts.b") in found

    def test_the_same_key_in_two_files(self, write: Write) -> None:
        main = write(GOOD + "rate = 5\n[smtp]\n").read_text()
        path = write('include = ["b.toml"]\n' + main)
        other = write("[accounts.crm]\nrate = 6", "b.toml")
        only = mistake(path)
        assert (only.file, only.key) == (str(other), "accounts.crm.rate")
        assert only.found == f"the same key again, already in {path}"

    def test_only_the_main_file_includes(self, write: Write) -> None:
        path = write('include = ["b.toml"]')
        write('include = ["c.toml"]', "b.toml")
        assert mistake(path).allowed == "only in the main file"

    def test_a_broken_include_does_not_hide_the_rest(self, write: Write) -> None:
        path = write('include = ["b.toml"]\ncascade.max_batch = 0\naccounts.crm.sender = "x"')
        write("[accounts.crm\n", "b.toml")
        assert [one.key for one in mistakes(path)] == [
            "cascade.max_batch",
            "line 1, column 14",
        ]

    def test_secrets_in_files_are_relative_too(self, write: Write) -> None:
        write("from-file\n", "keys/cascade")
        settings = load(write('cascade.authorization_key = "file:keys/cascade"'))
        assert settings.cascade.authorization_key is not None
        assert settings.cascade.authorization_key.get_secret_value() == "from-file"


class TestTypes:
    def test_settings_are_typed(self, write: Write) -> None:
        settings = load(
            write(
                GOOD
                + """
                message_types = ["transaction", "promo"]
                networks = ["10.1.2.3/8"]
                ttl = "2h"
                rate = 5
                cascade.route = "tg-viber"
                [reports]
                from = "a@b"
                """
            )
        )
        own = settings.accounts["crm"]
        assert own.message_types == [MessageType.TRANSACTION, MessageType.PROMO]
        assert own.networks == [ip_network("10.0.0.0/8")]
        assert (own.ttl, own.rate) == (7200.0, 5.0)
        assert own.cascade == Upstream(route=Route.TG_VIBER)
        assert settings.reports.from_ == "a@b"
        assert settings.smtp.listen == [Endpoint("127.0.0.1", 2525)]

    def test_nothing_changes_after_it_was_read(self, write: Write) -> None:
        settings = load(write(GOOD))
        with pytest.raises(ValueError, match="frozen"):
            settings.cascade.max_batch = 5  # type: ignore[misc]


class TestWarnings:
    def about(self, path: Path, key: str) -> list[str]:
        return [warning for warning in warnings(load(path)) if warning.startswith(key)]

    @pytest.mark.parametrize(
        ("text", "key"),
        [
            ('accounts.a.password = "nine chars"', "accounts.a.password"),
            ('accounts.a.password = "пароль"', "accounts.a.password"),
            ('accounts.a.password = "x"', "accounts.a.countries"),
            ('accounts.a.password = "x"', "accounts.a.sender"),
            ('accounts.a = {password = "x", burst = 5}', "accounts.a.burst"),
            ('accounts.a.trusted_networks = ["0.0.0.0/0"]', "accounts.a.trusted_networks"),
            ("", "accounts: there is none"),
            ("", "reports.smarthost"),
            ('reports.smarthost = "mx:25"', "reports.from"),
            ("", "smtp.domains"),
            ("", "admin.token"),
            ("", "hooks.secret"),
            ("cascade.poll = false", "hooks.secret: not set, so that statuses come not at all"),
            ('smtp = {listen = [":25"], clear_text_auth = true}', "smtp.clear_text_auth"),
            ('smtp.listen = [":25"]', "smtp.listen"),
            ('smpp.listen = [":2775"]', "smpp.listen"),
            ('admin = {listen = [":8025"], token = "t"}', "admin.listen"),
            ("smtp.listen = []\nsmpp.listen = []", "smtp.listen, smpp.listen: nothing"),
            ('store.url = "sqlite:////no/such/bridge.db"', "store.url"),
        ],
    )
    def test_worth_a_second_look(self, write: Write, text: str, key: str) -> None:
        text += '\n[cascade]\nauthorization_key = "k"' if "cascade." not in text else ""
        assert self.about(write(text), key)

    def test_keys_in_the_clear(self, write: Write) -> None:
        assert self.about(write('cascade.base_url = "http://api.example.com"'), "cascade.base_url")
        assert not self.about(write('cascade.base_url = "http://127.0.0.1:80"'), "cascade.base_url")

    def test_nothing_to_say_about_a_complete_configuration(
        self, write: Write, tmp_path: Path
    ) -> None:
        path = write(
            GOOD
            + f"""
            countries = ["UA"]
            [smtp]
            domains = ["sms.shop.ua"]
            [store]
            url = "sqlite:///{tmp_path}/bridge.db"
            [admin]
            token = "token"
            [hooks]
            secret = "0123456789abcdef"
            [reports]
            smarthost = "127.0.0.1:25"
            from = "sms@shop.ua"
            """
        )
        path.chmod(0o600)
        assert warnings(load(path)) == []

    def test_secrets_that_everybody_can_read(self, write: Write) -> None:
        key = write("k", "key")
        path = write('cascade.authorization_key = "file:key"')
        path.chmod(0o644)
        key.chmod(0o600)
        assert not self.about(path, str(path.parent))
        key.chmod(0o644)
        assert len(self.about(path, str(key))) == 1
        path.write_text('cascade.authorization_key = "k"')
        assert len(self.about(path, str(path))) == 1


class TestExample:
    """``config/bridge.toml`` documents every key, and nothing else, with its true default."""

    def uncommented(self) -> dict[str, Any]:
        text = (CONFIG / "bridge.toml").read_text()
        return tomllib.loads(re.sub(r"(?m)^# (?=\[accounts|[a-z_]+ = )", "", text))

    def tables(self) -> Iterator[tuple[dict[str, Any], type[Table]]]:
        data = self.uncommented()
        assert data.pop("include") == ["accounts.d/*.toml"]
        accounts = data.pop("accounts")
        upstream = accounts["crm"].pop("cascade")
        yield accounts["crm"], AccountSettings
        yield upstream, Upstream
        assert set(data) == set(Settings.model_fields) - {"accounts"}
        for name, table in data.items():
            model = config_file.table_at((name,))
            assert model is not None
            yield table, model

    def test_it_documents_every_key(self) -> None:
        for table, model in self.tables():
            known = {field.alias or name for name, field in model.model_fields.items()}
            assert set(table) == known - ({"cascade"} if model is AccountSettings else set())

    def test_every_default_is_true(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for table, model in self.tables():
            for name, field in model.model_fields.items():
                key = field.alias or name
                # What has no default shows an example.
                if field.default is not None and key in table:
                    read = getattr(model.model_validate({key: table[key]}), name)
                    assert read == field.default, f"{model.__name__}.{key}"

    def test_every_key_has_a_sentence(self) -> None:
        for block in (CONFIG / "bridge.toml").read_text().split("\n\n"):
            if re.search(r"(?m)^# [a-z_]+ = ", block):
                assert re.search(r"(?m)^# (?!\[|[a-z_]+ = ).+", block), block

    def test_it_loads_as_it_stands(self) -> None:
        assert load(CONFIG / "bridge.toml").model_dump() == Settings().model_dump()

    def test_the_minimal_one_serves(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CASCADE_KEY", "key")
        monkeypatch.setenv("CRM_PASSWORD", "secret12")
        settings = load(CONFIG / "minimal.toml")
        assert list(settings.accounts) == ["crm"]
        assert not [one for one in warnings(settings) if one.startswith("accounts")]

    def test_no_secret_stands_in_it(self) -> None:
        for file in CONFIG.iterdir():
            assert not re.search(r"\$argon2", file.read_text())


def test_a_mistake_is_one_sentence() -> None:
    assert (
        str(Mistake("bridge.toml", "smtp.max_size", '"x"', "a number"))
        == 'bridge.toml: smtp.max_size: found "x"; allowed: a number'
    )
    assert str(Mistake("b.toml", "", "no file", "one")) == "b.toml: found no file; allowed: one"


def test_loading_a_thousand_accounts_is_quick(write: Write) -> None:
    lines = ['cascade.authorization_key = "k"']
    lines += [f'[accounts.a{n}]\npassword = "x"\nsender = "Shop"' for n in range(1000)]
    before = os.times().user
    assert len(load(write("\n".join(lines))).accounts) == 1000
    assert os.times().user - before < 3

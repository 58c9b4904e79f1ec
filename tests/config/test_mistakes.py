"""Each mistake: its key, the found value, the allowed values."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.accounts.passwords import HASHER
from bridge.config import load
from tests.configs import GOOD, Folder, mistake


@pytest.fixture
def write(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


class TestMistakes:
    """Each mistake alone: key, found value, allowed values."""

    @pytest.mark.parametrize(
        ("text", "key", "found", "allowed"),
        [
            ("cascade.max_batch = 5000", "cascade.max_batch", "5000", "from 1 to 1000"),
            ("smtp.max_size = 99999999999999999999", None, "9999", "from 1024 to 1073741824"),
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
            ('smsc.balance = "15,00"', "smsc.balance", '"15,00"', "a number such as"),
            ('smsc.prices = {UA = "free"}', "smsc.prices.UA", '"free"', "a number such as"),
            ('smpp.system_id = "more than fifteen"', None, '"more', "at most 15 characters"),
            ("store.url = 5", "store.url", "5", "a string in quotes"),
            ('store.url = "bridge.db"', "store.url", "another kind", "sqlite:////absolute"),
            ('store.url = "sqlite:///b.db"', "store.url", "a relative path", "sqlite:////abs"),
            ('store.url = "sqlite:////etc"', "store.url", "a directory", "a file"),
            ('store.url = "postgresql://u:pa/ss@h/db"', "store.url", "cannot be read", "%2F"),
            ('store.url = "postgresql://u:pa#ss@h/db"', "store.url", "cannot be read", "%2F"),
            ('store.url = "postgresql://u:pa[ss@h/db"', "store.url", "cannot be read", "%2F"),
            ('store.url = "postgresql://u:7?s@h/db"', "store.url", "cannot be read", "%2F"),
            ('cascade.base_url = "http://[x"', "cascade.base_url", '"http://[x"', "a URL such"),
            ('cascade.base_url = "http://x:y"', "cascade.base_url", '"http://x:y"', "a URL such"),
            ('store.retain_text = "60d"', "store.retain_text", "more than", "at most as long"),
            (
                'store.retain = "6d"',
                "store.retain",
                "less than smpp.receipts_keep",
                "at least",
            ),
            (
                'store.retain = "3d"\nsmpp.receipts_keep = "1d"',
                "store.retain",
                "less than reports.keep",
                "at least",
            ),
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
        self, write: Folder, text: str, key: str | None, found: str, allowed: str
    ) -> None:
        only = mistake(write(text))
        assert only.key == (key or text.partition(" = ")[0])
        assert found in only.found
        assert allowed in only.allowed

    @pytest.mark.parametrize(
        ("text", "key", "found", "allowed"),
        [
            ('password_hash = "$2b$12$x"', ".password_hash", "no argon2", "hash-password"),
            (
                'password_hash = "$argon2id$v=19$m=7,t=2,p=1$c2FsdHNhbHRzYWx0$c2FsdHNhbHRzYWx0"',
                ".password_hash",
                "no argon2",
                "hash-password",
            ),
            ("protocols = []", ".protocols", "no protocol", "one or more"),
            ('protocols = ["sms"]', ".protocols[1]", '"sms"', '"smtp", "smpp" or "http"'),
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
            ('receipt_zone = "Kyiv"', ".receipt_zone", '"Kyiv"', '"Europe/Kyiv"'),
            ('receipt_zone = "../etc"', ".receipt_zone", '"../etc"', '"Europe/Kyiv"'),
            ('incoming_to = "sender"', ".incoming_to", '"sender"', "a mail address"),
            ('callback_url = "shop.example/sms"', None, '"shop', "a URL such as"),
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
        self, write: Folder, text: str, key: str | None, found: str, allowed: str
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

    def test_the_name_of_an_smpp_account(self, write: Folder) -> None:
        for name in ("sixteen-letters-", "кафе", "a b"):
            only = mistake(write(GOOD.replace("accounts.crm", f'accounts."{name}"')))
            assert "at most 15 of ASCII for SMPP" in only.allowed
        load(write(GOOD.replace("accounts.crm", "accounts.fifteen-letters")))

    def test_the_name_of_an_smtp_account(self, write: Folder) -> None:
        text = GOOD + 'protocols = ["smtp"]'
        load(write(text.replace("accounts.crm", 'accounts."кафе на розі, головне"')))
        only = mistake(write(text.replace("accounts.crm", 'accounts."a:b"')))
        assert (only.key, only.found) == ('accounts."a:b"', "this name")

    def test_an_account_that_nobody_could_use(self, write: Folder) -> None:
        only = mistake(write('cascade.authorization_key = "k"\n[accounts.crm]\nsender = "Shop"'))
        assert (only.key, only.found) == ("accounts.crm", "no way to log in")

    def test_both_password_and_hash(self, write: Folder) -> None:
        only = mistake(write(GOOD + f"password_hash = '{HASHER.hash('x')}'"))
        assert (only.key, only.allowed) == ("accounts.crm.password_hash", "one of them")

    def test_no_key_of_the_api(self, write: Folder) -> None:
        only = mistake(write(GOOD.replace("authorization_key", "# ")))
        assert only.found == "no key of the Cascade API for crm"
        own = GOOD.replace("authorization_key", "# ") + 'cascade.telegram_bot_key = "k"'
        assert load(write(own)).accounts["crm"].cascade is not None

    def test_two_accounts_with_the_same_trusted_network(self, write: Folder) -> None:
        shop = '[accounts.shop]\nsender = "Shop"\ntrusted_networks = ["10.1.2.3/8"]'
        crm = GOOD + 'trusted_networks = ["10.0.0.0/8"]\n'
        only = mistake(write(crm + shop))
        assert only.key == "accounts.shop.trusted_networks"
        assert only.found == "10.0.0.0/8, which accounts.crm has already"
        load(write(crm + shop.replace("/8", "/16")))

    def test_two_accounts_with_the_same_api_key(self, write: Folder) -> None:
        only = mistake(write(GOOD + 'api_key = "k"\n[accounts.shop]\napi_key = "k"'))
        assert only.key == "accounts.shop.api_key"

    def test_cram_md5_needs_plain_passwords(self, write: Folder) -> None:
        cram = GOOD + '[smtp]\nauth_mechanisms = ["PLAIN", "CRAM-MD5"]'
        load(write(cram))
        hashed = cram.replace('password = "secret12"', f"password_hash = '{HASHER.hash('x')}'")
        only = mistake(write(hashed))
        assert (only.key, only.found) == (
            "smtp.auth_mechanisms",
            "CRAM-MD5, and a password_hash in crm",
        )

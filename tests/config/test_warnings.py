"""Warnings about settings that work but may be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.config import load, warnings
from tests.configs import GOOD, Folder
from tests.smtp.conftest import make_certificate

SECRET = "long-enough-for-a-path"
HASH = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$" + 43 * "A"


@pytest.fixture
def write(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


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
            ("", "accounts: none"),
            ("cascade.poll = false", "cascade.poll: false without hooks.secret"),
            ('hooks.networks = ["10.0.0.0/8"]', "hooks.secret: not set"),
            (f'hooks = {{listen = [":8026"], secret = "{SECRET}"}}', "hooks.listen"),
            (
                f'accounts.a = {{password = "x", protocols = ["smtp"]}}\n'
                f'hooks = {{incoming = "a", secret = "{SECRET}"}}',
                "hooks.incoming",
            ),
            ('reports.smarthost = "mx:25"', "reports.from"),
            ('accounts.a.password = "x"', "reports.smarthost: empty"),
            (
                'accounts.a = {password = "x", receipts_to = "sender"}',
                "accounts.a.receipts_to: no effect",
            ),
            (
                'accounts.a = {password = "x", incoming_to = "a@b.c"}',
                "accounts.a.incoming_to: no effect",
            ),
            (
                'accounts.a = {password = "x", incoming_to = "a@b.c"}',
                "accounts.a.incoming_to: no effect without hooks",
            ),
            ("", "smtp.domains"),
            ('smtp = {listen = [":25"], clear_text_auth = true}', "smtp.clear_text_auth"),
            ('smtp.listen = [":25"]', "smtp.listen"),
            ('smtp = {listen = [":25"], smsc_address = "send"}', "smtp.smsc_address: refused"),
            (
                'smtp = {listen = [":25"], smsc_address = "send", clear_text_auth = true}',
                "smtp.smsc_address: passwords in SMSC lines travel in the clear",
            ),
            ('smpp.listen = [":2775"]', "smpp.listen"),
            (
                'accounts.a = {password = "x", callback_url = "http://shop.example/sms"}',
                "accounts.a.callback_url: texts travel in the clear",
            ),
            (
                'accounts.a = {password = "x", callback_secret = "s"}',
                "accounts.a.callback_secret: no effect",
            ),
            ('smsc.listen = [":8080"]', "smsc.listen: passwords travel in the clear"),
            ('smsc.listen = ["127.0.0.1:8080"]', "smsc.listen: no account"),
            (
                'admin.listen = []\naccounts.a = {password = "x", protocols = ["http"]}',
                'accounts.a.protocols: "http" has no effect',
            ),
            (
                f'smsc.listen = ["127.0.0.1:8080"]\n'
                f'accounts.a = {{password_hash = "{HASH}", protocols = ["http"]}}',
                "accounts.a.smsc_password_hash: not set",
            ),
            ('admin = {listen = [":8025"], token = "t"}', "admin.listen"),
            ("smtp.listen = []\nsmpp.listen = []", "smtp.listen, smpp.listen: nothing"),
            ('store.url = "sqlite:////no/such/bridge.db"', "store.url"),
        ],
    )
    def test_worth_a_second_look(self, write: Folder, text: str, key: str) -> None:
        text += '\n[cascade]\nauthorization_key = "k"' if "cascade." not in text else ""
        assert self.about(write(text), key)

    def test_an_smsc_line_needs_tls_where_clients_may_do_without(
        self, write: Folder, tmp_path: Path
    ) -> None:
        of = make_certificate(tmp_path)
        text = f"""
        [smtp]
        listen = [":25"]
        smsc_address = "send"
        certificate = "{of.certificate}"
        private_key = "{of.private_key}"
        """
        refused = "smtp.smsc_address: refused to other machines that do not use STARTTLS"
        assert self.about(write('cascade.authorization_key = "k"\n' + text), refused)
        required = text + 'starttls = "required"'
        assert not self.about(write('cascade.authorization_key = "k"\n' + required), "smtp.smsc")

    def test_callers_over_http(self, write: Folder) -> None:
        account = 'cascade.authorization_key = "k"\n'
        account += 'accounts.a = {password = "x", protocols = ["http"]}\n'
        smsc = account + 'smsc.listen = ["127.0.0.1:8080"]'
        assert not self.about(write(smsc), "smsc.listen")
        assert not self.about(write(smsc), "accounts.a.protocols")
        assert not self.about(write(smsc), "accounts.a.smsc_password_hash")
        alone = smsc + "\nsmtp.listen = []\nsmpp.listen = []"
        assert not self.about(write(alone), "smtp.listen, smpp.listen")
        assert not self.about(write(account), "accounts.a.protocols")

    def test_keys_in_the_clear(self, write: Folder) -> None:
        assert self.about(write('cascade.base_url = "http://api.example.com"'), "cascade.base_url")
        assert not self.about(write('cascade.base_url = "http://127.0.0.1:80"'), "cascade.base_url")

    def test_nothing_to_say_about_a_complete_configuration(
        self, write: Folder, tmp_path: Path
    ) -> None:
        path = write(
            GOOD
            + f"""
            countries = ["UA"]
            [smtp]
            domains = ["sms.shop.ua"]
            [reports]
            smarthost = "127.0.0.1:25"
            from = "bridge@shop.ua"
            [store]
            url = "sqlite:///{tmp_path}/bridge.db"
            """
        )
        path.chmod(0o600)
        assert warnings(load(path)) == []

    def test_secrets_that_everybody_can_read(self, write: Folder) -> None:
        key = write("k", "key")
        path = write('cascade.authorization_key = "file:key"')
        path.chmod(0o644)
        key.chmod(0o600)
        assert not self.about(path, str(path.parent))
        key.chmod(0o644)
        assert len(self.about(path, str(key))) == 1
        path.write_text('cascade.authorization_key = "k"')
        assert len(self.about(path, str(path))) == 1

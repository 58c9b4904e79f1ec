"""Files of the configuration, the wording of mistakes, and the example."""

from __future__ import annotations

import datetime
import errno
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.config import files as config_file
from bridge.config import load, warnings
from bridge.config.settings import AccountSettings, ConfigError, Settings, Table, Upstream
from tests.configs import GOOD, Folder, mistake, mistakes

CONFIG = Path(__file__).parents[2] / "config"


@pytest.fixture
def write(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


class TestFiles:
    def test_the_order(
        self, write: Folder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
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

    def test_a_file_that_the_user_may_not_read_says_who_may(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        # Root may read every file: as another user sees it.
        monkeypatch.delenv("CASCADE_BRIDGE_CONFIG", raising=False)
        monkeypatch.setattr(config_file, "DEFAULT", tmp_path / "bridge.toml")
        monkeypatch.setattr(Path, "read_bytes", refuse)
        monkeypatch.setattr(Path, "stat", refuse)
        (only,) = mistakes(None)
        assert only.found == "no readable file (Permission denied)"
        assert "sudo" in only.allowed

    @pytest.mark.parametrize(
        ("content", "key", "found"),
        [
            (b"[cascade]\nmax_batch = \n", "line 2, column 13", "a value that TOML does not have"),
            (b"a = 1\na = 2\n", "line 2, column 6", "a key a second time"),
            (b"[a]\n[a]\n", "line 2, column 3", "the table [a] a second time"),
            (b"[a.'b']\n[a.b]\n", "line 2, column 5", "the table [a.b] a second time"),
            (b'a = "b', "end of document", "mistake in the TOML: unterminated string"),
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

    def test_an_empty_file_gives_the_defaults(self, write: Folder) -> None:
        assert load(write("")).model_dump() == Settings().model_dump()

    def test_include_joins_tables(self, write: Folder, tmp_path: Path) -> None:
        main = write('include = ["accounts.d/*.toml"]\ncascade.authorization_key = "k"')
        write('[accounts.crm]\npassword = "x"', "accounts.d/crm.toml")
        write('[accounts.shop]\npassword = "x"', "accounts.d/shop.toml")
        settings = load(main)
        assert list(settings.accounts) == ["crm", "shop"]
        assert [file.name for file in settings.files] == ["bridge.toml", "crm.toml", "shop.toml"]

    def test_a_pattern_may_match_nothing_and_never_the_main_file(self, write: Folder) -> None:
        load(write('include = ["accounts.d/*.toml", "*.toml"]\ncascade.max_batch = 5'))

    def test_mistakes_name_the_file_they_are_in(self, write: Folder) -> None:
        main = write('include = ["*.d/*.toml"]\n[accounts.crm]\nsender = "Shop"')
        sub = write('[accounts.crm]\nrate = "x"\n[accounts.b]\n', "a.d/a.toml")
        found = {(one.file, one.key) for one in mistakes(main)}
        assert (str(sub), "accounts.crm.rate") in found
        assert (str(sub), "accounts.b") in found

    def test_the_same_key_in_two_files(self, write: Folder) -> None:
        main = write(GOOD + "rate = 5\n[smtp]\n").read_text()
        path = write('include = ["b.toml"]\n' + main)
        other = write("[accounts.crm]\nrate = 6", "b.toml")
        only = mistake(path)
        assert (only.file, only.key) == (str(other), "accounts.crm.rate")
        assert only.found == f"the same key again, already in {path}"

    def test_only_the_main_file_includes(self, write: Folder) -> None:
        path = write('include = ["b.toml"]')
        write('include = ["c.toml"]', "b.toml")
        assert mistake(path).allowed == "only in the main file"

    def test_a_broken_include_does_not_hide_the_rest(self, write: Folder) -> None:
        path = write('include = ["b.toml"]\ncascade.max_batch = 0\naccounts.crm.sender = "x"')
        write("[accounts.crm\n", "b.toml")
        assert [one.key for one in mistakes(path)] == [
            "cascade.max_batch",
            "line 1, column 14",
        ]

    def test_secrets_in_files_are_relative_too(self, write: Folder) -> None:
        write("from-file\n", "keys/cascade")
        settings = load(write('cascade.authorization_key = "file:keys/cascade"'))
        assert settings.cascade.authorization_key is not None
        assert settings.cascade.authorization_key.get_secret_value() == "from-file"


class TestWords:
    """The wording of mistakes."""

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
        self, write: Folder, text: str, key: str | None, allowed: str
    ) -> None:
        only = mistake(
            write(f'{text}\n[cascade]\nauthorization_key = "k"' if key is None else text)
        )
        assert only.key == (key or text.partition(" = ")[0])
        assert only.found == "an unknown key"
        assert only.allowed.startswith(allowed)

    def test_all_are_said_at_once(self, write: Folder) -> None:
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

    def test_one_mistake_raises_no_ghosts(self, write: Folder) -> None:
        # If its only password is unreadable, "no way to log in" would not help.
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
            config_file._validate(files, None)
            assert all(one.allowed and one.found for one in files.mistakes)


class TestExample:
    """``config/bridge.toml`` documents all keys with their defaults, and nothing else."""

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
                # Keys without a default have an example.
                if field.default is not None and key in table:
                    read = getattr(model.model_validate({key: table[key]}), name)
                    assert read == field.default, f"{model.__name__}.{key}"

    def test_every_key_has_a_sentence(self) -> None:
        for block in (CONFIG / "bridge.toml").read_text().split("\n\n"):
            if re.search(r"(?m)^# [a-z_]+ = ", block):
                assert re.search(r"(?m)^# (?!\[|[a-z_]+ = ).+", block), block

    def test_it_loads_as_it_stands(self) -> None:
        assert load(CONFIG / "bridge.toml").model_dump() == Settings().model_dump()

    def test_the_minimal_one_lacks_the_key_and_a_password_and_nothing_else(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        with pytest.raises(ConfigError) as error:
            load(CONFIG / "minimal.toml")
        wrong = [mistake.key for mistake in error.value.mistakes]
        assert wrong == ["cascade.authorization_key", "accounts.crm"]
        (tmp_path / "cascade-key").write_text("key")
        written = (CONFIG / "minimal.toml").read_text("utf-8")
        config = tmp_path / "bridge.toml"
        config.write_text(re.sub('password_hash = ""', 'password = "secret12"', written))
        settings = load(config)
        assert list(settings.accounts) == ["crm"]
        assert not [one for one in warnings(settings) if one.startswith("accounts")]

    def test_no_secret_stands_in_it(self) -> None:
        for file in CONFIG.iterdir():
            assert not re.search(r"\$argon2", file.read_text())


def test_loading_a_thousand_accounts_is_quick(write: Folder) -> None:
    lines = ['cascade.authorization_key = "k"']
    lines += [f'[accounts.a{n}]\npassword = "x"\nsender = "Shop"' for n in range(1000)]
    before = os.times().user
    assert len(load(write("\n".join(lines))).accounts) == 1000
    assert os.times().user - before < 3

"""Single values of the configuration: durations, addresses, secrets, types."""

from __future__ import annotations

import contextlib
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.config import load
from bridge.config.settings import (
    Endpoint,
    Mistake,
    Upstream,
    parse_duration,
    parse_endpoint,
    parse_network,
)
from bridge.model.message import MessageType, Route
from tests.configs import GOOD, Folder, mistakes


@pytest.fixture
def write(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


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
    def test_no_mistake_repeats_one(self, write: Folder) -> None:
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

    def test_settings_do_not_show_them(self, write: Folder) -> None:
        settings = load(write(GOOD))
        assert settings.accounts["crm"].password is not None
        assert "secret12" not in repr(settings)


class TestTypes:
    def test_settings_are_typed(self, write: Folder) -> None:
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

    def test_nothing_changes_after_it_was_read(self, write: Folder) -> None:
        settings = load(write(GOOD))
        with pytest.raises(ValueError, match="frozen"):
            settings.cascade.max_batch = 5  # type: ignore[misc]


def test_a_mistake_is_one_sentence() -> None:
    assert (
        str(Mistake("bridge.toml", "smtp.max_size", '"x"', "a number"))
        == 'bridge.toml: smtp.max_size: found "x"; allowed: a number'
    )
    assert str(Mistake("b.toml", "", "no file", "one")) == "b.toml: found no file; allowed: one"

"""Cards as phones and mail programs write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.directory.importing import WrongLine, contact_lines
from bridge.directory.vcard import read_cards, write_card
from bridge.model.contact import Contact
from bridge.store.directory.importing import Entry

TELEPHONE_2_1 = (
    b"BEGIN:VCARD\r\nVERSION:2.1\r\n"
    b"N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=D0=A8=D0=B5=D0=B2=D1=87=\r\n"
    b"=D0=B5=D0=BD=D0=BA=D0=BE;=D0=90=D0=BD=D0=BD=D0=B0;;;\r\n"
    b"TEL;CELL;PREF:+380501234567\r\nTEL;FAX:0441234567\r\nBDAY:19900201\r\n"
    b"PHOTO;ENCODING=BASE64;JPEG:/9j/4AAQSkZJRgABAQAAAQABAAD\r\n /2wBDAAYEBQY\r\nEND:VCARD\r\n"
)
MAILBOX_3_0 = (
    "BEGIN:VCARD\nVERSION:3.0\nFN:Борис Коваль\nN:Коваль;Борис;Іванович;;\n"
    "item1.TEL;type=pref:+38 067 111-22-33\nitem1.X-ABLabel:_$!<Work>!$_\n"
    "TEL;TYPE=CELL,VOICE:0501112233\nNOTE:first line\\nsecond\\, with a comma\n"
    "CATEGORIES:Дежурні,Night shift\nUID:b-17\nEND:VCARD\n"
).encode()
WEB_4_0 = (
    b'BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Carl\r\nTEL;VALUE=uri;TYPE="voice,cell":tel:+420777123456;'
    b"ext=5\r\nBDAY:1985-04-12\r\nNOTE:a long \r\n note\r\nEND:VCARD\r\n"
)


def test_version_2_1_of_a_telephone() -> None:
    [record] = read_cards(TELEPHONE_2_1)
    assert record.line == 1
    assert record.fields == {
        "last_name": "Шевченко",
        "first_name": "Анна",
        "middle_name": "",
        "phone": "+380501234567",
        "phone_other": "0441234567",
        "birthday": "19900201",
    }


def test_version_3_0_of_a_mailbox_program() -> None:
    [record] = read_cards(MAILBOX_3_0)
    assert record.fields == {
        "name": "Борис Коваль",
        "last_name": "Коваль",
        "first_name": "Борис",
        "middle_name": "Іванович",
        "phone": "+38 067 111-22-33,0501112233",
        "comments": "first line\nsecond, with a comma",
        "group": "Дежурні|Night shift",
        "id": "b-17",
    }


def test_version_4_0_of_web_mail() -> None:
    [record] = read_cards(WEB_4_0)
    assert record.fields["phone"] == "+420777123456"
    assert record.fields["comments"] == "a long note"


def test_a_card_without_its_end_is_one_too() -> None:
    octets = b"BEGIN:VCARD\nFN:A\nTEL:1\nBEGIN:VCARD\nFN:B\nTEL:2\nEND:VCARD\n"
    assert [record.fields["name"] for record in read_cards(octets)] == ["A", "B"]


def test_colons_in_quotation_marks_and_schemes_in_capitals() -> None:
    octets = b'BEGIN:VCARD\nTEL;VALUE=URI;X-A="b:c;d":TEL:+380501234567\nEND:VCARD\n'
    assert next(read_cards(octets)).fields == {"phone": "+380501234567"}


@pytest.mark.parametrize(
    "day",
    [
        "BDAY;X-APPLE-OMIT-YEAR=1604:1604-05-12",
        "BDAY:--0512",
        "BDAY;VALUE=text:circa 1800",
    ],
)
def test_a_birthday_without_a_year_is_none(day: str) -> None:
    card = f"BEGIN:VCARD\nVERSION:3.0\nFN:Anna\nTEL:0501234567\n{day}\nEND:VCARD\n".encode()
    [entry] = contact_lines(card, "UA")
    assert isinstance(entry, Entry)
    assert entry.contact.birthday == ""


def test_numbers_of_a_card_that_are_no_phones_are_kept_beside_them() -> None:
    card = b"BEGIN:VCARD\nFN:Anna\nTEL:*111#\nTEL:0501234567\nTEL;FAX:0441234567\nEND:VCARD\n"
    [entry] = contact_lines(card, "UA")
    assert isinstance(entry, Entry)
    assert entry.contact.phones == ("+380501234567",)
    assert entry.contact.phone_other == "0441234567,*111#"


def test_a_group_with_a_separator_in_its_name_comes_back_from_a_card() -> None:
    groups = ("A; B", "C|D", "E, F")
    card = write_card(Contact(0, ("+380501234567",), name="Anna"), groups)
    [entry] = contact_lines(card.encode(), "UA")
    assert isinstance(entry, Entry)
    assert entry.groups == groups


def test_a_card_without_a_phone_is_wrong() -> None:
    card = b"BEGIN:VCARD\nFN:Anna\nTEL:*111#\nEND:VCARD\n"
    assert list(contact_lines(card, "UA")) == [WrongLine(1, "bad parameter: wrong phone number")]


def test_a_file_of_many_cards() -> None:
    records = list(read_cards(MAILBOX_3_0 + TELEPHONE_2_1 + WEB_4_0))
    assert [record.line for record in records] == [1, 12, 22]


@pytest.mark.parametrize("charset", ["windows-1251", "koi8-r"])
def test_a_card_in_an_old_charset(charset: str) -> None:
    card = f"BEGIN:VCARD\nFN;CHARSET={charset}:Анна\nTEL:1\nEND:VCARD\n".encode(charset)
    assert next(read_cards(card)).fields["name"] == "Анна"


@pytest.mark.parametrize(("name", "charset"), [("Jiří", "cp1250"), ("Анна", "cp1251")])
def test_a_card_without_a_charset(name: str, charset: str) -> None:
    card = f"BEGIN:VCARD\nFN:{name}\nTEL:1\nEND:VCARD\n".encode(charset)
    assert next(read_cards(card)).fields["name"] == name


def test_what_is_written_is_read_again() -> None:
    contact = Contact(
        1,
        ("+380501234567", "+380671112233"),
        "Анна; Київ, " + "довге ім'я " * 10,
        first_name="Анна",
        last_name="Шевченко",
        birthday="01.02.1990",
        client_id="7",
        comments="a\\b\nc",
    )
    card = write_card(contact, ["Дежурні, ніч"])
    assert all(len(line.encode()) <= 75 for line in card.split("\r\n"))
    [record] = read_cards(card.encode())
    assert record.fields == {
        "phone": "+380501234567,+380671112233",
        "name": contact.name.strip(),
        "first_name": "Анна",
        "last_name": "Шевченко",
        "middle_name": "",
        "birthday": "1990-02-01",
        "id": "7",
        "comments": "a\\b\nc",
        "group": "Дежурні, ніч",
    }


@given(st.binary())
def test_whatever_comes_is_read(octets: bytes) -> None:
    assert len(list(read_cards(b"BEGIN:VCARD\n" + octets))) >= 1


@pytest.mark.parametrize("day", ["1985", "1985-04", "--0412", "---12"])
def test_a_birthday_that_is_no_whole_date_is_left_out(day: str) -> None:
    card = f"BEGIN:VCARD\nVERSION:4.0\nFN:Anna\nTEL:+380501234567\nBDAY:{day}\nEND:VCARD\n"
    [entry] = contact_lines(card.encode(), "UA")
    assert isinstance(entry, Entry)
    assert (entry.contact.name, entry.contact.birthday) == ("Anna", "")


def test_a_card_that_is_named_by_its_number_has_no_name() -> None:
    card = "BEGIN:VCARD\nFN:+380501234567\nN:K;Anna\nTEL:0501234567\nEND:VCARD\n"
    [entry] = contact_lines(card.encode(), "UA")
    assert isinstance(entry, Entry)
    assert entry.contact.name == ""

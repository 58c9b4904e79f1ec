"""Files of contacts and of the black list: preview and import."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bridge.directory import fields
from bridge.directory.importing import (
    ABANDONED_AFTER,
    CONTACT_COLUMNS,
    Importer,
    WrongLine,
    black_list_lines,
    contact_cells,
    contact_lines,
    group_lines,
    template_lines,
)
from bridge.directory.spreadsheet import write_rows
from bridge.directory.vcard import write_card
from bridge.model.contact import Blocks, Contact
from bridge.store import Store
from bridge.store.directory.black_list import list_black_list
from bridge.store.directory.contacts import list_contacts
from bridge.store.directory.groups import list_groups
from bridge.store.directory.importing import Entry, Imported
from bridge.store.directory.staging import (
    CONTACTS,
    TEMPLATES,
    begin_import,
    commit_import,
    stage_contacts,
)
from bridge.store.directory.templates import list_templates
from bridge.store.directory.versions import BLACK_LIST, GROUPS

FILE = """\
Телефон;Имя;Фамилия;Группа;Дата рождения
0501234567;Анна;Шевченко;Дежурные;01.02.1990
+38 067 111-22-33;Борис;;Дежурные|Ночь;
12;Wrong;;;
050 123 45 67;Same;;;
0631234567;Day;;;31.02.1990
""".encode("cp1251")


def test_an_address_book_of_the_web_keeps_its_own_groups_only() -> None:
    octets = (
        b"Name,Birthday,Group Membership,Phone 1 - Value,Phone 2 - Value\n"
        b"Anna, --05-12,Night ::: * myContacts,+380501234567 ::: 0671112233,0631112233\n"
    )
    [entry] = contact_lines(octets, "UA")
    assert isinstance(entry, Entry)
    assert entry.contact.phones == ("+380501234567", "+380671112233", "+380631112233")
    assert (entry.groups, entry.contact.birthday) == (("Night",), "")


def test_every_wrong_line_is_named() -> None:
    lines = list(contact_lines(FILE, "UA"))
    assert [entry.line for entry in lines if not isinstance(entry, WrongLine)] == [2, 3]
    assert [line for line in lines if isinstance(line, WrongLine)] == [
        (4, "bad parameter: wrong phone number"),
        (5, "the same number as in line 2"),
        (6, "bad parameter: birthday: dd.mm.yyyy"),
    ]


def test_a_vcard_is_known_by_its_beginning() -> None:
    card = b"\xef\xbb\xbfBEGIN:VCARD\nFN:Anna\nTEL:0501234567\nCATEGORIES:Night,Day\nEND:VCARD\n"
    [entry] = contact_lines(card, "UA")
    assert isinstance(entry, Entry)
    assert entry.contact.phones == ("+380501234567",)
    assert entry.groups == ("Night", "Day")


async def test_the_preview_says_what_the_import_does(store: Store) -> None:
    importer = Importer(store)
    wrong = [line for line in contact_lines(FILE, "UA") if isinstance(line, WrongLine)]
    expected = Imported(2, 0, 0, ("Дежурные", "Ночь"), tuple(wrong))
    assert await importer.preview("crm", CONTACTS, contact_lines(FILE, "UA")) == expected
    assert await store.look_up(list_contacts, "crm") == []
    assert await importer.take("crm", CONTACTS, contact_lines(FILE, "UA")) == expected
    contacts = await store.look_up(list_contacts, "crm")
    assert [contact.name for contact in contacts] == ["Анна Шевченко", "Борис"]
    assert (await importer.take("crm", CONTACTS, contact_lines(FILE, "UA"))).unchanged == 2


async def test_progress_is_told(store: Store) -> None:
    rows = "".join(f"38050{n:07}\n" for n in range(600))
    told: list[tuple[str, int, int]] = []
    await Importer(store).take(
        "crm",
        CONTACTS,
        contact_lines(f"phone\n{rows}".encode(), "UA"),
        lambda *progress: told.append(progress),
    )
    assert told == sorted(told)
    assert {(phase, of) for phase, _, of in told} == {("read", 0), ("stored", 600)}
    assert {("read", 600, 0), ("stored", 600, 600)} < set(told)


async def test_a_file_of_the_black_list(store: Store) -> None:
    octets = b"phone,type,comment\n0501234567,1,asked\n0671112233,,\n0631112233,7,\nx,0,\n"
    importer = Importer(store)
    expected = Imported(
        2,
        0,
        0,
        (),
        (
            (4, "bad parameter: type: 0 all, 1 bulk, 2 single messages"),
            (5, "bad parameter: wrong phone number"),
        ),
    )
    for act in (importer.preview, importer.take):
        assert await act("crm", BLACK_LIST, black_list_lines(octets, "UA")) == expected
    listed = await store.look_up(list_black_list, "crm")
    assert [entry[1:] for entry in listed] == [
        ("+380501234567", Blocks.BULK, "asked"),
        ("+380671112233", Blocks.ALL, ""),
    ]
    other = b"phone,type,comment\n0501234567,single,asked\n0671112233,,\n0501234567,0,\n"
    for act in (importer.preview, importer.take):
        assert await act("crm", BLACK_LIST, black_list_lines(other, "UA")) == Imported(
            0, 1, 1, (), ((4, "the same number as in line 2"),)
        )


async def test_a_file_of_groups(store: Store) -> None:
    octets = b"name,number,hours,max_parts\nNight,7,21-6,1\nDay,8,,\nnight,9,,\n12,,,\nX,7,,\n"
    importer = Importer(store)
    for act in (importer.preview, importer.take):
        done = await act("crm", GROUPS, group_lines(octets))
        assert (done.added, done.changed, done.unchanged) == (2, 0, 0)
        assert [line for line, _ in done.wrong] == [4, 5, 6]
    listed = await store.look_up(list_groups, "crm")
    assert [(one.name, one.number, one.hours, one.max_parts) for one in listed] == [
        ("Night", 7, "21-6", 1),
        ("Day", 8, "", 0),
    ]
    again = await importer.take("crm", GROUPS, group_lines(b"name,number\nNIGHT,7\nDay,5\n"))
    assert (again.added, again.changed, again.unchanged) == (0, 1, 1)


async def test_a_file_of_templates(store: Store) -> None:
    octets = "name;message;sender\nready;{who}: готово;\nREADY;x;\nempty;;\n;y;\n".encode()
    importer = Importer(store)
    for act in (importer.preview, importer.take):
        done = await act("crm", TEMPLATES, template_lines(octets))
        assert (done.added, done.changed, done.unchanged) == (1, 0, 0)
        assert [line for line, _ in done.wrong] == [3, 4, 5]
    [template] = await store.look_up(list_templates, "crm")
    assert (template.name, template.message, template.format) == ("ready", "{who}: готово", "sms")
    other = b"name,message\nREADY,other\n"
    assert (await importer.take("crm", TEMPLATES, template_lines(other))).changed == 1
    assert (await importer.take("crm", TEMPLATES, template_lines(other))).unchanged == 1


async def test_committed_files_of_a_dead_process_are_imported_and_others_dropped(
    store: Store,
) -> None:
    entries = [one for one in contact_lines(FILE, "UA") if isinstance(one, Entry)]
    committed = await store.change(begin_import, "crm", CONTACTS, 1000)
    await store.change(stage_contacts, committed.id, entries[:1], 1000)
    await store.change(commit_import, committed.id, 1000)
    dropped = await store.change(begin_import, "crm", CONTACTS, 1000)
    await store.change(stage_contacts, dropped.id, entries[1:], 1000)
    await Importer(store, lambda: 1000.0 + ABANDONED_AFTER).resume()
    assert await store.look_up(list_contacts, "crm") == []
    with capture_logs() as logs:
        await Importer(store, lambda: 1001.0 + ABANDONED_AFTER).resume()
    assert [event["event"] for event in logs] == ["import_resumed", "import_dropped"]
    assert [c.name for c in await store.look_up(list_contacts, "crm")] == ["Анна Шевченко"]
    assert [group.name for group in await store.look_up(list_groups, "crm")] == ["Дежурные"]


_LINE = st.one_of(
    st.text(max_size=12),
    st.text("=+-@'\";,|\\:*ab1 ", max_size=8),
).map(lambda text: fields.text("", text))
_GROUP = st.one_of(_LINE, st.sampled_from(["* My", "a;b", "a|b", "a\\", "\\|a", "a:::b"])).filter(
    lambda name: any(map(str.isalpha, name)) and not name.startswith(("g", "G"))
)
_CONTACT = st.builds(
    Contact,
    st.just(0),
    st.lists(st.integers(0, 9).map(lambda n: f"+38050123456{n}"), min_size=1, unique=True).map(
        tuple
    ),
    _LINE,
    st.just(()),
    *(_LINE, _LINE, _LINE),
    st.sampled_from(["", "29.02.2000"]),
    *(_LINE, _LINE, _LINE, _LINE),
)
_GROUPS = st.lists(_GROUP, max_size=2, unique_by=str.casefold)


@given(_CONTACT, _GROUPS)
def test_an_exported_table_is_imported_as_it_was(contact: Contact, groups: list[str]) -> None:
    rows = write_rows(CONTACT_COLUMNS, [contact_cells(contact, groups)])
    assert list(contact_lines("".join(rows).encode(), "UA")) == [Entry(2, contact, tuple(groups))]


@given(_CONTACT, _GROUPS)
def test_an_exported_card_is_imported_as_it_was(contact: Contact, groups: list[str]) -> None:
    if not contact.name:
        # A card has a name: it is that of the person.
        name = " ".join(filter(None, (contact.first_name, contact.last_name)))
        contact = contact._replace(name=name)
    card = write_card(contact, groups).encode()
    assert list(contact_lines(card, "UA")) == [Entry(1, contact, tuple(groups))]


async def test_empty_fields_of_templates_and_of_the_black_list_change_nothing(
    store: Store,
) -> None:
    importer = Importer(store)
    for text in (
        "name,message,format,sender,flag\nhi,Hello,viber,Shop,1\n",
        "name,message\nHI,Hello\n",
    ):
        done = await importer.take("crm", TEMPLATES, template_lines(text.encode()))
    assert (done.added, done.changed, done.unchanged) == (0, 1, 0), "the name in capitals"
    [found] = await store.look_up(list_templates, "crm")
    assert found[1:] == ("HI", "Hello", "viber", "Shop", 1)
    for text in ("phone,type,comments\n0501234567,1,by phone\n", "phone,type\n0501234567,1\n"):
        done = await importer.take("crm", BLACK_LIST, black_list_lines(text.encode(), "UA"))
    assert (done.added, done.changed, done.unchanged) == (0, 0, 1)
    [entry] = await store.look_up(list_black_list, "crm")
    assert (entry.blocks, entry.comment) == (Blocks.BULK, "by phone")


async def test_a_preview_counts_lines_about_one_contact_as_the_import_does(store: Store) -> None:
    importer = Importer(store)
    before = 'phone,name\n"0501234567,0671112233",Family\n'
    await importer.take("crm", CONTACTS, contact_lines(before.encode(), "UA"))
    rows = [f"+38063{n:07},New {n},,New" for n in range(store.step_rows)]
    rows.insert(0, "0501234567,,Anna,New")
    rows += ["0671112233,,,New", "0671112234,Olha,,new"]
    file = "\n".join(["phone,name,first_name,group", *rows]).encode()
    expected = await importer.preview("crm", CONTACTS, contact_lines(file, "UA"))
    assert (expected.added, expected.changed, expected.unchanged) == (store.step_rows + 1, 1, 1)
    assert await importer.take("crm", CONTACTS, contact_lines(file, "UA")) == expected


async def test_two_lines_about_one_contact_both_count(store: Store) -> None:
    importer = Importer(store)
    for file in (
        'phone,name\n"0501234567,0671112233",Family\n',
        "phone,name,first_name,last_name\n0501234567,,Anna,\n0671112233,,,Shevchenko\n",
    ):
        await importer.take("crm", CONTACTS, contact_lines(file.encode(), "UA"))
    [contact] = await store.look_up(list_contacts, "crm")
    assert contact[1:6] == (
        ("+380501234567", "+380671112233"),
        "Family",
        (),
        "Anna",
        "Shevchenko",
    )


async def test_a_number_that_one_line_frees_is_free_for_the_next(store: Store) -> None:
    importer = Importer(store)
    for file in ("name,number\nDay,1\nNight,\n", "name,number\nDay,2\nNight,1\n"):
        done = await importer.take("crm", GROUPS, group_lines(file.encode()))
    assert (done.changed, done.wrong) == (2, ())

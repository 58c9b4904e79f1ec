"""The text of one part: its charset, HTML, markup under a wrong label, and limits."""

from __future__ import annotations

import pytest

from bridge.model.failure import Failure, Reason
from bridge.smtp.reading.content_type import ContentType
from bridge.smtp.reading.html import QUOTED
from bridge.smtp.reading.part_text import MAX_HTML, MAX_PLAIN, PartReader
from bridge.smtp.reading.record import Record

HTML = ContentType("text/html")
PLAIN = ContentType()


def read(
    octets: bytes,
    kind: ContentType = PLAIN,
    *,
    record: Record | None = None,
    fallback: str = "windows-1252",
    cut_quotes: bool = True,
) -> tuple[str, str]:
    return PartReader(record or Record(), fallback, cut_quotes).read(octets, kind)


def test_a_text_is_read_by_its_charset() -> None:
    assert read("Привіт".encode("koi8-u"), ContentType(charset="koi8-u")) == ("Привіт", "koi8-u")
    assert read("Привіт".encode()) == ("Привіт", "utf-8")


def test_octets_that_are_no_utf8_are_read_by_the_fallback() -> None:
    assert read(b"Gr\xfc\xdfe") == ("Grüße", "cp1252")
    octets = "Привет".encode("windows-1251")
    assert read(octets, fallback="windows-1251")[0] == "Привет"


def test_html_is_read_by_the_charset_that_it_names_itself() -> None:
    octets = '<meta charset="windows-1251"><p>Привет'.encode("windows-1251")
    record = Record()
    assert read(octets, HTML, record=record) == ("Привет", "cp1251")
    assert "charset by the HTML itself" in record.summary()
    # The label of the part comes first.
    named = ContentType("text/html", charset="koi8-r")
    assert read('<meta charset="utf-8">ок'.encode("koi8-r"), named)[1] == "koi8-r"


def test_html_under_the_label_of_a_plain_text_is_rendered() -> None:
    record = Record()
    text, _ = read(b"<html><body><p>one<p>two</body></html>", record=record)
    assert text == "one\n\ntwo"
    assert "HTML under the label" in record.summary()


def test_enriched_text_loses_its_commands() -> None:
    assert read(b"<bold>now</bold> or never", ContentType("text/enriched"))[0] == "now or never"


def test_references_in_a_plain_text_are_replaced() -> None:
    assert read(b"Tom &amp; Jerry&nbsp;at ten")[0].replace("\xa0", " ") == "Tom & Jerry at ten"


def test_links_in_a_plain_text_are_tidied() -> None:
    wrapped = b"Order: https://example.com/a<https://example.com/a> [image: logo] now"
    assert "<https" not in read(wrapped)[0]
    assert read(b"no link, no bracket")[0] == "no link, no bracket"


def test_flowed_lines_are_joined() -> None:
    flowed = ContentType(flowed=True)
    assert read(b"one \ntwo\nthree", flowed)[0] == "one two\nthree"
    assert read(b"one \ntwo\nthree")[0] == "one \ntwo\nthree"


def test_line_ends_are_lf() -> None:
    assert read(b"one\r\ntwo\rthree")[0] == "one\ntwo\nthree"
    assert read(b"<pre>one\r\ntwo</pre>", HTML)[0] == "one\ntwo"


def test_the_armour_of_a_signed_text_is_left_out() -> None:
    signed = (
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nown\n"
        "-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----"
    )
    assert read(signed.encode())[0].strip() == "own"
    assert read(f"<pre>{signed}</pre>".encode(), HTML)[0].strip() == "own"


def test_quotations_are_marked_and_signatures_left_out_if_quotes_are_cut() -> None:
    octets = b"own<blockquote>theirs</blockquote><div class=gmail_signature>Ann</div>"
    assert read(octets, HTML)[0] == f"own\n\n{QUOTED}theirs"
    assert read(octets, HTML, cut_quotes=False)[0] == "own\n\ntheirs\n\nAnn"


def test_a_mail_that_is_only_a_signature_keeps_it() -> None:
    assert read(b"<div class=gmail_signature>Ann</div>", HTML)[0] == "Ann"


def test_unpaired_surrogates_are_replaced() -> None:
    assert read(b"one &#xD83D; two", HTML)[0].encode("utf-8")


def test_a_long_plain_text_is_cut() -> None:
    assert len(read(b"x" * (MAX_PLAIN + 10))[0]) == MAX_PLAIN


def test_html_may_be_long_only_by_its_pictures() -> None:
    picture = b'<img src="data:image/png;base64,' + b"A" * MAX_HTML + b'">'
    assert read(b"<p>own" + picture, HTML)[0] == "own"
    for octets, words in ((b"x" * (MAX_HTML + 1), "512 KB"), (b"<b>" * 20_001, "20000 tags")):
        with pytest.raises(Failure) as refused:
            read(octets, HTML)
        assert refused.value.reason is Reason.TEXT_TOO_LONG
        assert words in refused.value.description

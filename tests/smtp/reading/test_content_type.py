"""Content types as clients write them."""

from __future__ import annotations

from bridge.smtp.reading.content_type import content_type


def test_content_types() -> None:
    def read(value: bytes) -> tuple[str, str]:
        kind = content_type(value)
        return kind.kind, kind.charset

    assert read(b"") == ("text/plain", "")
    assert read(b"text") == ("text/plain", "")
    assert read(b'Text/HTML;\n charset = "UTF-8"') == ("text/html", "utf-8")
    assert read(b"text/plain; charset*=us-ascii'en'koi8-r") == ("text/plain", "koi8-r")
    assert read(b"text/plain; charset=ISO 8859-2") == ("text/plain", "iso 8859-2")
    assert read(b"text/plain; charset=windows 1251; format=flowed")[1] == "windows 1251"
    assert read(b"text/plain; charset=utf-8 and more") == ("text/plain", "utf-8")
    assert content_type(b"text/plain; format=Flowed; DelSp=YES").delsp

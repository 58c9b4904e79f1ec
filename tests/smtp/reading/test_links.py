"""Links in texts for phones."""

from __future__ import annotations

import pytest

from bridge.smtp.reading.links import target_of, tidied, unwrapped


@pytest.mark.parametrize(
    "wrapped",
    [
        "https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fexample.com%2Fa&data=1",
        "https://urldefense.proofpoint.com/v2/url?u=https-3A__example.com_a&d=Dw&c=x",
        "https://urldefense.com/v3/__https://example.com/a__;!!abc!def$",
        "https://www.google.com/url?q=https://example.com/a&sa=D",
        "https://secure-web.cisco.com/1abc/https%3A%2F%2Fexample.com%2Fa",
        "https://linkprotect.cudasvc.com/url?a=https%3a%2f%2fexample.com%2fa&c=E,1",
        "https://urldefense.com/v3/__https:/example.com/a__;!!abc!def$",
        "https://urldefense.us/v3/__https://example.com*a__;Lw!!abc!def$",
        "https://urldefense.com/v3/__https://**J/a__;ZXhhbXBsZS5jb20!!abc!d$",
        "https://urldefense.us/v2/url?u=https-3A__example.com_a&d=Dw",
        "https://clicktime.symantec.com/3abc?u=https%3A%2F%2Fexample.com%2Fa",
        "https://clicktime.cloud.postoffice.net/clicktime.php?U=https%3A%2F%2Fexample.com%2Fa&E=b",
        "https://protect.checkpoint.com/v2/r05/___https://example.com/a___.YzJl",
        "https://url.avanan.click/v2/___https://example.com/a___.YXAz",
        "https://gateway.zscloud.net/auD?origurl=https%3A%2F%2Fexample.com%2Fa&_ordtok=x",
        "https://isolate.menlosecurity.com/1/3735928037/https://example.com/a",
        "https://link.edgepilot.com/s/x/y?u=https://example.com/a",
        "https://deref-gmx.net/mail/client/x/dereferrer/?redirectUrl=x&url=https%3A%2F%2Fexample.com%2Fa",
        "https://deref-gmx.net/mail/client/x/dereferrer/?redirectUrl=https%3A%2F%2Fexample.com%2Fa",
        "https://x.r.eu-west-1.awstrack.me/L0/https:%2F%2Fexample.com%2Fa/1/0102018-x-000000/Ab=12",
        "https://x.safelinks.protection.partner.outlook.cn/?url=https%3A%2F%2Fexample.com%2Fa&data=1",
        "https://www.google.com/url?sa=t&url=https%3A%2F%2Fexample.com%2Fa",
        "https://www.linkedin.com/safety/go?url=https%3A%2F%2Fexample.com%2Fa&trk=x",
        "https://www.youtube.com/redirect?event=x&q=https%3A%2F%2Fexample.com%2Fa",
        "https://outlook.office.com/mail/safelink.html?url=https%3A%2F%2Fexample.com%2Fa",
        "https://a.safelinks.protection.outlook.com/?url=https%3A%2F%2Fwww.google.com%2Furl%3Fq%3D"
        "https%253A%252F%252Fexample.com%252Fa",
    ],
)
def test_links_wrapped_by_gateways_are_unwrapped(wrapped: str) -> None:
    assert unwrapped(wrapped) == "https://example.com/a"


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/?url=https%3A%2F%2Fother.example",
        "https://www.google.com/search?q=https://example.com",
        "https://www.linkedin.com/in/x?url=https%3A%2F%2Fexample.com",
        "https://example.com/login?next=https%3A%2F%2Fexample.com%2Fa",
        "https://l.facebook.com/l.php?a=https%3A%2F%2Fexample.com&b=https%3A%2F%2Fexample.com",
        "https://a.safelinks.protection.outlook.com/?url=javascript%3Aalert(1)",
        "https://a.safelinks.protection.outlook.com/?data=1",
        "https://[broken/?url=x",
        "https://urldefense.com/v3/__https://example.com/*a__;!!abc!def$",
        "https://urldefense.com/v3/__https://example.com/*a__;8J!!abc!def$",
        "https://url.avanan.click/v2/r01/___mjjux://jcfruqj.htr___.YXAz",
    ],
)
def test_others_stay(url: str) -> None:
    assert unwrapped(url) == url


@pytest.mark.parametrize(
    ("href", "text", "target"),
    [
        ("https://example.com/r", "click here", "https://example.com/r"),
        ("https://example.com/", "example.com", ""),
        ("https://www.example.com/a", "https://example.com/a", ""),
        ("https://example.com/u", "Unsubscribe", ""),
        ("https://example.com/u", "Відписатись від розсилки", ""),
        ("https://example.com/u", "Политика конфиденциальности", ""),
        ("https://example.com/u", "Ver en el navegador", ""),
        ("https://example.com/u", "Manage notification preferences", ""),
        ("https://example.com/u", "Update your subscription", "https://example.com/u"),
        ("https://example.com/r/8f3a", "example.com", "https://example.com/r/8f3a"),
        ("https://example.com/?utm_source=x", "example.com", ""),
        ("https://example.com/r/8f3a", "https://example.com/r/...", "https://example.com/r/8f3a"),
        ("https://track.example.net/c", "www.example.com", ""),
        ("mailto:a@example.com", "write", ""),
        ("tel:+380%2044%201234567", "call us", "+380 44 1234567"),
        ("tel:+380441234567", "+380 44 123-45-67", ""),
        ("tel:x", "call us", ""),
        ("https://example.com/", "a@example.com", ""),
        ("javascript:x", "here", ""),
    ],
)
def test_a_target_is_added_where_the_text_does_not_say_it(
    href: str, text: str, target: str
) -> None:
    assert target_of(href, text) == target


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Ack: <https://example.com/a>", "Ack: https://example.com/a"),
        ("here<https://example.com/a>.", "here https://example.com/a."),
        ("https://example.com/a<https://example.com/a>", "https://example.com/a"),
        ("a@b.cd<mailto:a@b.cd>", "a@b.cd"),
        ("[image: logo.png]x[cid:1@2]", "x"),
        ("[https://example.com/logo.png]", ""),
        ("[зображення: лого.png]\nx", "\nx"),
        ("[Bild: Logo]\nx [Bild: 3]", "\nx [Bild: 3]"),
        ("[Company logo]<https://example.com/>x", "x"),
        ("[Alarm] [3] <b> a < b", "[Alarm] [3] <b> a < b"),
        ("[https://example.com/docs]", "[https://example.com/docs]"),
        ("www.example.com<http://www.example.com/>", "www.example.com"),
        ("example.com<https://example.com/r/8f>", "example.com https://example.com/r/8f"),
        ("[image001.png]x[Image removed by sender. Logo]", "x"),
        ("a@e.com <mailto:a@e.com>, b@e.com <mailto:c@e.com>", "a@e.com, b@e.com <mailto:c@e.com>"),
        ("[Logo Description automatically generated with medium confidence]x", "x"),
        ("[Description: Description: cid:image001.png@01D9]x<<image002.gif>>", "x"),
        ("x\n[IMG 0042.jpg]", "x\n"),
        ("x [a.jpg] y", "x [a.jpg] y"),
        ("[A close up of a logo\n\nDescription automatically generated]x", "x"),
        ("[Ein Bild. Automatisch generierte Beschreibung]x", "x"),
        ("[This alert is automatically generated]", "[This alert is automatically generated]"),
        (
            "(https://a.safelinks.protection.outlook.com/?url=https%3A%2F%2Fexample.com&data=1).",
            "(https://example.com).",
        ),
    ],
)
def test_plain_texts(text: str, left: str) -> None:
    assert tidied(text) == left

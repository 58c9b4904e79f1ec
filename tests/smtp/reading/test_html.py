"""The visible text of HTML mails."""

from __future__ import annotations

import pytest

from bridge.smtp.reading.html import QUOTED, text_of_html


def shown(html: str) -> str:
    return text_of_html(html, signatures=False, marks=False)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("a<br>b<br><br>c", "a\nb\n\nc"),
        ("<p>a</p><p>b</p>", "a\n\nb"),
        ("<p>a<p>b<div>c</div>d", "a\n\nb\n\nc\nd"),
        ("<ul><li>a<li>b</ul>", "a\nb"),
        ("<table><tr><td><p>a</p></td><td><p>b</p></td></tr><tr><td>c<td>d</table>", "a b\nc d"),
        ("<table><tr><td><p>a</p><p>b</p></td><td>c</td></tr></table>", "a\nb\nc"),
        ("<pre>a\n  b\n\nc</pre>", "a\nb\n\nc"),
        ("a \n\t b&nbsp;&amp;&lt;", "a b\xa0&<"),
        ("1 < 2 <b>12</b><i>34</i>", "1 < 2 1234"),
        ("<title>no</title><script>no</script>a<!-- no --><!--[if mso]>no<![endif]-->b", "ab"),
        ("<![if !mso]>a<![endif]><!--[if !mso]><!-->b<!--<![endif]-->", "ab"),
        ("<img alt='Only this'><img alt=''>", "Only this"),
        ("a<div class='x_gmail_signature'>no</div>", "a"),
        ("<table><tr><td>a</td><td></td><td>b</td></tr></table>", "a b"),
        ("<html><head><title>no</title><style>no</style><body><p>a", "a"),
        ("<head><meta charset=utf-8><p>a", "a"),
        ("<head><title>no<title></head><body>a", "a"),
        ("<style>.x{}<p>a", "a"),
        ("a<!-- no>b<p>c<script>no<p>no", "ab\n\nc"),
        ("<html><head><title>no</title>\n a<br>b", "a\nb"),
        ("<b>a\n</b>\n<i>b</i> \n <u> c</u>", "a b c"),
        ("<p><a href=https://e.com/a><div>b</div></a></p>c", "b (https://e.com/a)\n\nc"),
        ("<p><a href=https://e.com/a>b<div>c</div></a></p>d", "b (https://e.com/a)\n\nc\n\nd"),
        ("a<!-- no --!>b<xmp>c</xmp><textarea>d</textarea>", "abcd"),
    ],
)
def test_html_is_laid_out_in_lines(html: str, text: str) -> None:
    assert shown(html) == text


@pytest.mark.parametrize(
    "style",
    [
        "display:none",
        "DISPLAY : None !important",
        "color:red;display:none",
        "visibility:hidden",
        "mso-hide:all",
        "max-height:0px;overflow:hidden",
        "opacity:0",
        "font-size:0",
        "font:0/0 a",
        "font-size:1px",
        "height:0;overflow:hidden",
        "position:absolute;left:-9999px",
        "text-indent:-9999px",
        "margin-left:-9999px",
        "position:absolute;clip:rect(0 0 0 0)",
        "clip-path:inset(100%)",
        "transform:scale(0)",
        "width:1px;height:1px;overflow:hidden",
    ],
)
def test_what_is_hidden_is_not_read(style: str) -> None:
    assert shown(f'<div style="{style}">no</div>yes') == "yes"
    if "font" not in style:
        sheet = f"<style>/* x */ .a, p.h {{{style}}} .b{{color:red}}</style>"
        assert shown(f"{sheet}<p class='c h'>no</p><p class=b>yes</p>") == "yes"


@pytest.mark.parametrize(
    "style",
    [
        *("display:block", "max-height:0.5em", "opacity:0.9", "font-size:10px", "height:0"),
        *("left:-1px", "font-size:1vw", "font-size:1rem"),
    ],
)
def test_what_is_not_hidden_is_read(style: str) -> None:
    assert shown(f'<div style="{style}">yes</div>') == "yes"


def test_rules_for_other_screens_hide_nothing() -> None:
    sheet = "<style>@media (max-width:600px){.a{display:none}} .b{display:none}</style>"
    assert shown(f"{sheet}<p class=a>yes</p><p class=b>no</p>") == "yes"
    assert shown(f"{sheet}<p class=b style='display:block'>yes</p>") == "yes"


@pytest.mark.parametrize(
    "selector",
    [
        *(".h", "p.h", ".c.h", "#i", ".a .h", "table .h", "td > .h", "body .h", "html body .a p.h"),
        *(".q, .h", "[class=c]", "p[class~='h']", '[id="i"]'),
    ],
)
def test_a_style_sheet_hides_what_it_names(selector: str) -> None:
    sheet = f"<style>{selector} {{display:none}}</style>"
    table = "<table class=a><tr><td><p class='c h' id=i>no</p><p class=b>yes</p></table>"
    assert shown(sheet + table) == "yes"


def test_an_element_within_a_class_is_hidden_and_an_element_alone_not() -> None:
    styled = "<style>.a > span{display:none}body,i{display:none}</style>"
    assert shown(f"{styled}<body><i>yes</i><p class=a><span>no</span></p>") == "yes"


@pytest.mark.parametrize("selector", [".z .b", "ul .b", ".b.z", ".a > .z .b", ".b:hover", "p + .b"])
def test_a_style_sheet_hides_nothing_else(selector: str) -> None:
    sheet = f"<style>{selector} {{display:none}}</style>"
    assert shown(f"{sheet}<div class=a><p class=b>yes</p></div>") == "yes"


def test_a_size_of_nothing_is_undone_within() -> None:
    sheet = "<style>.w{font-size:0}.t{font-size:16px}td{font-size:14px}</style>"
    assert shown(f"{sheet}<div class=w>no<p class=t>yes</p></div>") == "yes"
    assert shown(f"{sheet}<table class=w><tr><td>yes</td></tr></table>") == "yes"
    assert shown(f"{sheet}<div class=w>no<b style='font-size:9px'>yes</b></div>") == "yes"


def test_lines_of_quotations_are_marked() -> None:
    html = "<p>own</p><blockquote>a<br>b</blockquote><div class=yahoo_quoted>c</div>own"
    text = text_of_html(html, signatures=False, marks=True)
    assert text.split("\n") == ["own", "", f"{QUOTED}a", f"{QUOTED}b", "", f"{QUOTED}c", "own"]
    assert QUOTED not in text_of_html("\x01&#1;a", signatures=False, marks=False)

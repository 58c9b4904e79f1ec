"""Links for a phone: the target, without the wrappers of mail programs.

Security gateways replace each link by one to themselves, which is ten times as long; if it contains
the target, the target is restored.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from binascii import Error as BinasciiError
from urllib.parse import parse_qs, unquote, urlsplit

#: End of the host name → the parameter with the target.
_WRAPPERS = {
    "safelinks.protection.outlook.com": "url",
    "safelinks.protection.office365.us": "url",
    "statics.teams.cdn.office.net": "url",
    "linkprotect.cudasvc.com": "a",
    "protect2.fireeye.com": "u",
    "protect.fireeye.com": "u",
    "urldefense.us": "u",
    "protection.sophos.com": "u",
    "www.google.com": "q",
    "l.facebook.com": "u",
    "lm.facebook.com": "u",
    "slack-redir.net": "url",
    "away.vk.com": "to",
    "vk.com": "to",
    "checklink.mail.ru": "url",
    "sba.yandex.net": "url",
    "sba.yandex.ru": "url",
    "trendmicro.com": "url",
    "safeweb.norton.com": "url",
    "deref-mail.com": "url",
    "deref-gmx.net": "url",
    "deref-web.de": "redirectUrl",
}
#: Hosts that are not only wrappers → the path of the wrapper.
_PATHS = {"www.google.com": "/url", "vk.com": "/away.php"}
_PROOFPOINT_3 = re.compile(r"/v3/__(.+?)__;", re.DOTALL)
_CISCO = re.compile(r"/[^/]+/(https?%3A[^/?]+)", re.IGNORECASE)
_HTTP = re.compile(r"https?://[^\s<>\"\x00-\x1f\x7f]+", re.IGNORECASE)
#: The longest link.
MAX_URL = 2000
#: A mail with more links than this is a newsletter: their targets are omitted.
MAX_LINKS = 10

# A web address up to the first character that cannot be in one, without surrounding brackets or
# quotes.
_URL = re.compile(r"https?://[^\s<>\"'\x00-\x1f]++", re.IGNORECASE)
#: "text<https://…>", as Exchange writes links into a plain text.
_BRACKETED = re.compile(r"([^\s<>]?)([ \t]?)<((?:https?://|mailto:|tel:)[^\s<>]{1,2000})>", re.I)
_PICTURE = re.compile(
    r"\[(?:cid:[^\]\s]{1,200}|image: ?[^\]\n]{0,200}|inline image[^\]\n]{0,60}"
    r"|https?://[^\]\s]{1,300}\.(?:png|jpe?g|gif|svg|bmp|webp)(?:\?[^\]\s]{0,200})?)\]"
    r"(?:[ \t]?<(?:https?://|mailto:)[^\s<>]{0,2000}>)?"
    r"|\[(?:https?://[^\]\s]{1,300}|[^\]\n]{0,40}(?:logo|banner|icon|image|bild|facebook|twitter"
    r"|linkedin|instagram|youtube|telegram)[^\]\n]{0,40})\][ \t]?<(?:https?://|mailto:)"
    r"[^\s<>]{0,2000}>",
    re.IGNORECASE,
)
_FILE_OF_PICTURE = re.compile(r"<(?:image|picture|outlook-)[\w.-]{0,60}\.(?:png|jpe?g|gif)>", re.I)
_NUMBER = re.compile(r"\+?[\d ().-]{3,24}")
_DIGITS = re.compile(r"\d\D{0,2}\d\D{0,2}\d")
#: "[image: x]" as Gmail writes it in other languages, alone on its line.
_TRANSLATED = re.compile(
    r"^[ \t>]*\[(?:зображення|изображение|bild|imagen|imagem|immagine|obraz|afbeelding|resim|"
    r"画像|图片|圖片|이미지|slika|kép|obrázek|obrázok|kuva|billede|bilde|imagine|εικόνα|תמונה|صورة|"
    r"görüntü): ?[^\]\n]{0,200}\][ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
#: Usual links of lists and newsletters.
_HOUSEKEEPING = re.compile(
    r"unsubscribe|view (?:it |this |email ){0,3}(?:in (?:your |a |the )?browser|online)|privacy|"
    r"abmelden|abbestellen|im browser|отписаться|відписатися|"
    r"désabonner|se désinscrire|cancelar suscripción|wypisz|odhlásit",
    re.IGNORECASE,
)


def unwrapped(url: str) -> str:
    """The target of a wrapped link; other links unchanged."""
    for _ in range(3):  # Gateways wrap links of other gateways.
        target = _target(url)
        if not target or _HTTP.fullmatch(target) is None:
            return url
        url = target
    return url


def _target(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
    except ValueError:
        return ""
    if host in ("urldefense.com", "urldefense.proofpoint.com"):
        return _of_proofpoint(url, parts.query)
    if host == "secure-web.cisco.com":
        found = _CISCO.match(parts.path)
        return unquote(found[1]) if found else ""
    for end, name in _WRAPPERS.items():
        if host == end or host.endswith("." + end):
            if host in _PATHS and parts.path != _PATHS[host]:
                return ""
            try:
                values = parse_qs(parts.query, max_num_fields=50).get(name, [""])
            except ValueError:
                return ""
            return _plain(values[0])
    return ""


def _plain(value: str) -> str:
    if value.lower().startswith("http"):
        return value
    try:  # Sophos writes base64.
        return urlsafe_b64decode(value + "=" * (-len(value) % 4)).decode("ascii")
    except (BinasciiError, ValueError):
        return ""


def _of_proofpoint(url: str, query: str) -> str:
    if found := _PROOFPOINT_3.search(url):
        return found[1] if "*" not in found[1] else ""
    try:
        value = parse_qs(query, max_num_fields=50).get("u", [""])[0]
    except ValueError:
        return ""
    return unquote(value.replace("-", "%").replace("_", "/")) if "://" not in value else value


def target_of(href: str, text: str) -> str:
    """The target to add after a link's text; empty if none is needed."""
    if href[:4].lower() == "tel:":
        number = unquote(href[4:]).strip()
        return number if text and _NUMBER.fullmatch(number) and not _DIGITS.search(text) else ""
    url = unwrapped("".join(href.split()))
    if not text or len(url) > MAX_URL or _HTTP.fullmatch(url) is None:
        return ""
    shown = "".join(text.lower().split()).strip(".,…()<>[]")
    bare = _bare(url)
    looks_like_one = shown.startswith(("http:", "https:", "www.")) or "@" in shown
    looks_like_one |= "." in shown and bare.startswith(_bare(shown))
    return "" if looks_like_one or not shown or _HOUSEKEEPING.search(text) else url


def _bare(url: str) -> str:
    return url.lower().partition("://")[2].rstrip("/").removeprefix("www.") or url.lower()


def tidied(text: str) -> str:
    """A plain text with unwrapped links, without brackets around them and without marks of
    pictures."""
    if "[" in text:
        text = _TRANSLATED.sub("", _PICTURE.sub("", text))
    if "<" in text:
        text = _FILE_OF_PICTURE.sub("", text)
        text = _BRACKETED.sub(_out_of_brackets, text)
    if "://" not in text:
        return text
    return _URL.sub(lambda url: unwrapped(url[0]) if _may_be_wrapped(url[0]) else url[0], text)


def _may_be_wrapped(url: str) -> bool:
    return "?" in url or "__" in url or "%3A" in url


def _out_of_brackets(found: re.Match[str]) -> str:
    before, blank, url = found.groups()
    if not url.lower().startswith("http"):
        return before + blank if before and not blank else found[0]
    start = found.string.rfind("\n", 0, found.start()) + 1
    line = found.string[max(start, found.start() - 300) : found.start() + len(before)]
    url = unwrapped(url)
    if before and _bare(url).startswith(_bare(line.split()[-1]) if line.split() else "\0"):
        return before  # "https://example.com<https://example.com/>"
    return f"{before} {url}" if before else f"{blank}{url}"

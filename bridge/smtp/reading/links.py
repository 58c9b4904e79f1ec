"""Links for a phone: the target, without the wrappers of mail programs.

Security gateways replace each link by one to themselves, which is ten times as long; if it contains
the target, the target is restored.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from binascii import Error as BinasciiError
from urllib.parse import parse_qs, unquote, urlsplit

#: End of the host name → the parameter with the target, in lower case.
_WRAPPERS = {
    "safelinks.protection.outlook.com": "url",
    "safelinks.protection.office365.us": "url",
    "safelinks.protection.partner.outlook.cn": "url",
    "outlook.office.com": "url",
    "outlook.live.com": "url",
    "statics.teams.cdn.office.net": "url",
    "linkprotect.cudasvc.com": "a",
    "protect2.fireeye.com": "u",
    "protect.fireeye.com": "u",
    "clicktime.symantec.com": "u",
    "clicktime.cloud.postoffice.net": "u",
    "urlsand.esvalabs.com": "u",
    "edgepilot.com": "u",
    "protection.sophos.com": "u",
    "www.google.com": "q",
    "google.com": "q",
    "l.facebook.com": "u",
    "lm.facebook.com": "u",
    "l.instagram.com": "u",
    "www.linkedin.com": "url",
    "www.youtube.com": "q",
    "steamcommunity.com": "u",
    "seclinks.cloud-security.net": "url",
    "slack-redir.net": "url",
    "away.vk.com": "to",
    "vk.com": "to",
    "checklink.mail.ru": "url",
    "sba.yandex.net": "url",
    "sba.yandex.ru": "url",
    "trendmicro.com": "url",
    "safeweb.norton.com": "url",
    "zscaler.net": "origurl",
    "zscalerone.net": "origurl",
    "zscalertwo.net": "origurl",
    "zscalerthree.net": "origurl",
    "zscloud.net": "origurl",
    "deref-mail.com": "url",
    "deref-gmx.net": "redirectUrl",
    "deref-web.de": "redirectUrl",
}
#: Hosts that are not only wrappers → the path of the wrapper.
_PATHS = {
    "www.google.com": "/url",
    "google.com": "/url",
    "vk.com": "/away.php",
    "outlook.office.com": "/mail/safelink.html",
    "outlook.live.com": "/mail/safelink.html",
    "www.linkedin.com": "/safety/go",
    "www.youtube.com": "/redirect",
    "steamcommunity.com": "/linkfilter",
}
#: End of the host name → the target in the rest of the address.
_WITHIN = {
    "secure-web.cisco.com": re.compile(r"/[^/]+/(https?%3A[^/?]+)", re.IGNORECASE),
    "protect.checkpoint.com": re.compile(r"/v2/(?:r\d+/)?___(.+?)___\."),
    "url.avanan.click": re.compile(r"/v2/(?:r\d+/)?___(.+?)___\."),
    "menlosecurity.com": re.compile(r"/(https?://.+)"),
    "awstrack.me": re.compile(r"/L0/(https?(?::|%3A)[^/]+)/", re.IGNORECASE),
    "href.li": re.compile(r"/\?(https?://.+)"),
}
_PROOFPOINT = ("urldefense.com", "urldefense.us", "urldefense.proofpoint.com")
_PROOFPOINT_3 = re.compile(r"/v3/__(.+?)__;([^!]*)", re.DOTALL)
#: Its version 3 writes "*" for a replaced character, "**" and a letter for several, and the
#: characters behind, in base64.
_REPLACED = re.compile(r"\*(?:\*([A-Za-z0-9_-]))?")
_LENGTHS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_ONE_SLASH = re.compile(r"^(https?:/)(?=[^/])", re.IGNORECASE)
_HTTP = re.compile(r"https?://[^\s<>\"\x00-\x1f\x7f]+", re.IGNORECASE)
#: The longest link.
MAX_URL = 2000
#: A mail with more links than this is a newsletter: their targets are omitted.
MAX_LINKS = 10

# A web address up to the first character that cannot be in one, without surrounding brackets or
# quotes.
_URL = re.compile(r"https?://[^\s<>\"'\x00-\x1f]++", re.IGNORECASE)
#: Characters of the text behind a link.
_BEHIND = ")].,;:!?»"
#: "text<https://…>", as Exchange writes links into a plain text.
_BRACKETED = re.compile(r"([^\s<>]?)([ \t]?)<((?:https?://|mailto:|tel:)[^\s<>]{1,2000})>", re.I)
#: "jan@example.com <mailto:jan@example.com>"
_SAID_TWICE = re.compile(r"(?<![^\s])([^\s<>@]{1,64}@[^\s<>@]{1,100}) <mailto:\1>", re.I)
_PICTURE = re.compile(
    r"\[(?:cid:[^\]\s]{1,200}|image: ?[^\]\n]{0,200}|inline[ -](?:image|bild)[^\]\n]{0,60}"
    r"|image removed[^\]\n]{0,60}|image\d{3}\.(?:png|jpe?g|gif)"
    r"|[^\]\[]{0,200}?(?:\b(?:desc|o?pis)\w{0,9}[^\]\[]{1,25}autom\w+"
    r"|(?:autom|автомат)\w+ \w{3,20} (?:besch\w+|desc\w+|опис\w*|p?opis))[^\]\[]{0,50}"
    r"|(?:description: ?){1,3}(?:cid:|[^\]\n]{0,100}\.(?:png|jpe?g|gif))[^\]\n]{0,60}"
    r"|https?://[^\]\s]{1,300}\.(?:png|jpe?g|gif|svg|bmp|webp)(?:\?[^\]\s]{0,200})?)\]"
    r"(?:[ \t]?<(?:https?://|mailto:)[^\s<>]{0,2000}>)?"
    r"|\[(?:https?://[^\]\s]{1,300}|[^\]\n]{0,40}(?:logo|banner|icon|image|bild|facebook|twitter"
    r"|linkedin|instagram|youtube|telegram)[^\]\n]{0,40})\][ \t]?<(?:https?://|mailto:)"
    r"[^\s<>]{0,2000}>",
    re.IGNORECASE,
)
_FILE_OF_PICTURE = re.compile(
    r"<{1,2}(?:image|picture|outlook-)[\w.-]{0,60}\.(?:png|jpe?g|gif)>{1,2}", re.I
)
_NUMBER = re.compile(r"\+?[\d ().-]{3,24}")
_DIGITS = re.compile(r"\d\D{0,2}\d\D{0,2}\d")
#: "[image: x]" as Gmail writes it in other languages, and the name of a picture, alone on its line.
_TRANSLATED = re.compile(
    r"^[ \t>]*\[(?:зображення|изображение|bild|imagen|imagem|immagine|obraz|afbeelding|resim|"
    r"画像|图片|圖片|이미지|slika|kép|obrázek|obrázok|kuva|billede|bilde|imagine|εικόνα|תמונה|صورة|"
    r"görüntü): ?[^\]\n]{0,200}\][ \t]*$"
    r"|^[ \t>]*\[[\w~. -]{1,60}\.(?:png|jpe?g|gif|bmp)\][ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
#: Usual links of lists and newsletters.
_HOUSEKEEPING = re.compile(
    r"unsubscribe|view (?:it |this |email ){0,3}(?:in (?:your |a |the )?browser|online)|privacy|"
    r"(?:manage|update|change) (?:your |my )?(?:e-?mail |notification )?preferences|"
    r"abmelden|abbestellen|im browser|datenschutz|impressum|отписаться|відписатися|відписатись|"
    r"(?:в|у) браузер[еі]|конфиденциальност|конфіденційн|политика\b|політика\b|"
    r"(?:настройк|настроить|управлять|керувати|налаштува)\w* (?:\w+ )?"
    r"(?:подписк|рассылк|підписк|розсилк)|"
    r"désabonner|se désinscrire|dans (?:le|votre) navigateur|confidentialité|"
    r"cancelar suscripción|darse de baja|en el navegador|no navegador|privacid|"
    r"nel browser|wypisz|w przeglądarce|prywatności|odhlásit|v prohlížeči|"
    r"afmelden|uitschrijven|in (?:je|uw) browser",
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
    if host in _PROOFPOINT:
        return _of_proofpoint(url, parts.query)
    for end, within in _WITHIN.items():
        if host == end or host.endswith("." + end):
            found = within.search(url, len(parts.scheme) + 3 + len(host))
            return unquote(found[1]) if found else ""
    for end, name in _WRAPPERS.items():
        if host == end or host.endswith("." + end):
            if end in _PATHS and parts.path.rstrip("/") != _PATHS[end]:
                return ""
            try:
                values = parse_qs(parts.query, max_num_fields=50)
            except ValueError:
                return ""
            named = values.get(name) or values.get(name.upper()) or [""]
            return _plain(named[0]) or _only_address(values)
    return ""


def _only_address(values: dict[str, list[str]]) -> str:
    """The target of a wrapper whose parameter has another name: the only one that is an address."""
    found = [each for one in values.values() for each in one if _HTTP.fullmatch(each)]
    return found[0] if len(found) == 1 else ""


def _plain(value: str) -> str:
    if value.lower().startswith("http"):
        return value
    try:  # Sophos writes base64.
        return urlsafe_b64decode(value + "=" * (-len(value) % 4)).decode("ascii")
    except (BinasciiError, ValueError):
        return ""


def _of_proofpoint(url: str, query: str) -> str:
    if found := _PROOFPOINT_3.search(url):
        return _with_replaced(_ONE_SLASH.sub(r"\1/", unquote(found[1])), found[2])
    try:
        value = parse_qs(query, max_num_fields=50).get("u", [""])[0]
    except ValueError:
        return ""
    return unquote(value.replace("-", "%").replace("_", "/")) if "://" not in value else value


def _with_replaced(target: str, encoded: str) -> str:
    if "*" not in target:
        return target
    try:
        characters = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except (BinasciiError, ValueError):
        return ""
    at = 0

    def replaced(found: re.Match[str]) -> str:
        nonlocal at
        begins = at
        at += _LENGTHS.index(found[1]) + 2 if found[1] else 1
        return characters[begins:at]

    target = _REPLACED.sub(replaced, target)
    return target if at == len(characters) else ""


def target_of(href: str, text: str) -> str:
    """The target to add after a link's text; empty if none is needed."""
    if href[:4].lower() == "tel:":
        number = unquote(href[4:]).strip()
        return number if text and _NUMBER.fullmatch(number) and not _DIGITS.search(text) else ""
    url = unwrapped("".join(href.split()))
    if not text or len(url) > MAX_URL or _HTTP.fullmatch(url) is None:
        return ""
    squeezed = "".join(text.lower().split())
    shown = squeezed.strip(".,…()<>[]")
    if not shown or "@" in shown or _HOUSEKEEPING.search(text):
        return ""
    says_it = _shows(shown, url)
    if says_it is None:
        says_it = shown.startswith(("http:", "https:", "www."))
    elif squeezed.endswith(("...", "…")) and len(_bare(shown)) < len(_bare(url)):
        says_it = False
    return "" if says_it else url


def _shows(text: str, url: str) -> bool | None:
    """Whether a text that is an address says the link's target, and not only its host; ``None``
    for other texts and other addresses."""
    shown, bare = _bare(text), _bare(url)
    if "." not in shown or not bare.startswith(shown):
        return None
    return "/" in shown or bare[len(shown) :][:1] != "/" or bare[len(shown) + 1 :][:1] in ("", "?")


def _bare(url: str) -> str:
    return url.lower().rpartition("://")[2].rstrip("/").removeprefix("www.") or url.lower()


def tidied(text: str) -> str:
    """A plain text with unwrapped links, without brackets around them and without marks of
    pictures."""
    if "[" in text:
        text = _TRANSLATED.sub("", _PICTURE.sub("", text))
    if "<" in text:
        text = _FILE_OF_PICTURE.sub("", text)
        if "<mailto:" in text:
            text = _SAID_TWICE.sub(r"\1", text)
        text = _BRACKETED.sub(_out_of_brackets, text)
    if "://" not in text:
        return text
    return _URL.sub(_restored, text)


def _restored(found: re.Match[str]) -> str:
    url = found[0]
    if "?" not in url and "__" not in url and "%3A" not in url and "://" not in url[8:]:
        return url
    bare = url.rstrip(_BEHIND)
    target = unwrapped(bare)
    return url if target == bare else target + url[len(bare) :]


def _out_of_brackets(found: re.Match[str]) -> str:
    before, blank, url = found.groups()
    if not url.lower().startswith("http"):
        return before + blank if before and not blank else found[0]
    start = found.string.rfind("\n", 0, found.start()) + 1
    line = found.string[max(start, found.start() - 300) : found.start() + len(before)]
    url = unwrapped(url)
    if before and (words := line.split()) and _shows(words[-1].strip("()[]"), url):
        return before  # "https://example.com<https://example.com/>"
    return f"{before} {url}" if before else f"{blank}{url}"

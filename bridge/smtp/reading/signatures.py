"""Cuts text below the message: signatures, advertisements of mobile programs, footers of lists."""

from __future__ import annotations

import re

# "-- " alone on a line, with its space (RFC 3676 §4.3); without the space, two dashes are text.
_SIGNATURE = re.compile(r"^-- $", re.MULTILINE)

#: Unambiguous names of devices and programs …
_BRAND = (
    r"(?:iphon\w*|ios|ipad\w{0,3}|ipod|apple watch|imac|macbook|android\w{0,3}|galaxy|"
    r"samsung\w{0,3}|huawei|honor|xiaomi|redmi|poco|oppo|oneplus|realme|meizu|pixel|nokia|lumia|motorola|moto|"
    r"htc|sony|xperia|lg|zte|lenovo|blackberry|windows phone|windows mail|outlook|yahoo|aol|gmail|"
    r"mail\.ru|mailru|яндекс|yandex|рамблер|ukr\.net|proton ?mail|proton|thunderbird|bluemail|"
    r"typeapp|mymail|k-9 mail|aqua mail|touchdown|zoho|gmx|web\.de|mailbird|em client|airmail|"
    r"mail\.com|telekom mail|freenet|t-online|"
    r"tutanota|tuta mail|fairemail|fairphone|почт\w+ mail|i\.ua)"
)
#: … and words with other meanings, after which only few words may follow.
_KIND = (
    r"(?:windows|spark|newton|smartphone|handy|telefon|telefoon|téléphone|móvil|celular|cellulare|"
    r"mobile|mobil|komórk\w*|смартфон\w*|телефон\w*|мобильн\w*|мобільн\w*|phone|tablet)"
    r"(?=(?:[ \xa0](?:mail|phone|pc|device|app\w*|gerät\w*|eszköz\w*|cihaz\w*|appareil|"
    r"dispositiv\w*|apparaat|enhet|enhed|laite\w*|telefon\w*|tablet|smartphone\w*|устройств\w*|"
    r"пристро\w*|телефон\w*|orange|sfr|free|vodafone|telekom|t-mobile|верси\w*|версі\w*|приложен\w*|застосунк\w*|\d{1,2}))*"
    r"(?:[.,;!)].*)?$)"
)
_DEVICE = rf"(?:{_BRAND}|{_KIND})"
_SENT = (
    r"(?:sent|send|gesendet|envoyé|enviado|enviada|inviato|inviata|verzonden|verstuurd|skickat|"
    r"sendt|"
    r"lähetetty|elküldve|gửi|wysłan[eoy]|wysłano|odesláno|odoslané|küldve|gönderildi|trimis|"
    r"poslano|отправлено|"
    r"отправлена|послано|надіслано|відправлено|изпратено|στάλθηκε|saadetud|nosūtīts|išsiųsta|"
    r"dikirim|terkirim|dihantar|securely sent|просмотрено и отправлено|được gửi|đã gửi|enviat|"
    r"poslato|послато|αποστολή|ارسال شده)"
)
_GET = (
    r"(?:get|download|holen sie sich|laden sie|télécharge\w*|obtene[zr]|obtén|descarga\w*|baixe|"
    r"obter|"
    r"scarica|ottieni|скачайте|загрузите|получите|отримайте|завантажте|изтеглете|pobierz|stáhněte|"
    r"hämta|last ned|hanki|töltse le|získ\w*|prenesi\w*|preuzm\w*|λήψη|obtenir|skaffa|hent|få|"
    r"uzyskaj|скачать|получить|завантажити|отримати|преузмите|baixar|stáhnout|obteniu|gauti|hankige|"
    r"iegūstiet|下载|下載|вземете|descărcați|obțineți|tải|dapatkan|获取|取得|الحصول على|"
    r"להורדת)"
)
_APP = (
    r"(?:outlook|yahoo mail|gmail|spark|aqua mail|bluemail|typeapp|mymail|mail\.ru|почту? "
    r"mail\.ru|"
    r"proton ?mail|nine|edison|newton|k-9 mail|thunderbird|яндекс[.]почту?)"
)
_FROM = (
    r"(?:from|à|partir|do|az|từ|with|using|via|by|for|von|mit|für|aus|de|du|da|dal|dalla|con|"
    r"desde|depuis|avec|pour|per|"
    r"van|vanaf|met|voor|från|fra|med|z|ze|za|iz|s|со?|з|із|зі|из|через|за|від|від імені|для|"
    r"din|prin|na|dari|από|no|iš|tu|mi|my|mein\w*|mon|ma|mi|mijn|min|můj|mého|моего|мого|"
    r"sa|са|από|از|"
    r"my|the|a|o|meu|minha|mio|il|l'|le|la|el|os|app|от|моя|моят|мого|мог|mog|mojega|des|del|dels|d)"
)
_MOBILE = (
    # "Sent from my iPhone", "Envoyé de mon iPhone", "Отправлено с iPhone" …
    re.compile(
        rf"{_SENT}(?:[ \xa0]{_FROM}){{1,4}}[ \xa0'’\"«„“]{{0,3}}[\w.' "
        rf",&()\"»”-]{{0,24}}?{_DEVICE}\b.{{0,60}}",
        re.I,
    ),
    re.compile(r"[Ss]ent from my [A-Z0-9][\w-]{1,20}(?: [\w-]{1,12}){0,4}"),
    # … programs whose names have other meanings, alone behind these words …
    re.compile(
        r"sent (?:from|with|via|using) (?:surface|nine|front|postbox|missive|superhuman|canary|"
        r"shortwave|mailspring|polymail|edison|spike|mimestream)(?: ios| mail)?"
        r"(?:, [^.!?]{1,60}\.?)?",
        re.I,
    ),
    # "Get Outlook for iOS" …
    re.compile(
        rf"{_GET} (?:\S{{1,12}} ){{0,2}}{_APP}(?:[ \xa0]\S{{1,9}}){{0,2}}[ \xa0]"
        r"(?:ios|android|iphone|windows|mobile|mac)[\w:’'-]{0,8}\.?",
        re.I,
    ),
    re.compile(r"get the new aol app: mail\.mobile\.aol\.com", re.I),
    re.compile(rf"{_GET} (?:ios|android) \S{{1,4}} {_APP}", re.I),
    # … "Outlook beszerzése iOS-hez", "Outlook for iOS を入手", "Android용 Outlook 다운로드" …
    re.compile(rf"{_APP} \w{{4,14}} (?:ios|android)[\w-]{{0,6}}", re.I),
    re.compile(
        rf"(?:{_APP} for (?:ios|android)|(?:ios|android) ?[版용] {_APP}) ?(?:を入手|다운로드)", re.I
    ),
    # … "Outlook voor iOS downloaden", "Android için Outlook’u edinin" …
    re.compile(rf"{_APP}[ \xa0].{{1,12}} (?:ios|android|iphone|mobile)[ \xa0]\w{{4,14}}", re.I),
    re.compile(
        rf"(?:ios|android|iphone) \w{{2,6}} {_APP}\S{{0,4}}(?: \w{{8,16}})? \w{{4,12}}", re.I
    ),
    # … "Von meinem iPhone gesendet", "Lähetetty iPhonesta", "iPhone'umdan gönderildi" …
    re.compile(r"(?:von meine[mr]|von unterwegs).{0,30} gesendet\.?", re.I),
    re.compile(
        rf"diese (?:nachricht|e-?mail|mail) wurde von .{{0,30}}{_BRAND}.{{0,40}} gesendet\.?", re.I
    ),
    re.compile(rf"(?:lähetetty|küldve)[ \xa0].{{0,20}}{_DEVICE}\w*.{{0,20}}", re.I),
    re.compile(
        rf".{{0,12}}{_BRAND}['’-]?\w{{0,12}}(?: \w{{1,14}}){{0,2}} "
        r"(?:gönderildi|küldve|lähetetty)\.?",
        re.I,
    ),
    # … and in languages without spaces between words.
    re.compile(
        r".{0,14}(?:iphone|ipad|android|galaxy|outlook|スマートフォン|手机|手機).{0,20}(?:から送信|傳送|发送|"
        r"發送|보냄|에서 보낸).{0,12}",
        re.I,
    ),
    re.compile(r"(?:ส่งจาก|発信元|送信元)[:：]?.{0,30}", re.I),
    re.compile(r"(?:发自|發自|来自|從我的|从我的|나의|נשלח מ|أُرسلت من|أرسلت من|מה).{0,32}", re.I),
)
#: "[Proton Mail](https://proton.me/)".
_LINKED_WORDS = re.compile(r"\[([^\]]{1,40})\]\([^)]{1,100}\)")
#: "Get Outlook for iOS" with its link.
_LINK_BEHIND = re.compile(r"[ \xa0]?[<(]?https?://\S{1,200}$")
#: "Sent from Mail (https://…) for Windows 10", also without the brackets.
_LINK_WITHIN = re.compile(r" (?:\( ?https?://[^\s()]{1,200} ?\)|https?://[^\s()]{1,200}(?= ))")
_LONGEST = 110
#: Outlook's line with its link, in any language.
_OUTLOOK = re.compile(
    r"(?=.{0,60}Outlook)(?=.{0,60}(?:iOS|Android|Mac)(?![a-z]))(?:[^\s.:;!?]{1,16} ){1,6}"
    r"[<(]?https://aka\.ms/\w{1,20}"
)
#: A phone number or a customer number is no device.
_NUMBER = re.compile(r"\d{5}")

_RULE = re.compile(r"[ \t]*(?:_{20,}|-{20,}|={20,}|\*{20,}|#{20,}|(?:-=){8,40}-?)[ \t]*")
#: A rule that only well-known programs put above their footers.
_SHORT_RULE = re.compile(
    r"[ \t]*(?:-{2,5}|—|_{5,20} [^_\n]{0,140}(?:ESET|NOD32)[^_\n]{0,140}_{5,20})[ \t]*"
)
_OF_A_PROGRAM = re.compile(
    r"googlegroups\.com|groups\.google\.com|listinfo|reply to this email (?:directly|to respond)|"
    r"(?:checked|scanned) for viruses|virus-free|auf viren geprüft|absence de virus|"
    r"провер\w+ на вирусы|перевірен\w+ на віруси|www\.(?:avast|avg|eset|esetnod32)\.",
    re.IGNORECASE,
)
_OF_A_LIST = re.compile(
    r"mailing list|unsubscribe(?=[^\n]{0,80}\b(?:list|group|e-?mails?|click|send)\b)|"
    r"unsubscribe(?=[^\s,;]{0,60}@)|"
    r"[@/+?=-]unsub\w{0,10}|listinfo|/postorius/|list-?leave@|-leave@|-request@|"
    r"groups\.google\.com|groups\.io|yahoo ?groups|листа рассылки|список рассылки|рассылк|розсилк|"
    r"mailingliste|liste de diffusion|lista di distribuzione|lista de correo",
    re.IGNORECASE,
)
#: A footer says how the list is reached; a text about lists may not.
_REACHED = re.compile(r"://|@|www\.", re.IGNORECASE)
#: Most lines of a list's footer.
_FOOTER_LINES = 9


def cut_signature(text: str) -> str:
    """The text before the first mark of a signature."""
    if "-- " not in text:
        return text
    signature = _SIGNATURE.search(text)
    return text[: signature.start()] if signature and text[: signature.start()].strip() else text


def cut_mobile(text: str) -> str:
    """The text without a mobile program's last line about itself."""
    text_end = text.rstrip()
    at = text_end.rfind("\n")
    if at < 0 or len(text_end) - at > _LONGEST + 200:
        return text
    last = text_end[at + 1 :].strip(_AROUND)
    if "://aka.ms/" in last and _OUTLOOK.fullmatch(last) and text_end[:at].strip():
        return text_end[:at]
    word = last.partition(" ")[0].casefold()
    if word not in _FIRST_WORDS and not word.startswith(_FIRST_LETTERS):
        return text
    head = text_end[:at]
    last = _LINK_WITHIN.sub("", _LINK_BEHIND.sub("", _LINKED_WORDS.sub(r"\1", last)))
    if len(last) > _LONGEST or not head.strip() or _NUMBER.search(last):
        return text
    # Own text may end with such a sentence; the program's line stands apart, or alone.
    before, _, above = head.rpartition("\n")
    above = above.strip(_AROUND)
    if above in _DASHES and before.strip():
        above, head = "", before  # A signature of this line alone.
    if above and not _DEVICE_ENDS.search(last):
        return text
    return head if any(pattern.fullmatch(last) for pattern in _MOBILE) else text


_DASHES = ("--", "---", "—")
_AROUND = " \t\xa0*_.<>\u200e\u200f\x01"
#: Beginnings of such lines, checked before the patterns.
_FIRST_WORDS = frozenset(
    word for words in (_SENT, _GET) for word in re.findall(r"[^\W\d_]+", words)
) | {"von", "holen", "laden", "được", "last"}
_FIRST_LETTERS = (
    *("iphone", "ipad", "android", "galaxy", "samsung", "huawei", "xiaomi", "outlook", "descarga"),
    *("ios", "yahoo", "provenance", "获取", "取得"),
    *(
        *("diese", "télécharge", "obten", "obtén", "získ", "prenesi", "preuzm", "発信元", "送信元"),
        "wysłan",
        "发自",
        "發自",
        "来自",
        "從我",
        "从我",
        "나의",
        "내",
        "נשלח",
        "أ",
        "ส",
    ),
)
_DEVICE_ENDS = re.compile(rf"{_DEVICE}\w*$", re.I)


def cut_footer(text: str) -> str:
    """The text without a mailing list's footer below a rule."""
    # One character is found five times as fast as four.
    if (
        ("_" not in text or "____" not in text)
        and ("-" not in text or ("----" not in text and "-=-=" not in text and "\n--" not in text))
        and ("=" not in text or "====" not in text)
        and ("*" not in text or "****" not in text)
        and ("#" not in text or "####" not in text)
        and "\n—" not in text
    ):
        return text
    lines = text.rstrip().split("\n")
    for at in range(len(lines) - 1, max(0, len(lines) - _FOOTER_LINES - 2), -1):
        found = _OF_A_LIST if _RULE.fullmatch(lines[at]) else None
        if found is None and _SHORT_RULE.fullmatch(lines[at]):
            found = _OF_A_PROGRAM
        below = "\n".join(lines[at + 1 :])
        if found is None or not found.search(below):
            continue
        if found is _OF_A_LIST and not _REACHED.search(below):
            continue
        if any(line.strip() for line in lines[:at]):
            return "\n".join(lines[:at])
    return text

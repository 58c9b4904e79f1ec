"""The kind of a mail by its subject: a reply, a forward, or neither.

Mail programs put a short word before the subject, in the user's language. These words are not
standardised, so that tables are needed; an unknown or ambiguous word (``VS:`` in Finnish and
Norwegian) proves nothing.
"""

from __future__ import annotations

import re
from enum import Enum


class SubjectKind(Enum):
    """The meaning of the word before a subject."""

    ANSWER = "answer"
    FORWARD = "forward"
    UNKNOWN = "unknown"
    NONE = "none"


_ANSWER_WORDS = (
    "re|r|res|resp|ref|réf|rif|rép|aw|antw|antwort|sv|svar|vast|vastaus|odp|odg|ynt|yanıt|cev|vá",
    "válasz|atb|ats|bls|balas|hb|răsp|rasp|tl|trả lời|на|отв|ответ|відп|відповідь|ha|отг",
    "απ|απάντηση|σχετ|回复|回覆|答复|答覆|返信|回信|답장|회신|השב|תשובה|רד|رد|الرد|پاسخ|ตอบ|ตอบกลับ",
    "automatic reply|automatische antwort|reply|réponse|risposta|respuesta|resposta|cevap|odgovor",
)
_FORWARD_WORDS = (
    "fw|fwd|fwrd|wg|weitergeleitet|tr|trans|transf|rv|rnv|reenv|pd|pdl|enc|i|inoltra|inoltrato|doorst",
    "doorgestuurd|vb|vl|fs|vd|videresendt|ilt|i̇lt|yönl|továbbítás|továbbítva|trs|ct|chuyển tiếp",
    "переслано|пересл|пер|перепр|фвд|переадр|πρθ|προωθ|转发|轉寄|轉發|転送|전달|הועבר|העבר",
    "إعادة توجيه|إعادة|إحالة|prosl|posr|přep|edasi|inoltro|reenvío|reenvio",
)
_ANSWERS = frozenset(word for words in _ANSWER_WORDS for word in words.split("|"))
_FORWARDS = frozenset(word for words in _FORWARD_WORDS for word in words.split("|"))

#: Words that servers put before the subject.
_OF_SERVERS = frozenset({"external", "extern", "externe", "externo", "ext", "spam", "caution"})
#: "[EXT]", "[list]", "*SPAM*" and similar prefixes of servers.
_TAGS = re.compile(
    r"(?:\s{0,9}(?:\[[^\]\n]{0,60}\]:?|\*{1,3}[^*\n]{1,30}\*{1,3}|\([^)\n]{1,30}\)))*\s*"
)
#: Letters and their marks, which Thai and Hindi write as characters of their own.
_LETTER = r"[^\s\x00-@\[-`{-\xbf\u2000-\u206f：]"
_PREFIX = re.compile(
    rf"({_LETTER}{{1,20}}(?:[ ]{_LETTER}{{1,10}})?)\.?[ \xa0]{{0,2}}"
    r"(?:\[\d{1,4}\]|\(\d{1,4}\)|\^\d{1,3}|\*\d{1,3}|\d{1,2})?[ \xa0]{0,2}[:：]"
)
#: "[Fwd: subject]" of older programs …
_ENCLOSED = re.compile(r"\s{0,9}\[fwd?: ", re.IGNORECASE)
#: … and "subject (fwd)" of Pine.
_BEHIND = "(fwd)"


def kind_of(subject: str) -> SubjectKind:
    """The kind by the first word before the subject."""
    if _ENCLOSED.match(subject):
        return SubjectKind.FORWARD
    found = _prefix(subject, 0)
    if found and found[1].casefold() in _OF_SERVERS:
        found = _prefix(subject, found.end())
    if found is None:
        behind = subject.rstrip().lower().endswith(_BEHIND)
        return SubjectKind.FORWARD if behind else SubjectKind.NONE
    word = found[1].casefold()
    if word in _ANSWERS:
        return SubjectKind.ANSWER
    if word in _FORWARDS:
        return SubjectKind.FORWARD
    # A word of the subject itself looks the same, but prefixes are short, or stand before others.
    further = _prefix(subject, found.end())
    known = further is not None and further[1].casefold() in _ANSWERS | _FORWARDS
    short = len(word) <= 4 or not word.isascii()
    return SubjectKind.UNKNOWN if known or short else SubjectKind.NONE


def _prefix(subject: str, at: int) -> re.Match[str] | None:
    tags = _TAGS.match(subject, at)
    return _PREFIX.match(subject, tags.end() if tags else at)

"""Characters in EUC-JP and ISO-2022-JP beyond the standards: the rows of NEC and IBM, and kana.

Windows has circled numbers, units and rare kanji in rows that JIS X 0208 leaves empty, and
half-width kana as single octets. Python's codecs lack both; the error handler :data:`NEC_ROWS`
looks them up in cp932, which has the same rows.
"""

from __future__ import annotations

import codecs
from typing import Final

#: The name of the error handler for ``bytes.decode``; characters that cp932 lacks too are errors.
NEC_ROWS: Final = "bridge-nec-rows"

_SEVEN_BIT: Final = range(0x21, 0x7F)
_EIGHT_BIT: Final = range(0xA1, 0xFF)
_HALF_WIDTH_KANA: Final = range(0xA1, 0xE0)


def _look_up(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    start = error.start
    pair = error.object[start : start + 2]
    if error.encoding.startswith("iso2022") and pair[0] in _HALF_WIDTH_KANA:
        return pair[:1].decode("cp932"), start + 1
    for octets in (_SEVEN_BIT, _EIGHT_BIT):
        if len(pair) == 2 and pair[0] in octets and pair[1] in octets:
            row, column = pair[0] - octets.start, pair[1] - octets.start
            try:
                return _shift_jis(row, column).decode("cp932"), start + 2
            except UnicodeDecodeError:
                break
    raise error


def _shift_jis(row: int, column: int) -> bytes:
    """Row and column, both from 0, in Shift_JIS."""
    lead = (0x81 if row < 62 else 0xC1) + row // 2
    if row % 2:
        return bytes((lead, 0x9F + column))
    return bytes((lead, 0x40 + column + (column >= 63)))


codecs.register_error(NEC_ROWS, _look_up)

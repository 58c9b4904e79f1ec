"""What clients write in EUC-JP and ISO-2022-JP beyond the standards: NEC's and IBM's rows, kana.

Windows has circled numbers, units and rare kanji in rows of JIS X 0208 that the standard leaves
empty, and half-width kana as single octets. Python's codecs know neither; the error handler
:data:`NEC_ROWS` looks them up in cp932, where the same rows are.
"""

from __future__ import annotations

import codecs
from typing import Final

#: The name of the error handler for ``bytes.decode``; what cp932 lacks too is still an error.
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
    """Row and column, both from 0, as Shift_JIS writes them."""
    lead = (0x81 if row < 62 else 0xC1) + row // 2
    if row % 2:
        return bytes((lead, 0x9F + column))
    return bytes((lead, 0x40 + column + (column >= 63)))


codecs.register_error(NEC_ROWS, _look_up)

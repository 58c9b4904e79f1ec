"""Phone numbers: from a client's form to E.164, by a region's numbering plan.

International numbers are checked by the lengths of their country, from the tables of the
phonenumbers library; that library parses all others.
"""

from __future__ import annotations

import re
from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneMetadata
from phonenumbers.phonenumberutil import COUNTRY_CODE_TO_REGION_CODE

from bridge.model.failure import Failure, Reason

#: The region of codes without a country, such as +800.
NON_GEOGRAPHIC = "001"
#: Separators between digits, and invisible characters that copying from a phone adds. Any other
#: character makes a number wrong.
_SEPARATORS = str.maketrans(
    "",
    "",
    " \t-.()/\u00a0\u2009\u202f\u2010\u2011\u2012\u2013"
    "\u00ad\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff",
)
#: A whole number as a decimal fraction; the zero is no digit of the phone.
_FRACTION = re.compile(r"(\+?\d{9,15})\.0+", re.ASCII)
#: Digits that once stood before a national number, and that people still write: 8 (050) in Ukraine
#: until 2009.
_FORMER_PREFIXES = {"UA": "8"}
_WRITTEN = re.compile(r"\+?\d{3,20}", re.ASCII)
_INTERNATIONAL = re.compile(r"\+[1-9]\d{7,14}", re.ASCII)


@lru_cache(maxsize=300)
def _national_lengths(country_code: str) -> frozenset[int]:
    """The possible numbers of digits after a country code; empty for an unknown code."""
    regions = COUNTRY_CODE_TO_REGION_CODE.get(int(country_code), ())
    lengths: set[int] = set()
    for region in regions:
        if region == NON_GEOGRAPHIC:
            metadata = PhoneMetadata.metadata_for_nongeo_region(int(country_code), None)
        else:
            metadata = PhoneMetadata.metadata_for_region(region, None)
        if metadata is not None and metadata.general_desc is not None:
            lengths.update(metadata.general_desc.possible_length)
    return frozenset(lengths)


def _possible(digits: str) -> bool:
    """Whether an international number without ``+`` has a known country and a possible length."""
    for size in (1, 2, 3):
        if int(digits[:size]) in COUNTRY_CODE_TO_REGION_CODE:
            return len(digits) - size in _national_lengths(digits[:size])
    return False


@lru_cache(maxsize=300)
def _country_code(region: str) -> str:
    return str(phonenumbers.country_code_for_region(region))


def _parse(number: str, region: str) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(number, region)
    except NumberParseException:
        return None


def without_fraction(address: str) -> str:
    """The number that a program wrote as a decimal fraction: its point is no separator."""
    fraction = _FRACTION.fullmatch(address.strip())
    return fraction[1] if fraction else address


@lru_cache(maxsize=100_000)
def normalise(address: str, region: str) -> str:
    """E.164 with ``+`` for a number in international or in ``region``'s national form.

    Separators are allowed. Digits without ``+`` or ``00`` are tried as the region's own
    international form, then its national form, then any international form: nine digits of a
    Ukrainian mobile number must not become a number in Myanmar. Raises :class:`Failure` (wrong
    phone number).
    """
    number = address
    if _WRITTEN.fullmatch(number) is None:
        number = without_fraction(address).translate(_SEPARATORS)
        if _WRITTEN.fullmatch(number) is None:
            raise Failure(Reason.WRONG_PHONE)
    if number.startswith("00"):
        number = "+" + number[2:]
    international = "+" + number.lstrip("+")
    possible = _INTERNATIONAL.fullmatch(international) and _possible(international[1:])
    if possible and (number[0] == "+" or number.startswith(_country_code(region))):
        return international
    if number[0] != "+":
        for digits in (number, number.removeprefix(_FORMER_PREFIXES.get(region, " "))):
            parsed = _parse(digits, region)
            if parsed is not None and phonenumbers.is_valid_number(parsed):
                return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
            if possible:
                return international
    raise Failure(Reason.WRONG_PHONE)


@lru_cache(maxsize=100_000)
def country(phone: str) -> str:
    """The region (``"UA"``) of an E.164 number; empty if it is unknown."""
    parsed = _parse(phone, "")
    return (parsed and phonenumbers.region_code_for_number(parsed)) or ""

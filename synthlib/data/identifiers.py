"""The 18 classes of identifiers of HIPAA's Safe Harbor, and how a column of each is recognised."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
import phonenumbers
from stdnum import iban, imei, luhn, mac
from stdnum.us import atin, itin, ssn

CLASSES = {
    "A": "names",
    "B": "geographic units smaller than a state",
    "C": "dates except year, and ages over 89",
    "D": "telephone numbers",
    "E": "fax numbers",
    "F": "email addresses",
    "G": "social security numbers",
    "H": "medical record numbers",
    "I": "health plan beneficiary numbers",
    "J": "account numbers",
    "K": "certificate and licence numbers",
    "L": "vehicle identifiers",
    "M": "device identifiers and serial numbers",
    "N": "web addresses",
    "O": "IP addresses",
    "P": "biometric identifiers",
    "Q": "full-face photographs",
    "R": "other unique numbers, characteristics or codes",
}

# Phrases of a column's name, the more telling classes first: an email address is not a postal one.
_PHRASES = """
F: email, e mail, mail address
O: ip address, ipv4, ipv6, ip addr
N: url, uri, website, web site, web address, homepage, home page, hyperlink
E: fax, telefax, facsimile
D: phone, telephone, mobile phone, mobile number, cell phone, pager, landline
D: contact number
G: ssn, social security, social sec, itin, national insurance, nhs number
I: health plan, plan number, member id, member number, member no, beneficiary, policy number, policy no
I: policy id, subscriber, hicn, medicare id, medicare number, medicaid id, medicaid number
I: insurance number, insurance id, insurance no, group number
H: mrn, medical record, med rec, record number, record no, chart number, chart no, patient number, patient no
H: hospital number, hospital no, case number, case no
L: vin, vehicle id, vehicle number, vehicle registration, license plate, licence plate
L: plate number, plate no, number plate, car plate
K: license, licence, drivers license, certificate number, certificate no, certificate id, dea number
K: passport, permit number
M: device id, device identifier, device serial, device number, device no, serial number, serial no
M: imei, mac address, implant id, pacemaker id, lot number
J: account, account number, acct, iban, credit card, debit card, card number, routing number, bank number
J: billing number, invoice number
Q: photo, photograph, photography, picture, portrait, selfie, mugshot, face image, full face
P: biometric, fingerprint, finger print, thumbprint, iris scan, retina scan, retinal scan, voiceprint
P: voice print, faceprint, face print, palm print, dna sequence, genome sequence
C: date, dates, datetime, timestamp, dob, dod, birthdate, birthday, deathdate, day of birth, month of birth
C: birth month, birth day, admission month, admit month, discharge month, death month, admission weekday
C: admit weekday, discharge weekday, visit month, service month, year month, month year
B: zip, zcta, zip code, zip 3, zip 4, zip 5, postal, postal code, postcode, plz
B: city, town, village, municipality
B: county, district, parish, precinct, borough, neighborhood, neighbourhood, street, address, addr
B: latitude, longitude, gps, coordinates, geocode, census tract, block group, fips
B: birthplace, place of birth, place of residence, hometown, suburb
R: user name, login, twitter, facebook, instagram, pseudonym
A: name, names, surname, last name, first name, forename, full name, middle name, maiden, nickname, alias
A: initials, next of kin, guardian, emergency contact
R: id, ids, identifier, uuid, guid, barcode, bar code, accession, specimen number, encounter number
R: trial number, study number, hash, token
"""
NAMES = [(line[0], line[3:].split(", ")) for line in _PHRASES.strip().splitlines()]
# Words that tell only when they are the whole name.
_WHOLE_NAMES = {"drivers": "K", "subject": "R", "patient": "R"}
# Words with other meanings too (mobile: yes or no; pt: a time), which need values of the class as well.
_AMBIGUOUS = {
    "npi": "K", "dea": "K", "udi": "M", "nin": "G", "mbi": "I", "tel": "D", "dt": "C", "residence": "B",
}
_AMBIGUOUS_WHOLE = {
    **dict.fromkeys(("first", "last", "middle", "mother", "father", "spouse", "contact", "pt"), "A"),
    **dict.fromkeys(("lat", "lon", "lng", "long"), "B"), "mobile": "D", "ip": "O",
}
# Who has to do with a patient: a column of their names, or of anything else about them.
_ROLES = frozenset(re.findall(r"\w+", """
    contact doctor physician surgeon nurse attending provider caretaker caregiver carer clinician prescriber
    operator examiner interviewer author relative seenby treatedby signedby referredby
"""))
# What else has a name and is no person.
_NOT_PERSONS = frozenset(re.findall(r"\w+", """
    drug medication medicine test lab item product brand generic procedure diagnosis disease disorder
    condition symptom variable column field file device unit ward department clinic service specialty event
    group class category type code history
"""))
_BIRTH = ("birth", "born", "dob", "birthdate", "birthday")


def split_name(name: str) -> list[str]:
    """The words of a column name in lower case: `PatientZIPCode_2` → patient, zip, code, 2."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=[0-9])", " ", plain)
    return re.findall(r"[a-z]+|[0-9]+", spaced.lower())


def class_by_name(name: str) -> str:
    """The letter of the class that a column's name tells of or, if it `is_ambiguous`, may tell of; or ""."""
    return _read_name(name)[0]


def is_ambiguous(name: str) -> str:
    """Whether the name alone is not telling: "word" if it has other meanings, "role" if a person's, or ""."""
    return _read_name(name)[1]


def _read_name(name: str) -> tuple[str, str]:
    words = split_name(name)
    whole = " ".join(words)
    if whole in _WHOLE_NAMES:
        return _WHOLE_NAMES[whole], ""
    runs = {"".join(words[start:end]) for end in range(len(words) + 1) for start in range(end)}
    for letter, phrases in NAMES:
        told = any(phrase.replace(" ", "") in runs for phrase in phrases)
        if told and not (letter == "A" and _NOT_PERSONS & set(words)):
            return letter, ""
    if whole in _AMBIGUOUS_WHOLE:
        return _AMBIGUOUS_WHOLE[whole], "word"
    for word, letter in _AMBIGUOUS.items():
        if word in words:
            return letter, "word"
    return ("A", "role") if _ROLES & runs and not _NOT_PERSONS & set(words) else ("", "")


def names_no_person(name: str) -> bool:
    """Whether a column's name says that what it names are things."""
    return bool(_NOT_PERSONS & set(split_name(name)))


def is_birth(name: str) -> bool:
    """Whether a column's name says that it tells of birth."""
    return bool({*_BIRTH, "yob"} & set(split_name(name)))


class Pattern(NamedTuple):
    """How values of a class look.

    Attributes:
        letter: the class.
        scattered: whether one match in a column is telling, since nothing else looks like it.
        matches: whether a text does.
    """

    letter: str
    scattered: bool
    matches: Callable[[str], bool]


def _searches(expression: str) -> Callable[[str], bool]:
    return re.compile(expression, re.IGNORECASE).search  # type: ignore[return-value]


def _is_ssn(text: str) -> bool:
    """Written with dashes or blanks it is one, valid or mistyped; as nine digits only if it could be one."""
    if re.search(r"(?<![\d-])\d{3}([- ])\d{2}\1\d{4}(?![\d-])", text):
        return True
    return len(text) == 9 and text.isdigit() and any(kind.is_valid(text) for kind in (ssn, itin, atin))


def _is_phone(text: str) -> bool:
    """A valid number, written as in North America, with a country's code, or as ten digits."""
    found = _PHONE.search(text)
    try:
        return bool(found) and phonenumbers.is_valid_number(phonenumbers.parse(found[0], "US"))
    except phonenumbers.NumberParseException:
        return False


_PHONE = re.compile(
    r"(?<![\w-])(\+\d[\d ()./-]{8,17}\d|(1[ .-])?(\(\d{3}\) ?|\d{3}[ ./-])\d{3}[ .-]\d{4}|\d{10})(?![\w-])"
)


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_interface(text.strip())
    except ValueError:
        return False
    return text.count(".") == 3 or text.count(":") >= 2


_VIN_VALUES = dict(zip("0123456789ABCDEFGHJKLMNPRSTUVWXYZ",
                       [*range(10), *range(1, 9), *range(1, 6), 7, 9, *range(2, 10)], strict=True))
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def _is_vin(text: str) -> bool:
    """A vehicle identification number with its North American check digit (49 CFR 565)."""
    text = text.strip().upper()
    if len(text) != 17 or not set(text) <= set(_VIN_VALUES):
        return False
    rest = sum(_VIN_VALUES[letter] * weight for letter, weight in zip(text, _VIN_WEIGHTS, strict=True)) % 11
    return text[8] == ("X" if rest == 10 else str(rest))


def _is_npi(text: str) -> bool:
    return bool(re.fullmatch(r"[12]\d{9}", text)) and luhn.is_valid("80840" + text)


def _is_dea(text: str) -> bool:
    if not re.fullmatch(r"[A-Z][A-Z9]\d{7}", text):
        return False
    digits = [int(digit) for digit in text[2:]]
    return (digits[0] + digits[2] + digits[4] + 2 * (digits[1] + digits[3] + digits[5])) % 10 == digits[6]


def _is_device(text: str) -> bool:
    """A network card's address, a telephone's IMEI, or a medical device's UDI."""
    is_imei = len(re.sub(r"[ -]", "", text)) == 15 and imei.is_valid(text)
    return is_imei or mac.is_valid(text) or bool(re.match(r"\(01\)\d{14}", text))


def _is_card(text: str) -> bool:
    digits = re.sub(r"[ -]", "", text)
    return bool(re.fullmatch(r"[3-6]\d{14,15}", digits)) and luhn.is_valid(digits)


_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_MONTH_NAME = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
_YEAR = r"(?:1[89]|2[0-2])\d\d"
_DATE = _searches(
    rf"(?<!\d){_YEAR}([-/.])(0?[1-9]|1[0-2])\1(0?[1-9]|[12]\d|3[01])(?!\d)"
    rf"|(?<!\d)(0?[1-9]|[12]\d|3[01])([-/.])(0?[1-9]|[12]\d|3[01])\5((1[89]|2[0-2])?\d\d)(?!\d)"
    rf"|(?<!\w)\d{{1,2}}[ -]{_MONTH}[ ,-]+(\d{{2}}|\d{{4}})(?!\d)"
    rf"|(?<!\w){_MONTH}\.? \d{{1,2}},? \d{{4}}(?!\d)"
    rf"|^{_YEAR}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$"
    rf"|^\s*{_YEAR}[-/.](0[1-9]|1[0-2])\s*$|(?<![\w/.-])(0?[1-9]|1[0-2])[-/.]{_YEAR}(?![\w/-])"
    rf"|(?<!\w){_MONTH_NAME}\.?[ ,/-]{{1,2}}{_YEAR}(?!\d)|^\s*{_YEAR}[ /-]{_MONTH_NAME}\s*$"
    rf"|^\s*(0?[1-9]|[12]\d|3[01])(st|nd|rd|th|\.)?[ -]{_MONTH_NAME}\.?\s*$"
    rf"|^\s*{_MONTH_NAME}\.?[ -](0?[1-9]|[12]\d|3[01])(st|nd|rd|th)?\s*$"
)
_DAY_OF_MONTH = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\.?")


def are_days_of_months(values: pd.Series) -> bool:
    """Whether a text column is of days without a year, such as 23/10: any smaller score looks otherwise."""
    if values.dtype != object:
        return False
    levels = values.dropna().map(str).unique()
    found = [match for text in levels if (match := _DAY_OF_MONTH.fullmatch(text.strip()))]
    if len(levels) < 5 or len(found) < 0.9 * len(levels):
        return False
    if any(match[2] == "." and not match[0].endswith(".") for match in found):
        return False  # a number with decimals
    parts = np.array([(int(match[1]), int(match[3])) for match in found]).T
    varied = all(len(set(part)) >= 3 for part in parts.tolist())
    day, month = sorted(parts.tolist(), key=max, reverse=True)
    return varied and min(*day, *month) >= 1 and 12 < max(day) <= 31 and max(month) <= 12


_PARTICLES = {"van", "von", "de", "der", "den", "da", "del", "la", "bin", "al", "el", "di", "dos"}


def is_person(text: str) -> bool:
    """Whether a text is written as a person's full name: two or three capitalised words, and initials."""
    words = [word for word in text.split() if word not in _PARTICLES]
    long = [word for word in words if len(word) > 1 and not re.fullmatch(r"[A-Z]\.", word)]
    shaped = all(re.fullmatch(r"[^\W\d_][^\W\d_'’.-]*([-'’][^\W\d_]+)*\.?", word) for word in words)
    return shaped and 2 <= len(long) <= 3 and len(words) <= 4 and all(word[0].isupper() for word in words)


def are_persons(values: pd.Series) -> bool:
    """Whether most values are written as full names and most of these differ: levels of a state recur."""
    if values.dtype != object:
        return False
    persons = values.dropna().map(lambda value: isinstance(value, str) and is_person(value))
    num_names = values.dropna()[persons.astype(bool)].nunique()
    return bool(persons.mean() >= 0.8 and num_names > 20 and num_names >= 0.5 * len(persons))


_STREET = _searches(
    r"^\d{5}-\d{4}$|\bP\.? ?O\.? ?Box \d"
    r"|^\d+[a-z]? ([\w'-]+\.? )+(street|avenue|road|boulevard|lane|drive|court|highway)\b"
    r"|^\d+[a-z]? ([\w'-]+\.? )+(st|ave|rd|blvd|ln|dr|ct|hwy|pl|way)\.?( *,|$| apt| unit| suite| #)"
)
_CODE = r"[AC-HJKMNP-RT-Y]"  # letters of a Medicare beneficiary identifier
PATTERNS = (
    Pattern("F", True, _searches(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")),
    Pattern("Q", True, _searches(r"^data:image/|\.(jpe?g|png|gif|bmp|tiff?|heic|dcm)$")),
    Pattern("N", True, _searches(r"\b(https?|ftp)://|\bwww\.\w")),
    Pattern("O", True, _is_ip),
    Pattern("G", True, _is_ssn),
    Pattern("M", True, _is_device),
    Pattern("L", True, _is_vin),
    Pattern("I", False, _searches(rf"^[1-9]{_CODE}[\dA-Y]\d-?{_CODE}[\dA-Y]\d-?{_CODE}{{2}}\d\d$")),
    Pattern("J", True, lambda text: len(text) >= 15 and (iban.is_valid(text) or _is_card(text))),
    Pattern("K", False, lambda text: _is_npi(text) or _is_dea(text)),
    Pattern("H", True, _searches(r"\bMRN\b\W*\d")),
    Pattern("E", True, _searches(r"\bfax\b\D*\d")),
    Pattern("D", True, _is_phone),
    Pattern("C", True, _DATE),
    Pattern("B", True, _STREET),
    Pattern("A", True, _searches(r"^(?-i:Mr|Mrs|Ms|Miss|Dr|Prof)\.? (?-i:[A-Z])\w")),
    Pattern("A", True, _searches(r"(?<!\w)(?-i:Mr|Mrs|Dr|Prof)\.? (?-i:[A-Z][a-z])\w")),
    Pattern("A", True, _searches(r"\b\w+(ed|en) by (?-i:[A-Z][a-z]+ [A-Z][a-z])")),
    Pattern("A", False, _searches(r"^(?-i:[A-Z])[\w'-]+, (?-i:[A-Z])[\w'-]+( (?-i:[A-Z])\.?)?$")),
    Pattern("R", True, _searches(r"^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$")),
    Pattern("R", True, _searches(r"^(?=.*[a-f])([\da-f]{32}|[\da-f]{40}|[\da-f]{64})$")),
)


def class_by_pattern(values: pd.Series) -> tuple[str, np.ndarray]:
    """The class that a column's values look like, and which of them do.

    A class that nothing else looks like is found by a single value. The others, and values of digits alone,
    need half of the column, nearly all different: codes of drugs or diseases have the same lengths. Dates
    of digits alone, such as 20240131, need all of it.

    Args:
        values: column of shape (num_rows,). Only text and whole numbers of eight digits or more can match.

    Returns:
        The letter, or ""; and booleans of shape (num_rows,).
    """
    texts = _as_texts(values)
    numbers, levels = pd.factorize(texts)
    for pattern in PATTERNS if len(levels) else ():
        found = np.array([bool(pattern.matches(level)) for level in levels])
        matching = np.append(found, False)[numbers]  # a missing value has number -1
        telling = pattern.scattered and any(not level.isdigit() for level in levels[found])
        share = 1.0 if pattern.letter == "C" else 0.5
        varied = pattern.letter == "C" or found.sum() >= 0.5 * matching.sum()
        if telling or (matching.sum() >= share * values.count() and varied):
            return pattern.letter, matching
    return "", np.zeros(len(values), dtype=bool)


def _as_texts(values: pd.Series) -> pd.Series:
    """Text values as they are, whole numbers of eight digits or more as digits, all else missing."""
    if values.dtype == object:
        return values.where(values.map(lambda value: isinstance(value, str)), None)
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return pd.Series(None, index=values.index, dtype=object)
    numbers = values.to_numpy(dtype=float, na_value=np.nan)
    long = (numbers >= 1e7) & (numbers < 1e17) & (numbers == np.round(numbers))
    digits = [str(int(number)) if is_long else None for number, is_long in zip(numbers, long, strict=True)]
    return pd.Series(digits, index=values.index, dtype=object)

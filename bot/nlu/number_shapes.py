"""What a run of letters and digits can be: a ticket's, a parcel's or a telephone's number.

Cue words before the number settle what its shape leaves open (ten digits are a phone number after
"call me on" and a waybill after "tracking number").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

Kind = Literal["waybill_no", "phone", "ticket_no"]

_CONFUSED = str.maketrans("OQILS", "00115")

_TICKET = re.compile(r"CS\d{6}-?\d{4,}")
S10 = re.compile(r"[A-Z]{2}\d{9}[A-Z]{2}")
_UPS = re.compile(r"1Z[A-Z0-9]{15,16}")
_LASERSHIP = re.compile(r"1LS[A-Z0-9]{12,16}")
_LETTERED = re.compile(r"(?!CS\d)[A-Z]{1,5}\d{8,22}(?:[A-Z]{0,2}|[A-Z]\d)|\d[A-Z]{1,2}\d{9,14}")
_PREFIXED = re.compile(
    r"(SF|YT|JDV?|JJD|ZTO|STO|ZT|ST|YD|DB|EMS|UC|HT|CS|TBA|LP|LX|LT)([0-9OQIL]{8,20})"
)
PREFIX = re.compile(
    r"SF|YT|JDV?|JJD|ZTO|STO|ZT|ST|YD|DB|EMS|UC|HT|CS|TBA|LP|LX|LT|1Z|[CRELUV][A-Z]"
)
# A number of full length: what follows it is something else.
COMPLETE = re.compile(
    r"SF\d{12,13}|YT(?:\d{13}|\d{15,16})|JDV?[A-Z]?\d{13,15}|1Z[A-Z0-9]{16}|[A-Z]{2}\d{9}[A-Z]{2}"
    r"|1[3-9]\d{9}|\d{12,15}|CS\d{10,}"
)
_CN_MOBILE = re.compile(r"(?:\+?(?:00)?86)?1[3-9]\d{9}")
_CN_LINE = re.compile(r"0(?:10|2\d|[3-9]\d\d)\d{7,8}|400\d{7}|800\d{7}")
_INTERNATIONAL = re.compile(r"\+\d{8,15}")
_FOREIGN = re.compile(
    r"0[1-9]\d{8,9}"  # United Kingdom, Australia, Taiwan's and others' trunk zero
    r"|1?[2-9]\d{2}[2-9]\d{6}"  # North America
    r"|[6-9]\d{9}"  # India
)
_TRUNK = re.compile(r"0[1-9]\d{2,4} ")  # 0161 496 0822: nobody writes a waybill so
_EIGHT = re.compile(r"[235689]\d{7}")  # Hong Kong, Singapore
_SEVEN = re.compile(r"\d{3}-\d{4}")
_SHORT_LINE = re.compile(r"95\d{3}|100\d{2}|123\d{2}|1183|11185")

_WAYBILL_CUE = re.compile(
    r"单号|运单|快递单|订单|面单|物流号|查件|包裹号|编号|件号|单子|WAYBILL|TRACK|PARCEL|AWB"
    r"|SHIPMENT|DOCKET|\bLR\b|ORDER|CONSIGNMENT|REF|PACKAGE|NUMBER IS ON|POD",
)
_PHONE_CUE = re.compile(
    r"电话|手机|打给|拨|联系|热线|致电|来电|号码|座机|机主|本机|短信|WHATSAPP|微信|PHONE|CALL|MOBILE|CELL|TEXT"
    r"|TEL|DIAL|RING|RANG|HOTLINE|SMS|LINE|CONTACT|REACH|NUMBER"
)
_LAST_FOUR = re.compile(
    r"(?:尾[号数巴]?|[后末尾][四4][位码]|[后末尾]面?[四4]个?[字数位]字?|最后[四4]位"
    r"|LAST (?:FOUR|4)?(?: ?DIGITS?)?|DIGITS|ENDS?(?:ING)?(?: WITH| IN)?"
    r"|PHONE|MOBILE|VERIFICATION|收件人|寄件人|收货人|手机|电话)"
    r"(?:是|为|号码|分别|原来|应该|的|OF (?:MY|THE) [A-Z ]{2,12}|MY|ARE|IS|NOT|SENDER'S|PHONE"
    r"|[:： ,，])*$"
)
_FOUR_BEHIND = re.compile(  # 7203尾号; 5583 is my last four
    r" ?(?:结尾|收尾|(?:是我的?)?(?:手机|电话)?尾号|(?:IS |ARE )?(?:MY |THE )?LAST (?:FOUR|4))"
)
_OF_WAYBILL = re.compile(
    r"(?:单号|运单|订单|工单|申诉|卡号|卡|CARD|ACCOUNT|WAYBILL|TRACKING|PARCEL|ORDER)[^,，。;]{0,14}$"
)


def readings(joined: str, typed: str, before: str, whole: str) -> Iterator[tuple[Kind, str]]:
    """What a joined number can be, most certain first.

    ``joined`` without separators, ``typed`` with them, ``before`` the text in front of it and
    ``whole`` the message, all in capitals.
    """
    if _TICKET.fullmatch(_repaired(joined, "CS")):
        digits = _repaired(joined, "CS").removeprefix("CS").replace("-", "")
        yield "ticket_no", f"CS{digits[:6]}-{digits[6:]}"
    for pattern in (S10, _UPS, _LASERSHIP):
        if pattern.fullmatch(joined):
            yield "waybill_no", joined
    prefixed = _PREFIXED.fullmatch(joined)
    if prefixed:
        yield "waybill_no", prefixed.group(1) + prefixed.group(2).translate(_CONFUSED)
    if _LETTERED.fullmatch(joined):
        yield "waybill_no", joined
    digits = joined if joined.isdigit() or joined[0] == "+" else _repaired(joined, "")
    if not digits.removeprefix("+").isdigit():
        return
    called = _nearest(_PHONE_CUE, before) > _nearest(_WAYBILL_CUE, before)
    named = _nearest(_WAYBILL_CUE, before) > _nearest(_PHONE_CUE, before)
    if _CN_MOBILE.fullmatch(digits) and not (named and len(digits) > 11):
        yield "phone", digits
    if _INTERNATIONAL.fullmatch(digits):
        yield "phone", digits
    if _CN_LINE.fullmatch(digits) and (not named or len(digits) < 12):
        yield "phone", digits
    if len(digits) <= 11 and _FOREIGN.fullmatch(digits) and (not named or _TRUNK.match(typed)):
        yield "phone", digits
    if "." not in typed and (12 <= len(digits) <= 34 or (9 <= len(digits) <= 11 and not called)):
        yield "waybill_no", digits
    if (
        _EIGHT.fullmatch(digits)
        and not (named or _looks_like_date(digits))
        and (called or " " in typed or typed == whole.strip())
    ):
        yield "phone", digits
    if _SEVEN.fullmatch(typed) and not named:
        yield "phone", digits
    if len(digits) == 8 and named and not _looks_like_date(digits):
        yield "waybill_no", digits
    if (len(digits) in (9, 10, 11) and typed.count(".") != 1) or (len(digits) == 8 and called):
        yield "phone", digits
    if len(digits) == 4 and (typed == digits or typed == whole.strip(" .。!！")):
        asked = _LAST_FOUR.search(before) and not _OF_WAYBILL.search(before)
        ends = _FOUR_BEHIND.match(whole.partition(typed)[2])
        if asked or ends or whole.strip(" .。!！") == typed:
            yield "phone", digits


def _looks_like_date(digits: str) -> bool:
    return re.fullmatch(r"20[2-3]\d(?:0\d|1[0-2])[0-3]\d", digits) is not None


def _nearest(cue: re.Pattern[str], before: str) -> int:
    """Where the last cue ends, -1 without one."""
    return max((m.end() for m in cue.finditer(before)), default=-1)


def _repaired(joined: str, prefix: str) -> str:
    """Mistyped letters after ``prefix`` read as the digits they look like."""
    if not joined.startswith(prefix):
        return joined
    body = joined[len(prefix) :]
    if sum(c.isdigit() for c in body) * 4 < len(body) * 3:
        return joined
    return prefix + body.translate(_CONFUSED)

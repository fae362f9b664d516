"""Hints for the tagger: known goods and places, and the shapes of times, sums and names.

A hint is no entity. It tells the tagger that a stretch looks like one; whether it is one here
(door as a place, or as the goods) is learned from the annotated messages. Lists: gazetteer.yml.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from bot.nlu.tokenizer import Token

POLICY = Path(__file__).parents[2] / "policies" / "gazetteer.yml"

_N = r"[\d零一二两三四五六七八九十百几半]+"
_DAY = (
    r"大?[前后]天|今[天日早晚晨儿]|明[天日早晚晨儿]|后[日儿]|昨[天日晚儿]|听[日晚]|寻日|琴[日晚]|当[天晚]|次日|隔天|前[晚日]"
    r"|(?:[上下这本每]+个?)?(?:周|星期|礼拜)[一二三四五六日天末](?:[一二三四五六日])?|双休日|周末|工作日|平时|整天|全天"
    rf"|{_N}月份?(?:{_N}[号日]?)?|{_N}[号日](?![线楼门柜院店仓])|[上下这本]个?(?:周|星期|礼拜|月|季度)(?![一二三四五六日天])"
    r"|月[底初中末]|年[底初前后]|[今明去前]年|春节|过年|元旦|国庆|中秋|端午|清明|除夕|双十[一二]|五一|六一八?|圣诞节?|七夕|母亲节|[寒暑]假"
    r"|腊月[一-十廿]*|初[一二三四五六七八九十]"
)
_PART = (
    r"凌晨|清晨|一大?早|大?早上|早晨|朝早|上午|上昼|中午|晏昼|正午|午后|下午|下昼|傍晚|晚上|晚黑|夜里"
    r"|半夜|白天|早|晚"
)
_CLOCK = rf"{_N}(?:点钟?|时)(?:半|多|一刻|三刻|{_N}分?)?|\d{{1,2}}[:：]\d{{2}}|\d{{1,2}} ?[ap]m"
_SPAN = (
    rf"(?:[近前后过]|将近|整整)?{_N}多?来?个?(?:多|半)?"
    r"(?:小时|钟头|钟|天|日|周|星期|礼拜|月|年|分钟|秒|工作日|晚上?|宿|夜)(?:半|多)?"
)
_ZH_UNIT = rf"(?:{_DAY}|{_PART}|{_CLOCK}|{_SPAN})"
_ZH_TIME = rf"{_ZH_UNIT}(?:(?:[到至~—–-]|的)?{_ZH_UNIT})*(?:之?[前后内]|以[前后内]|左右|多)?"
_DIGIT = r"(?:one|two|three|four|five|six|seven|eight|nine)"
_EN_NUMBER = (
    r"(?:\d+(?:[.-]\d+)?|(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)(?:[- ]"
    rf"{_DIGIT})?|{_DIGIT}|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen"
    r"|nineteen|an?|half an|half a|a couple of|a few|several|couple of)(?: and a half| more| solid"
    r"| whole| full)?"
)
_WEEKDAY = (
    r"(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?s?|weekends?|bank holidays?"
)
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|march|april|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
_EN_UNIT = (
    r"\d{1,2}(?:[:.]\d{2})? ?(?:am|pm)|\d{1,2}:\d{2}|noon|midnight|lunch ?time|half (?:past )?\w+"
    r"|(?:this |next |last |all |every |late |early |mid )*"
    rf"(?:mornings?|afternoons?|evenings?|nights?|{_WEEKDAY}|weeks?|months?|year|quarter)"
    r"|today|tonight|tomorrow|tmrw?|tmr|yesterday|day (?:after tomorrow|before yesterday)"
    rf"|{_MONTH}(?: \d{{1,2}}(?:st|nd|rd|th)?)?|\d{{1,2}}(?:st|nd|rd|th)(?: of)?(?: {_MONTH})?"
    r"|christmas(?: eve)?|xmas|new year|easter|thanksgiving|diwali|eid"
    rf"|{_EN_NUMBER} (?:working |business )?(?:seconds?|secs?|min(?:ute)?s?|hours?|hrs?|days?"
    r"|nights?|weeks?|months?|years?|fortnight)(?: and a half)?|end of day|eod|first thing"
    rf"|(?:day|week|month|year) (?:\d+|{_DIGIT}|ten)\b|q[1-4]\b|(?:all|the whole|the next) day"
    rf"|(?:\d{{1,2}}|{_DIGIT}|ten|eleven|twelve) (?:in the (?:morning|afternoon|evening)|o'?clock)"
    r"|the (?:day|week)s? (?:after|before)|(?:after|before) (?:lunch|work|school|dinner)"
)
_EN_TIME = (
    rf"\b(?:(?:between|after|before|by|until|till|from|around) )?(?:{_EN_UNIT})"
    r"(?:(?: at| after| before| between| by|,)?"
    rf" (?:{_EN_UNIT}|\d{{1,2}}(?: (?:and|to) \d{{1,2}})?\b))*"
)
_MONEY = (
    r"(?:人民币|hk|us|s|rs|rm|nt|a|c)?[¥$£€₹￥]\s?\d[\d,]*(?:\.\d+)?k?"
    r"|\b(?:rs|rm|rmb|usd|gbp|eur|hkd|sgd|aud)\.? ?\d[\d,.]*k?"
    r"|\d[\d,]*(?:\.\d+)?[kw]? ?(?:块钱?|元|蚊|刀|美金|美元|港币|欧|英镑|万|千|百|大洋"
    r"|(?:yuan|rmb|dollars?|bucks?|quid|pounds?|euros?|rupees?|pence|cents|pesos|ringgit)\b)(?:钱|多)?"
    r"|[一二两三四五六七八九十百千万几]+多?(?:块钱?|元|蚊|万块?|千块?|百块?|毛)[一二三四五六七八九]?"
)
_CHARGED = "收扣付垫赔退划差交花补报价写保费贵"  # 收我八十八, 扣了32
_NOT_MONEY = (
    r"[\d.%点年月日号天个小件箱盒只条瓶斤公千克米层楼栋单元室次回票袋包本张台部双套折倍成分秒周星期礼拜位页岁"
    r"a-z:：/-]"
)
_SUM = (
    rf"(?:(?<=[{_CHARGED}])|(?<=[{_CHARGED}][了我你出走上]))"
    rf"(?:\d[\d,.]*|[一二两三四五六七八九十百千万零]{{2,}})(?!{_NOT_MONEY})"
    r"|(?:(?<=charged )|(?<=charged me )|(?<=paid )|(?<=billed )|(?<=quoted )|(?<=cost me )"
    r"|(?<=refunded )|(?<=owe me ))\d[\d,.]*(?![\d%:]| ?[a-z])"
)
_STREET = (
    r"\b\d+[a-z]?(?:[-/]\d+)?,? (?:[a-z'’]+ ){1,3}(?:road|rd|street|st|avenue|ave|lane|ln|drive|dr"
    r"|close|court|ct|crescent|cres|way|place|terrace|gardens|grove|hill|square|row|walk|mews|view|park"
    r"|boulevard|blvd|highway|parkway|quay|cottages)\b"
)
_POSTCODE = r"\b[a-z]{1,2}\d[a-z\d]? ?\d[a-z]{2}\b|\b[a-z]{2} \d{5}\b|\b[a-z]{1,2}\d{1,2}\b"
_UNIT = (
    r"\b(?:flat|apt|apartment|unit|suite|block|blk|room|rm|number|no|house|tower|building|gate|level|lvl"
    r"|floor|hall|shop|plot|lot|warehouse|bay|pitch|villa)\.? ?#?(?:\d+[a-z]?|[a-z])\b|#\d+-\d+"
)
# 江苏省苏州市工业园区星湖街328号, 3号楼2单元501
_ADDRESS = (
    r"(?:[^\W_的了我你他她它在到往放寄送把给从和就是这那请帮麻烦您个改发来去搬住转]{1,8}?"
    r"(?:省|市|区|县|镇|乡|村|屯|庄|街道|街|大道|路|巷|弄|里|胡同|号楼|号院|号|栋|幢|座|单元|室|层|楼|苑|园|期"
    r"|小区|公寓|大厦|广场|中心|城|门)){2,}(?:\d{2,4})?"
)


@dataclass(frozen=True, slots=True)
class Hint:
    """``text[start:end]`` of a folded message looks like a ``kind``."""

    kind: str
    start: int
    end: int


class Gazetteer:
    """The lists of gazetteer.yml, ready to look things up in lower-case folded text."""

    def __init__(self, lists: dict[str, Any]) -> None:
        """``lists`` as in the policy file."""
        people = lists["people"]
        self._words: dict[str, str] = {}
        for kind, words in (
            ("kind", lists["kinds"]["zh"]),
            ("place", lists["places"]["zh"]),
            ("goods", lists["goods"]["zh"]),
        ):
            self._words |= {str(word): kind for word in words}
        # The lengths of the words that begin with a character, longest first.
        self._lengths: dict[str, list[int]] = {}
        for word in sorted(self._words, key=len, reverse=True):
            lengths = self._lengths.setdefault(word[0], [])
            if len(word) not in lengths:
                lengths.append(len(word))
        self._phrases = {
            tuple(str(word).split()): kind
            for kind, words in (
                ("given", people["given_en"]),
                ("kind", lists["kinds"]["en"]),
                ("place", lists["places"]["en"]),
                ("goods", lists["goods"]["en"]),
            )
            for word in words
        }
        titles = "|".join(people["titles"])
        one, given = f"[{people['surnames']}]", f"[{people['given_zh']}]"
        address = "|".join(lists["suffixes"]["zh"])
        self._patterns = {
            "time": re.compile(f"{_ZH_TIME}|{_EN_TIME}"),
            "money": re.compile(_MONEY),
            "sum": re.compile(_SUM),  # money by its verb, without a unit
            "name": re.compile(
                rf"{one}[\u4e00-\u9fff]?(?:{titles})|[{''.join(people['familiar'])}]{one}(?!子|板)"
                rf"|\b(?:{'|'.join(people['en_titles'])})\.? [a-z]+(?: [a-z]+)?"
            ),
            "full": re.compile(
                rf"{one}{given}{{1,2}}|[大小老阿]{given}|{given}(?:哥|姐|仔|叔|伯|嫂|生)"
            ),
            "street": re.compile(_STREET),
            "postcode": re.compile(_POSTCODE),
            "unit": re.compile(_UNIT),
            "chain": re.compile(_ADDRESS),
            "address": re.compile(rf"[\u4e00-\u9fff\da-z-]{{1,6}}(?:{address})\d*"),
        }

    def hints(self, text: str, tokens: Sequence[Token]) -> Iterator[Hint]:
        """Every hint of a folded text, list words longest first from each place."""
        lower = text.lower()
        for kind, pattern in self._patterns.items():
            for match in pattern.finditer(lower):
                yield Hint(kind, match.start(), match.end())
        yield from self._listed(lower)
        yield from self._listed_phrases(lower, tokens)

    def _listed(self, lower: str) -> Iterator[Hint]:
        start = 0
        while start < len(lower):
            for length in self._lengths.get(lower[start], ()):
                word = lower[start : start + length]
                if word in self._words:
                    yield Hint(self._words[word], start, start + len(word))
                    start += len(word) - 1
                    break
            start += 1

    def _listed_phrases(self, lower: str, tokens: Sequence[Token]) -> Iterator[Hint]:
        words = [lower[token.start : token.end] for token in tokens]
        index = 0
        while index < len(words):
            for size in (3, 2, 1):
                kind = self._phrase(words[index : index + size])
                if kind and index + size <= len(words):
                    yield Hint(kind, tokens[index].start, tokens[index + size - 1].end)
                    index += size - 1
                    break
            index += 1

    def _phrase(self, words: Sequence[str]) -> str | None:
        """The kind of a listed phrase, in the plural too."""
        singular = [*words[:-1], words[-1].removesuffix("s")]
        return self._phrases.get(tuple(words)) or self._phrases.get(tuple(singular))


def marks(hints: Iterable[Hint], tokens: Sequence[Token]) -> list[list[str]]:
    """For each token, the hints it is part of: B-, I- or E- and the kind; U- for a whole one."""
    rows: list[list[str]] = [[] for _ in tokens]
    for hint in hints:
        inside = [i for i, t in enumerate(tokens) if t.start < hint.end and t.end > hint.start]
        for index in inside:
            first, last = index == inside[0], index == inside[-1]
            mark = "U" if first and last else "B" if first else "E" if last else "I"
            rows[index].append(f"{mark}-{hint.kind}")
    return rows


@cache
def gazetteer() -> Gazetteer:
    """The lists of the policy file, read once."""
    return Gazetteer(yaml.safe_load(POLICY.read_text(encoding="utf-8")))

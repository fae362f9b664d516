"""What may be sent, and what an invoice needs."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from conversations.texts import Texts
from parcels import invoices
from parcels.goods import Goods
from parcels.invoices import InvoicePolicy, Told
from parcels.sending import Sending
from store import policies
from store.errors import PolicyError
from tests.rooms import POLICIES, SHANGHAI

SENDING = Sending.from_file(POLICIES / "sending.yml")
GOODS = Goods.from_file(POLICIES / "goods.yml")
TAX = "91350100M000100Y43"  # the example of GB 32100-2015


@pytest.mark.parametrize(
    ("said", "named", "rule", "may"),
    [
        ("充电宝可以寄不", "充电宝", "battery", "limited"),
        ("仙女棒能寄吗", "仙女棒", "explosive", "never"),
        ("can I send two cats", "cats", "animal", "never"),
        ("能寄液体吗", None, "liquid", "limited"),
        ("锂電池可以寄嗎", None, "battery", "limited"),
        ("信封里能夹银行卡不", "银行卡", "document", "freely"),
        ("寄小提琴怎么包", "小提琴", "fragile", "freely"),
        ("寄点降压胶囊", "降压胶囊", "medicine", "limited"),
        ("寄仙人掌盆景", "仙人掌盆景", "general", "freely"),
        ("酒精和书一起寄", None, "flammable", "never"),
    ],
)
def test_goods_and_their_rule(said: str, named: str | None, rule: str, may: str) -> None:
    found = SENDING.verdict(said, named, GOODS)
    assert found is not None
    assert (found.rule, found.may) == (rule, may)


@pytest.mark.parametrize("said", ["哪些东西不让寄", "能寄到烟台吗", "what can I ship"])
def test_a_message_without_goods_has_no_rule(said: str) -> None:
    assert SENDING.verdict(said, None, GOODS) is None


@pytest.mark.parametrize(
    ("said", "topic"),
    [
        ("最重能寄多少公斤", "limits"),
        ("没保价丢了赔多少", "insurance"),
        ("寄件必须实名吗", "identity"),
        ("do you provide boxes", "box"),
        ("hello", None),
    ],
)
def test_questions_about_a_rule(said: str, topic: str | None) -> None:
    assert SENDING.topic(said) == topic


def test_every_rule_says_why_and_how_in_every_language() -> None:
    texts = Texts(POLICIES / "texts", SHANGHAI)
    for rule in SENDING.policy.goods:
        assert texts.has(f"sending.goods.{rule}.why")
        assert texts.has(f"sending.goods.{rule}.how")


def test_a_wrong_rule_is_refused_with_file_and_key(tmp_path: Path) -> None:
    policy = yaml.safe_load((POLICIES / "sending.yml").read_text(encoding="utf-8"))
    path = tmp_path / "sending.yml"
    policy["goods"]["battery"]["may"] = "perhaps"
    path.write_text(yaml.safe_dump(policy, allow_unicode=True), encoding="utf-8")
    with pytest.raises(PolicyError, match=r"sending\.yml: .*goods\.battery\.may"):
        Sending.from_file(path)
    policy["goods"]["battery"]["may"] = "never"
    del policy["goods"]["fragile"]
    path.write_text(yaml.safe_dump(policy, allow_unicode=True), encoding="utf-8")
    with pytest.raises(PolicyError, match="fragile"):
        Sending.from_file(path)


@pytest.mark.parametrize(
    ("number", "right"),
    [
        (TAX, True),
        ("91350100M000100Y44", False),
        ("91350100M000100Y34", False),
        ("91350100I000100Y43", False),
        ("110105123456789", True),
        ("1101051234567A9", False),
        ("9135010", False),
    ],
)
def test_tax_numbers_have_a_check_digit(number: str, right: bool) -> None:
    assert invoices.right_tax_number(number) is right


def test_any_one_wrong_sign_is_noticed() -> None:
    for at in range(18):
        for sign in "0123456789ABCDEFGHJKLMNPQRTUWXY":
            if sign != TAX[at]:
                assert not invoices.right_tax_number(TAX[:at] + sign + TAX[at + 1 :])


@pytest.mark.parametrize(
    ("text", "asked", "told"),
    [
        (f"杭州某某贸易有限公司 {TAX} cw@example.com", "title",
         Told("杭州某某贸易有限公司", TAX, "cw@example.com")),
        (f"抬头：某某有限公司，税号{TAX.lower()}", None, Told("某某有限公司", TAX, None)),
        ("SF2048571639204开个电子发票", None, Told()),
        ("123456789012345 开发票", None, Told()),
        ("税号 110105123456789", None, Told(None, "110105123456789", None)),
        ("my email is a.b@example.co.uk, title: Acme Ltd", None,
         Told("Acme Ltd", None, "a.b@example.co.uk")),
        ("张三", "title", Told("张三", None, None)),
        ("我还没想好", None, Told()),
    ],
)  # fmt: skip
def test_what_a_message_tells_of_an_invoice(text: str, asked: str | None, told: Told) -> None:
    assert invoices.read(text, asked) == told


def test_a_company_is_known_by_its_name() -> None:
    rules = policies.load(POLICIES / "invoices.yml", InvoicePolicy)
    assert rules.is_company("杭州某某贸易有限公司")
    assert rules.is_company("Acme Ltd")
    assert not rules.is_company("张三")
    assert rules.needs_person("能开专票吗")

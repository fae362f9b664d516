"""What a supervisor looks back at."""

from __future__ import annotations

from tests.desk.afternoon import fill
from tests.desk.world import World


def results(world: World, query: str) -> str:
    page: str = world.signed_in("chen").get("/desk/review", params={"q": query}).text
    return page


def test_two_chinese_characters_are_found_and_marked(world: World) -> None:
    world.say("a", "我的退款什么时候到账")
    world.say("b", "退货的款式不对")
    page = results(world, "退款")
    assert "“退款” 有 1 条结果" in page
    assert "<mark>退款</mark>什么时候到账" in page


def test_notes_and_latin_words_in_any_case_are_found(world: World) -> None:
    case_id = world.waiting("emma", "Where is my VASE?")
    world.signed_in("lili").call(f"/api/cases/{case_id}/note", {"text": "vase insured"})
    page = results(world, "vase")
    assert "有 2 条结果" in page
    assert "<mark>VASE</mark>" in page


def test_a_search_without_results_says_so_kindly(world: World) -> None:
    assert "没有对话提到“不存在的词”" in results(world, "不存在的词")
    assert "没有对话提到“%_”" in results(world, "%_")


def test_a_search_for_nothing_shows_everything(world: World) -> None:
    world.say("a", "你好呀")
    assert "你好呀" in results(world, "  ")


def test_a_transcript_says_who_said_what_with_notes_events_and_the_packet(world: World) -> None:
    cases = fill(world)
    chen = world.signed_in("chen")
    chen.press(f"/desk/cases/{cases['周敏']}/take")
    chen.press(f"/desk/cases/{cases['周敏']}/note", text="已联系嘉兴")
    chen.press(f"/desk/cases/{cases['周敏']}/resolve", outcome="solved")
    page = chen.get(f"/desk/review/{world.key_of(cases['周敏'])}").text
    for words in (
        "周敏", "机器人", "等到 18:00 螃蟹都死了", "已联系嘉兴", "陈主管 接手了会话", "当场解决",
        "陈主管 标记为已解决", "生鲜药品告急", "94%", "SF1390275846129", "嘉兴中转场",
        "高速因大雾封路", "已为您登记加急工单",
    ):  # fmt: skip
        assert words in page, words
    earlier = chen.get(f"/desk/cases/{cases['周敏']}").text
    assert "你好，我的快递什么时候到？" in earlier


def test_many_conversations_are_leafed_through(world: World) -> None:
    for number in range(45):
        world.say(f"customer-{number}", f"第 {number} 位")
    chen = world.signed_in("chen")
    first = chen.get("/desk/review").text
    assert "第 44 位" in first
    assert "第 4 位" not in first
    older = first.split('href="/desk/review?before=')[1].split('"')[0]
    second = chen.get(f"/desk/review?before={older}").text
    assert "第 4 位" in second
    assert "第 44 位" not in second

"""Cases on the desk: one takes, writes, notes, and gives back."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest

from conversations import repository as record
from conversations.models import Author, Conversation, Holder, Kind
from conversations.schemas import Button
from store import clock
from tests.desk.world import Browser, World
from tickets.models import Urgency
from tickets.urgency import Verdict


def toast(answer: Any) -> str:
    """The words of the toast an answer shows."""
    text: str = json.loads(answer.headers["hx-trigger"])["desk:toast"]["text"]
    return text


def said_to_customer(world: World, case_id: int) -> list[str]:
    """All that the customer may read."""
    case = world.case(case_id)
    with world.database.read() as session:
        conversation = session.get_one(Conversation, case.conversation_id)
        found = record.customer_messages(session, conversation.customer_id)
        return [message.text for message in found]


def holder_of(world: World, case_id: int) -> str:
    with world.database.read() as session:
        return session.get_one(Conversation, world.case(case_id).conversation_id).holder


def test_of_two_agents_who_take_at_once_one_wins_and_the_other_reads_the_name(
    world: World,
) -> None:
    names = {"lili": "李丽", "wangwei": "王伟"}
    browsers = {login: world.signed_in(login) for login in names}
    for turn in range(5):
        case_id = world.waiting(f"customer-{turn}")
        start = threading.Barrier(2)
        answers: dict[str, Any] = {}

        def take(
            login: str,
            case_id: int = case_id,
            start: threading.Barrier = start,
            answers: dict[str, Any] = answers,
        ) -> None:
            start.wait()
            answers[login] = browsers[login].press(f"/desk/cases/{case_id}/take")

        threads = [threading.Thread(target=take, args=(login,)) for login in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answer.status_code for answer in answers.values()) == [200, 409]
        winner, loser = sorted(answers, key=lambda login: answers[login].status_code)
        assert toast(answers[loser]) == f"{names[winner]} 已经先接手了这位客户。"
        assert "desk:stale" in answers[loser].headers["hx-trigger"]
        with world.database.read() as session:
            joined = [m for m in record.messages(session, world.case(case_id).conversation_id)
                      if m.kind == Kind.TEXT and m.author == Author.SYSTEM]  # fmt: skip
        assert len(joined) == 1


def test_a_program_that_comes_second_is_told_who_has_the_case(world: World) -> None:
    case_id = world.waiting()
    assert world.signed_in("wangwei").call(f"/api/cases/{case_id}/take").status_code == 200
    late = world.signed_in("lili").call(f"/api/cases/{case_id}/take")
    assert (late.status_code, late.json()["by"]) == (409, "王伟")
    assert late.json()["message"] == "王伟 已经先接手了这位客户。"


def test_a_reply_sent_twice_reaches_the_customer_once(world: World) -> None:
    case_id = world.waiting()
    lili = world.signed_in("lili")
    lili.press(f"/desk/cases/{case_id}/take")
    for _ in range(2):
        answer = lili.press(f"/desk/cases/{case_id}/reply", text="马上为您查", key="one-render")
        assert answer.status_code == 200
    assert said_to_customer(world, case_id).count("马上为您查") == 1
    repeated = lili.call(f"/api/cases/{case_id}/reply", {"text": "马上为您查", "key": "one-render"})
    assert repeated.json() == {"message_id": None, "repeated": True, "promises": []}


def test_each_answer_to_a_reply_brings_the_key_of_the_next(world: World) -> None:
    case_id = world.waiting()
    lili = world.signed_in("lili")
    lili.press(f"/desk/cases/{case_id}/take")
    pages = [
        lili.press(f"/desk/cases/{case_id}/reply", text=f"第 {turn} 句", key=f"k{turn}").text
        for turn in range(2)
    ]
    keys = {page.split('id="reply-key" name="key" value="')[1].split('"')[0] for page in pages}
    assert len(keys) == 2


def test_a_note_stays_in_the_house(world: World) -> None:
    case_id = world.waiting()
    lili = world.signed_in("lili")
    lili.press(f"/desk/cases/{case_id}/take")
    lili.press(f"/desk/cases/{case_id}/reply", text="您好")
    assert lili.press(f"/desk/cases/{case_id}/note", text="客户是老主顾").status_code == 200
    world.signed_in("wangwei").call(f"/api/cases/{case_id}/note", {"text": "我认识他"})
    read = said_to_customer(world, case_id)
    assert "您好" in read
    assert not {"客户是老主顾", "我认识他"} & set(read)
    with world.database.read() as session:
        conversation_id = world.case(case_id).conversation_id
        notes = [m.id for m in record.messages(session, conversation_id) if m.kind == Kind.NOTE]
        assert len(notes) == 2
        assert record.outbox_of(session, notes) == {}
    page = lili.get(f"/desk/cases/{case_id}").text
    assert "内部备注 · 客户看不到" in page
    assert "我认识他" in page


def test_resolving_gives_the_customer_back_and_keeps_the_outcome(world: World) -> None:
    case_id = world.waiting()
    lili = world.signed_in("lili")
    lili.press(f"/desk/cases/{case_id}/take")
    answer = lili.press(
        f"/desk/cases/{case_id}/resolve", outcome="redelivery", detail="今晚 8 点前"
    )
    assert toast(answer) == "已解决，辛苦了。"
    assert answer.headers["hx-push-url"] == "/desk"
    assert (world.case(case_id).state, holder_of(world, case_id)) == ("resolved", Holder.BOT)
    page = lili.get(f"/desk/cases/{case_id}").text
    assert "这个会话已解决" in page
    assert "已安排派送 · 今晚 8 点前" in page


def test_handing_back_lets_the_bot_speak_again(world: World) -> None:
    case_id = world.waiting()
    lili = world.signed_in("lili")
    lili.press(f"/desk/cases/{case_id}/take")
    assert holder_of(world, case_id) == Holder.AGENT
    assert lili.press(f"/desk/cases/{case_id}/hand-back").status_code == 200
    assert (world.case(case_id).state, holder_of(world, case_id)) == ("returned", Holder.BOT)


def test_without_scripts_a_form_leads_back_to_the_page(world: World) -> None:
    case_id = world.waiting()
    lili = world.signed_in("lili")
    for path in ("take", "reply", "note"):
        answer = lili.press(f"/desk/cases/{case_id}/{path}", htmx=False, text="您好")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/desk/cases/{case_id}")


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "{{ 7 * 7 }}",
        "' onmouseover='alert(1)",
        "<!-- ]]> --> </title>",
    ],
)
def test_hostile_words_are_shown_as_words(world: World, text: str) -> None:
    conversation_id = world.say(text, text, name=text)
    world.bot_says(conversation_id, text, (Button(text, text),))
    case_id = world.hand_over(conversation_id, rule=text[:60], reason=text[:40], waybill_no=text)
    pages = [
        world.signed_in("lili").get(f"/desk/cases/{case_id}").text,
        world.signed_in("chen").get("/desk/review", params={"q": text}).text,
        world.signed_in("chen").get(f"/desk/review/{world.key_of(case_id)}").text,
    ]
    for page in pages:
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "' onmouseover='" not in page
        assert "<!-- ]]>" not in page
        assert text[:5].replace("<", "&lt;").replace('"', "&#34;").replace("'", "&#39;").replace(
            ">", "&gt;"
        ) in page  # fmt: skip


@pytest.mark.parametrize("text", ["", "   ", "\x00", "\u202e"])
def test_words_that_are_nothing_are_refused_with_a_sentence(world: World, text: str) -> None:
    case_id = world.waiting()
    lili = world.signed_in("lili")
    lili.press(f"/desk/cases/{case_id}/take")
    before = said_to_customer(world, case_id)
    answer = lili.press(f"/desk/cases/{case_id}/reply", text=text)
    assert (answer.status_code, toast(answer)) == (422, "内容不能用，请检查后再试。")
    assert said_to_customer(world, case_id) == before


def test_a_reply_that_is_too_long_is_refused_with_a_sentence(world: World) -> None:
    case_id = world.waiting()
    lili = world.signed_in("lili")
    lili.press(f"/desk/cases/{case_id}/take")
    answer = lili.press(f"/desk/cases/{case_id}/reply", text="长" * 100_000)
    assert (answer.status_code, toast(answer)) == (413, "内容太长了，请分几次发。")


@pytest.mark.parametrize("case_id", ["0", "-1", "999", "99999999999999999999", "abc", "%00"])
def test_an_unknown_case_is_a_sentence_and_no_error(world: World, case_id: str) -> None:
    lili = world.signed_in("lili")
    for path in (f"/desk/cases/{case_id}", f"/desk/cases/{case_id}/thread"):
        answer = lili.get(path)
        assert answer.status_code in (404, 422)
        assert "出了点问题" in answer.text
    assert lili.get(f"/api/cases/{case_id}").status_code in (404, 422)


def test_the_queue_is_ordered_by_urgency_then_by_waiting(world: World) -> None:
    with clock.frozen(clock.now()) as move:
        order: list[int] = []
        for who, colour in (("a", "green"), ("b", "red"), ("c", "yellow"), ("d", "red")):
            verdict = Verdict(Urgency(colour), "problem_reported")
            order.append(world.waiting(who, verdict=verdict))
            move(clock.now() + timedelta(minutes=1))
    rows = world.signed_in("lili").get("/api/cases").json()["cases"]
    a, b, c, d = order
    assert [row["id"] for row in rows] == [b, d, c, a]


def test_a_row_says_who_waits_why_and_until_when(world: World) -> None:
    case_id = world.hand_over(world.say("emma", "My vase is broken", name="Emma"))
    row = world.signed_in("lili").get("/api/cases").json()["cases"][0]
    assert row["customer"] == "Emma"
    assert row["last_words"] == "My vase is broken"
    assert row["due_at"] is not None
    page = world.signed_in("lili").get("/desk").text
    for words in ("Emma", "My vase is broken", "客户要求转人工", "较急", "网页"):
        assert words in page
    lili = world.signed_in("lili")
    lili.press(f"/desk/cases/{case_id}/take")
    assert lili.get("/api/cases").json()["cases"][0]["unanswered"] is True
    lili.press(f"/desk/cases/{case_id}/reply", text="On it")
    answered = lili.get("/api/cases").json()["cases"][0]
    assert (answered["unanswered"], answered["due_at"]) == (False, None)


def test_the_reply_quota_of_a_channel_counts_down_and_comes_back(world: World) -> None:
    conversation_id = world.say("gao", "快点", channel="wechat")
    case_id = world.hand_over(conversation_id)
    lili = world.signed_in("lili")

    def left() -> int:
        answer: int = lili.get(f"/api/cases/{case_id}").json()["replies_left"]
        return answer

    assert left() == 5
    lili.press(f"/desk/cases/{case_id}/take")  # the customer is told who came
    lili.press(f"/desk/cases/{case_id}/reply", text="您好")
    assert left() == 3
    world.say("gao", "在吗", channel="wechat")
    assert left() == 5


def test_the_packet_is_served_as_it_was_stored(world: World) -> None:
    case_id = world.waiting()
    packet = world.signed_in("wangwei").get(f"/api/cases/{case_id}/packet").json()
    assert packet == world.case(case_id).packet
    assert packet["version"] == 1
    assert packet["intents"][0] == {"name": "ask_human", "confidence": 0.91}


def test_the_thread_is_fetched_only_when_it_changed_and_whole_when_the_case_moved_on(
    world: World,
) -> None:
    case_id = world.waiting()
    lili = world.signed_in("lili")
    thread = f"/desk/cases/{case_id}/thread"
    standing = lili.get(f"/desk/cases/{case_id}").text.split("standing=")[1].split('"')[0]
    first = lili.get(thread).text
    seen = first.split('name="seen" value="')[1].split('"')[0]
    assert lili.get(thread, params={"seen": seen}).status_code == 204
    world.say("visitor-1", "在吗？")
    assert "在吗？" in lili.get(thread, params={"seen": seen, "standing": standing}).text
    world.signed_in("wangwei").press(f"/desk/cases/{case_id}/take")
    moved = lili.get(thread, params={"seen": seen, "standing": standing})
    assert (moved.status_code, moved.headers["hx-trigger"]) == (204, "desk:stale")
    assert "王伟 正在接待这位客户" in lili.get(f"/desk/cases/{case_id}").text


def test_no_page_is_kept_by_a_cache_or_runs_foreign_scripts(world: World) -> None:
    case_id = world.waiting()
    chen = world.signed_in("chen")
    for path in ("/desk", f"/desk/cases/{case_id}", "/desk/review", "/desk/review/none"):
        answer = chen.get(path)
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert " style=" not in answer.text
        assert " onclick=" not in answer.text


def signed_in_everywhere(world: World) -> list[Browser]:
    return [world.signed_in(login) for login in ("lili", "wangwei", "chen")]


def test_an_empty_desk_is_kind(world: World) -> None:
    for browser in signed_in_everywhere(world):
        page = browser.get("/desk").text
        assert "没有客户在等，喘口气吧。" in page
        assert "现在很安静" in page

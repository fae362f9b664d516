"""ask_sending_rules: may it be sent, why (not), and how to pack it or what to do instead."""

from __future__ import annotations

from actions.asking import Answer, told
from actions.draft import Asked, Draft
from actions.turn import Turn, joined
from parcels.quantities import plain
from parcels.sending import Topic, Verdict


class Rules:
    """What may be sent and how to pack it; or one of the rules about sending."""

    def hear(self, turn: Turn, draft: Draft) -> Draft:
        draft = draft.without("goods", "rule")
        named = turn.given_now("goods")
        if named is None and draft.asked == "goods" and len(turn.text) <= 20:
            named = turn.text.strip(" 。.!！?？") or None
        found = turn.services.sending.verdict(turn.text, named, turn.services.goods)
        if found is None:
            return draft
        return told(draft, {"goods": found.goods, "rule": found.rule})

    def missing(self, turn: Turn, draft: Draft) -> Asked | None:
        known = self._verdict(turn, draft) or turn.services.sending.topic(draft.said)
        return None if known else "goods"

    def why(self, turn: Turn, draft: Draft) -> str | None:
        return self.general(turn) if draft.asked is None else None

    def answer(self, turn: Turn, draft: Draft) -> Answer:
        verdict = self._verdict(turn, draft)
        topic = turn.services.sending.topic(turn.text)
        words = [
            self._judged(turn, verdict) if verdict else None,
            self._about(turn, topic) if topic else None,
        ]
        return (joined(words, turn.language),), ()

    def general(self, turn: Turn) -> str:
        return turn.say("sending.general", **self._limits(turn))

    def _verdict(self, turn: Turn, draft: Draft) -> Verdict | None:
        """What was told in this question; another question's goods are not its own."""
        rule = draft.details.get("rule")
        if rule is None:
            return None
        return Verdict(draft.details["goods"], rule, turn.services.sending.policy.goods[rule].may)

    def _judged(self, turn: Turn, verdict: Verdict) -> str:
        goods = verdict.goods if turn.language == "zh" else verdict.goods.capitalize()
        if verdict.may == "never":
            goods = verdict.goods
        parts = [
            turn.say(f"sending.may.{verdict.may}", goods=goods),
            turn.say(f"sending.goods.{verdict.rule}.why"),
            turn.say(f"sending.goods.{verdict.rule}.how"),
        ]
        return joined(parts, turn.language)

    def _about(self, turn: Turn, topic: Topic) -> str:
        insurance = turn.services.tariffs.policy.insurance
        facts: dict[Topic, dict[str, object]] = {
            "limits": dict(self._limits(turn)),
            "insurance": {
                "rate": plain(insurance.rate * 100),
                "minimum": plain(insurance.minimum),
                "most": insurance.most,
            },
        }
        return turn.say(f"sending.topic.{topic}", **facts.get(topic, {}))

    def _limits(self, turn: Turn) -> dict[str, int]:
        limits = turn.services.tariffs.policy.limits
        return {"weight": limits.weight_kg, "side": limits.side_cm}

"""What a gate answers, and why."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo.engine.gates.decision import (
    GateDecision,
    Verdict,
    decision_from_json,
    decision_record,
    previous_decision,
)
from slo.engine.gates.evaluate import evaluate, evaluate_without_numbers
from slo.engine.gates.incidents import Incident
from slo.engine.gates.policy import DEFAULT_POLICY, GatePolicy
from slo.engine.gates.reason_codes import CODES, Code
from slo.engine.gates.request import GateRequest
from slo.engine.gates.verdict_github import commands
from slo.engine.gates.verdict_text import lines
from slo.engine.ledger.records import Freeze, Override, Target
from slo.engine.status.model import Budget, Period, SloStatus, State

from .built import DAYS, NOW, page, policy, snapshot, status

ASK = GateRequest("checkout")


def ask(
    *statuses: SloStatus,
    by: GatePolicy = DEFAULT_POLICY,
    request: GateRequest = ASK,
    now: float = NOW,
    **more: object,
) -> GateDecision:
    return evaluate(by, request, snapshot(*statuses), now=now, **more)  # type: ignore[arg-type]


def said(decision: GateDecision) -> tuple[str, list[str]]:
    """Return the verdict and the codes of the reasons."""
    return decision.verdict.value, [str(reason.code) for reason in decision.reasons]


def effects(decision: GateDecision) -> dict[str, str]:
    return {str(reason.code): reason.effect.value for reason in decision.reasons}


class TestBudget:
    def test_enough_of_it_allows(self) -> None:
        assert ("allow", ["budget_ok"]) == said(ask(status(0.5)))

    def test_little_of_it_warns_and_allows(self) -> None:
        decision = ask(status(0.2))

        assert ("allow", ["budget_ok", "budget_low"]) == said(decision)
        assert "warn" == effects(decision)["budget_low"]

    @pytest.mark.parametrize("left", [0.0, -0.12, -53.0])
    def test_none_of_it_denies(self, left: float) -> None:
        decision = ask(status(left))

        assert ("deny", ["budget_spent"]) == said(decision)
        assert "checkout/availability" == decision.reasons[0].slo

    def test_the_smallest_rest_of_it_allows(self) -> None:
        assert Verdict.ALLOW is ask(status(1e-9)).verdict

    def test_the_first_rule_that_covers_the_slo_decides(self) -> None:
        by = policy(
            "rules:\n"
            "  - {name: critical, tiers: [critical], environments: ['prod*'], deny_at: 30, "
            "warn_at: 50}\n"
            "  - {name: payments, slos: ['payments/*'], deny_at: false}\n"
        )

        critical = ask(status(0.3, tier="critical"), by=by)
        staging = ask(
            status(0.3, tier="critical"), by=by, request=GateRequest("checkout", (), "staging")
        )
        payments = ask(status(-1, service="payments"), by=by, request=GateRequest("payments"))

        assert ("deny", "critical") == (critical.verdict, critical.slos[0].rule)
        assert ("allow", "default") == (staging.verdict, staging.slos[0].rule)
        assert ("allow", "payments") == (payments.verdict, payments.slos[0].rule)

    def test_of_a_calendar_period_what_will_be_left_counts(self) -> None:
        period = Period("month", "calendar", 30 * DAYS, NOW - 3 * DAYS, NOW + 27 * DAYS, 0.1)

        decision = ask(status(-1.0, projected=0.8, period=period))
        spent = ask(status(-20.0, projected=-1.1, period=period))

        assert (Verdict.ALLOW, 0.8) == (decision.verdict, decision.slos[0].remaining)
        assert "starts anew on" in spent.changes[0]
        assert "in 27 d" in spent.changes[0]

    def test_all_slos_must_pass_and_the_one_that_does_not_is_named(self) -> None:
        decision = ask(status(0.9), status(-0.1, name="latency"), status(-0.5, name="orders"))

        assert Verdict.DENY is decision.verdict
        assert ["checkout/orders", "checkout/latency"] == [r.slo for r in decision.reasons]
        assert ["allow", "deny", "deny"] == [n.verdict.value for n in decision.slos]

    def test_only_the_slos_that_are_asked_for_count(self) -> None:
        found = status(0.9), status(-0.1, name="latency")

        decision = ask(*found, request=GateRequest("checkout", ("availability",)))

        assert ("allow", 1) == (decision.verdict, len(decision.slos))

    def test_every_group_of_an_slo_counts(self) -> None:
        groups = (
            status(0.9, group={"route": "/a"}),
            status(-0.2, group={"route": "/b"}),
        )

        decision = ask(*groups, request=GateRequest("checkout", ("availability",)))

        assert Verdict.DENY is decision.verdict
        assert "checkout/availability{route=/b}" == decision.reasons[0].slo

    @pytest.mark.parametrize(("left_events", "verdict"), [(0.0, "allow"), (-1.0, "deny")])
    def test_an_objective_of_100_has_no_budget_but_may_be_broken(
        self, left_events: float, verdict: str
    ) -> None:
        perfect = replace(status(None), budget=Budget(0.0, remaining_events=left_events))

        assert verdict == ask(perfect).verdict


class TestWords:
    def test_the_same_override_of_several_slos_is_told_once(self) -> None:
        """For people; every SLO has its reason for programs."""
        override = Override("o", Target(), "allow", "Needed.", "ann", NOW - 1, NOW + 5)
        decision = ask(status(-0.5), status(-0.1, name="latency"), overrides=[override])

        told = [reason.message for reason in decision.told]
        assert 2 == sum(reason.code == "override_allows" for reason in decision.reasons)
        assert 1 == sum("Overridden by ann" in message for message in told)
        assert 1 == "\n".join(lines(decision, color=False)).count("Overridden by ann")
        assert 1 == "\n".join(commands(decision)).count("Overridden by ann")

    def test_an_age_just_above_the_limit_does_not_contradict_itself(self) -> None:
        by = policy("max_age: 35s\nfresh_for: 30s")
        near, far = (ask(status(age=age), by=by).reasons[0].message for age in (35.2, 95.0))

        assert "a little more than 35 s old; the policy relies on none older than 35 s" in near
        assert "1 min 35 s old; the policy relies on none older than 35 s" in far

    def test_a_burn_rate_just_above_its_limit_shows_so(self) -> None:
        by = policy("rules: [{name: all, burn_rates: [{window: 1h, above: 14.4}]}]")
        decision = ask(status(burn=14.402), by=by)

        assert "burns 14.402 times as fast" in decision.reasons[0].message
        assert "the limit is 14.4." in decision.reasons[0].message


class TestRecovery:
    BY = policy("rules: [{name: all, deny_at: 0, recover_at: 10}]")

    def test_what_was_denied_stays_so_until_it_has_recovered(self) -> None:
        first = ask(status(-0.1), by=self.BY)
        second = ask(status(0.05), by=self.BY, previous=first)
        third = ask(status(0.1), by=self.BY, previous=second)
        fourth = ask(status(0.05), by=self.BY, previous=third)

        assert ("deny", ["budget_spent"]) == said(first)
        assert ("deny", ["recovering"]) == said(second)
        assert Verdict.ALLOW is third.verdict
        assert Verdict.ALLOW is fourth.verdict

    def test_numbers_that_are_missing_do_not_end_it(self) -> None:
        first = ask(status(-0.1), by=self.BY)
        blind = ask(status(None), by=self.BY, previous=first)
        after = ask(status(0.05), by=self.BY, previous=blind)

        assert Verdict.UNKNOWN is blind.verdict
        assert ("deny", ["recovering"]) == said(after)

    def test_questions_about_other_slos_do_not_end_it(self) -> None:
        found = status(-0.1), status(0.9, name="latency")
        first = ask(*found, by=self.BY)
        other = ask(
            *found, by=self.BY, request=GateRequest("checkout", ("latency",)), previous=first
        )

        assert Verdict.ALLOW is other.verdict
        assert ("checkout/availability",) == other.held

    def test_without_a_threshold_there_is_none(self) -> None:
        by = policy("rules: [{name: all, deny_at: 0}]")

        assert Verdict.ALLOW is ask(status(0.01), by=by, previous=ask(status(-1), by=by)).verdict

    def test_it_survives_the_ledger(self) -> None:
        first = ask(status(-0.1), by=self.BY)
        record = decision_record(first, "ci")
        kept = replace(record, evidence=json.loads(json.dumps(record.evidence)))
        other = decision_record(ask(status(0.9, service="a"), request=GateRequest("a")), "ci")

        assert first == previous_decision([other, kept], ASK)

    def test_the_sentence_says_how_far_it_is(self) -> None:
        (change,) = ask(status(-0.12, burn=0.12), by=self.BY).changes

        # 22 % at (1.12 - 0.12) budgets in 30 days.
        assert change == (
            "checkout/availability: what is left of the budget must rise from -12 % to 10 %: "
            "at the present rate in about 6 d 14 h."
        )

    def test_the_sentence_says_when_it_never_will(self) -> None:
        (change,) = ask(status(-0.12, burn=2.5), by=self.BY).changes

        assert change.endswith("at the present burn rate of 2.5 it will not.")


class TestAge:
    def test_old_numbers_allow_while_the_worst_case_leaves_budget(self) -> None:
        # 1200 s of full outage spend 1200 / (0.001 * 2592000) = 46.3 % of the budget.
        safe, unsafe = ask(status(0.47, age=1200)), ask(status(0.46, age=1200))

        assert ("allow", ["budget_ok", "stale_but_safe"]) == said(safe)
        assert ("unknown", ["stale"]) == said(unsafe)

    def test_less_coverage_makes_the_same_outage_dearer(self) -> None:
        assert Verdict.ALLOW is ask(status(0.9, age=1200)).verdict
        assert Verdict.UNKNOWN is ask(status(0.9, age=1200, coverage=0.5)).verdict

    def test_fresh_numbers_are_taken_as_they_are(self) -> None:
        assert ("allow", ["budget_ok", "budget_low"]) == said(ask(status(0.001, age=300)))

    def test_numbers_beyond_the_limit_are_not_looked_at(self) -> None:
        by = policy("fresh_for: 5m\nmax_age: 10m")

        assert ("unknown", ["stale"]) == said(ask(status(1.0, ratio=0.5, age=601), by=by))
        assert ("unknown", ["stale"]) == said(ask(status(-1.0, age=601), by=by))

    def test_old_bad_news_still_count(self) -> None:
        assert ("deny", ["budget_spent"]) == said(ask(status(-0.1, age=1200)))

    def test_numbers_from_the_future_mean_wrong_clocks(self) -> None:
        assert ("allow", ["budget_ok"]) == said(ask(status(0.5, age=-60)))
        assert ("unknown", ["clock_skew"]) == said(ask(status(0.5, age=-600)))

    @given(
        left=st.floats(-2, 1),
        age=st.floats(0, 5000),
        more_age=st.floats(0, 5000),
        ratio=st.sampled_from([0.1, 0.01, 0.001, 0.0001]),
    )
    def test_waiting_never_turns_another_answer_into_allow(
        self, left: float, age: float, more_age: float, ratio: float
    ) -> None:
        """Without newer numbers, what is not allowed now is not allowed later."""
        now = ask(status(left, age=age, ratio=ratio)).verdict
        later = ask(status(left, age=age + more_age, ratio=ratio)).verdict

        assert Verdict.ALLOW is now or Verdict.ALLOW is not later

    @given(
        left=st.floats(-2, 1),
        age=st.floats(301, 3600),
        outage=st.floats(0, 1),
        ratio=st.sampled_from([0.1, 0.01, 0.001, 0.0001]),
        coverage=st.floats(0.01, 1),
    )
    def test_what_old_numbers_allow_is_still_allowed_after_any_outage(
        self, left: float, age: float, outage: float, ratio: float, coverage: float
    ) -> None:
        """Count events one by one: whatever share of the time was an outage, budget is left."""
        decision = ask(status(left, age=age, ratio=ratio, coverage=coverage))
        measured = coverage * 30 * DAYS
        total = 50.0 * measured
        bad = (1 - left) * ratio * total
        since = 50.0 * age
        left_now = 1 - (bad + outage * since) / (ratio * (total + since))

        if decision.verdict is Verdict.ALLOW:
            assert left_now > 0

    @given(left=st.floats(0, 1), age=st.floats(0, 4000), after=st.floats(0, 4000))
    def test_an_answer_holds_until_it_expires(self, left: float, age: float, after: float) -> None:
        now = ask(status(left, age=age))
        later = ask(status(left, age=age + after), now=NOW)

        if now.verdict is Verdict.ALLOW and NOW + after < now.expires_at - 1e-3:
            assert Verdict.ALLOW is later.verdict


class TestUnknown:
    def test_no_numbers_are_unknown(self) -> None:
        assert ("unknown", ["no_data"]) == said(ask(status(None)))
        assert ("unknown", ["no_data"]) == said(ask(status(0.5, state=State.NO_DATA)))
        assert ("unknown", ["no_data"]) == said(ask(status(0.5, age=None)))
        assert ("unknown", ["no_data"]) == said(ask(status(math.nan)))
        assert ("unknown", ["no_data"]) == said(evaluate(DEFAULT_POLICY, ASK, None, now=NOW))

    def test_little_coverage_is_unknown_where_the_policy_wants_more(self) -> None:
        by = policy("rules: [{name: all, min_coverage: 50}]")

        assert ("unknown", ["coverage_low"]) == said(ask(status(coverage=0.4), by=by))
        assert Verdict.ALLOW is ask(status(coverage=0.5), by=by).verdict
        assert Verdict.ALLOW is ask(status(coverage=None), by=by).verdict

    def test_a_service_that_nobody_knows_gets_a_proposal(self) -> None:
        decision = ask(status(), request=GateRequest("chekout"))

        assert ("unknown", ["service_not_known"]) == said(decision)
        assert "Did you mean `checkout`?" in decision.reasons[0].message

    def test_an_slo_that_nobody_knows_gets_a_proposal(self) -> None:
        decision = ask(status(), request=GateRequest("checkout", ("availabilty", "availability")))

        assert ("unknown", ["slo_not_known"]) == said(decision)
        assert "Did you mean `availability`?" in decision.reasons[0].message

    @pytest.mark.parametrize("word", ["allow", "deny"])
    def test_the_policy_says_what_it_means(self, word: str) -> None:
        by = policy(f"rules: [{{name: all, on_unknown: {word}}}]")

        decision = ask(status(None), by=by)

        assert word == decision.verdict
        assert f"unknown_{'allowed' if word == 'allow' else 'denied'}" == decision.reasons[0].code
        assert {"note"} == {r.effect for r in decision.reasons[1:]}

    @pytest.mark.parametrize("service", ["chekout", "checkout"])
    def test_a_slip_of_the_pen_is_not_allowed_by_it(self, service: str) -> None:
        by = policy("rules: [{name: all, on_unknown: allow}]")

        assert Verdict.UNKNOWN is ask(by=by, request=GateRequest(service)).verdict

    def test_a_service_that_was_known_is_not_taken_for_a_slip(self) -> None:
        by = policy("rules: [{name: all, on_unknown: allow}]")

        decision = ask(by=by, previous=ask(status(), by=by))

        assert ("allow", ["unknown_allowed", "service_not_known"]) == said(decision)

    @pytest.mark.parametrize(("left", "verdict"), [(0.5, "allow"), (-0.5, "deny")])
    def test_the_last_answer_counts_for_a_while(self, left: float, verdict: str) -> None:
        by = policy("rules: [{name: all, on_unknown: {last_known_for: 30m, then: deny}}]")
        known = ask(status(left, age=60), by=by)

        soon = ask(status(None), by=by, previous=known, now=NOW + 1739)
        chained = ask(status(None), by=by, previous=soon, now=NOW + 1740)
        late = ask(status(None), by=by, previous=chained, now=NOW + 1741)

        assert (verdict, "last_known") == (soon.verdict, soon.reasons[0].code)
        assert (verdict, "last_known") == (chained.verdict, chained.reasons[0].code)
        assert ("deny", "unknown_denied") == (late.verdict, late.reasons[0].code)

    def test_the_last_answer_is_that_of_the_numbers_alone(self) -> None:
        """What was let through by an override or a cause is not let through for good."""
        by = policy("rules: [{name: all, on_unknown: {last_known_for: 30m}}]")
        override = Override("o", Target(), "allow", "Needed.", "ann", NOW - 1, NOW + 5)
        known = ask(status(-0.5), by=by, overrides=[override])

        blind = ask(status(None), by=by, previous=known, now=NOW + 10)

        assert Verdict.ALLOW is known.verdict
        assert Verdict.DENY is blind.verdict

    def test_the_last_answer_about_other_slos_says_nothing(self) -> None:
        by = policy("rules: [{name: all, on_unknown: {last_known_for: 30m}}]")
        known = ask(status(0.5), by=by, request=GateRequest("checkout", ("availability",)))

        assert Verdict.UNKNOWN is ask(status(None), by=by, previous=known).verdict

    def test_a_denial_outweighs_what_is_unknown(self) -> None:
        assert Verdict.DENY is ask(status(None), status(-1.0, name="latency")).verdict


class TestBurning:
    def test_a_page_denies(self) -> None:
        decision = ask(status(0.9, alerts=(page(),)))

        assert ("deny", ["page_fires"]) == said(decision)
        assert "over 1h and 5m" in decision.reasons[0].message
        assert decision.slos[0].page

    def test_a_ticket_warns(self) -> None:
        assert ("allow", ["budget_ok", "ticket_fires"]) == said(
            ask(status(0.9, alerts=(page("ticket"),)))
        )

    @pytest.mark.parametrize(
        "alert", [page(state="pending"), page(kind="missing_data")], ids=["pending", "missing data"]
    )
    def test_what_does_not_tell_of_burning_does_not(self, alert: object) -> None:
        assert Verdict.ALLOW is ask(status(0.9, alerts=(alert,))).verdict

    def test_the_policy_may_see_it_otherwise(self) -> None:
        by = policy("rules: [{name: all, page: ignore, ticket: deny}]")

        assert Verdict.ALLOW is ask(status(0.9, alerts=(page(),)), by=by).verdict
        assert Verdict.DENY is ask(status(0.9, alerts=(page("ticket"),)), by=by).verdict

    def test_a_burn_rate_may_have_a_limit(self) -> None:
        by = policy("rules: [{name: all, burn_rates: [{window: 1h, above: 6}]}]")

        assert Verdict.ALLOW is ask(status(0.9, burn=6.0), by=by).verdict
        assert ("deny", ["burns_fast"]) == said(ask(status(0.9, burn=6.1), by=by))


class TestIncidents:
    BY = policy("rules: [{name: all, incident: {share: 20, reviewed_by: 'PM-[0-9]+'}}]")
    LARGE = Incident("checkout/availability", NOW - DAYS, NOW - DAYS + 600, 0.31)

    def asked(self, *incidents: Incident, **request: str) -> GateDecision:
        known = {"checkout/availability": incidents}
        return ask(
            status(0.5), by=self.BY, request=GateRequest("checkout", **request), incidents=known
        )

    def test_a_large_one_denies_until_it_is_reviewed(self) -> None:
        assert ("deny", ["incident_share"]) == said(self.asked(self.LARGE))
        assert Verdict.DENY is self.asked(self.LARGE, reference="OPS-1").verdict

    def test_its_review_is_noted_and_lasts(self) -> None:
        reviewed = self.asked(self.LARGE, reference="PM-7")
        again = self.asked(replace(self.LARGE, review="PM-7"))

        assert Verdict.ALLOW is reviewed.verdict
        assert {self.LARGE.id: "PM-7"} == dict(reviewed.reviews)
        assert Verdict.ALLOW is again.verdict

    def test_a_small_one_does_not_matter(self) -> None:
        assert ("allow", ["budget_ok"]) == said(self.asked(replace(self.LARGE, share=0.2)))

    def test_that_nobody_knows_is_said_once(self) -> None:
        decision = ask(status(), status(name="latency"), by=self.BY)

        assert ("allow", ["budget_ok", "incidents_not_known"]) == said(decision)


class TestFreezes:
    def frozen(self, **more: object) -> Freeze:
        fields = {"start": NOW - 60, "end": NOW + 7200, **more}
        return Freeze("f-1", Target(), reason="Sale.", created_by="a", created_at=0, **fields)  # type: ignore[arg-type]

    def test_a_freeze_of_the_ledger_denies_until_it_ends(self) -> None:
        decision = ask(status(0.9), freezes=[self.frozen()])

        assert ("deny", ["freeze"]) == said(decision)
        assert "in 2 h" in decision.changes[0]

    def test_it_is_said_once_for_several_slos(self) -> None:
        decision = ask(status(0.9), status(0.9, name="latency"), freezes=[self.frozen()])

        assert ("deny", ["freeze"]) == said(decision)

    @pytest.mark.parametrize(
        "more",
        [
            {"start": NOW + 1},
            {"end": NOW},
            {"cancelled_at": NOW - 1},
        ],
        ids=["not yet", "over", "ended"],
    )
    def test_one_that_is_not_in_force_does_not_matter(self, more: dict[str, float]) -> None:
        assert Verdict.ALLOW is ask(status(0.9), freezes=[self.frozen(**more)]).verdict

    def test_it_may_be_for_other_services_or_environments(self) -> None:
        other = replace(self.frozen(), target=Target("search/*"))
        elsewhere = replace(self.frozen(), target=Target("*", "staging"))

        assert Verdict.ALLOW is ask(status(0.9), freezes=[other, elsewhere]).verdict

    def test_it_counts_for_services_that_nobody_knows(self) -> None:
        assert ("deny", ["freeze", "service_not_known"]) == said(ask(freezes=[self.frozen()]))

    def test_an_answer_ends_where_a_freeze_begins(self) -> None:
        decision = ask(status(0.9), freezes=[self.frozen(start=NOW + 100)])

        assert (Verdict.ALLOW, NOW + 100) == (decision.verdict, decision.expires_at)

    def test_a_denial_ends_with_the_freeze(self) -> None:
        assert NOW + 30 == ask(status(0.9), freezes=[self.frozen(end=NOW + 30)]).expires_at

    def test_freezes_alone_can_be_asked_for(self) -> None:
        by = policy("freezes: [{name: today, reason: Sale., dates: [2026-11-24]}]")

        frozen = evaluate_without_numbers(by, ASK, None, now=NOW)
        free = evaluate_without_numbers(by, ASK, None, now=NOW + DAYS)

        assert ("deny", ["freeze"]) == said(frozen)
        assert ("allow", ["budget_ok"]) == said(free)


class TestExemptions:
    BY = policy(
        "rules: [{name: all}]\n"
        "freezes: [{name: today, reason: Sale., slos: ['frozen/*'], dates: [2026-11-24]}]\n"
        "exemptions:\n"
        "  - {cause: security_fix, reference: 'SEC-[0-9]+', approvers: [ann, bob]}\n"
        "  - {cause: rollback, lifts: [budget, burning, incident, freeze, unknown]}\n"
        "  - {cause: test, environments: [staging], lifts: [budget]}\n"
    )

    def asked(self, found: SloStatus, **request: str) -> GateDecision:
        asked = GateRequest(found.service, **request)
        return ask(found, by=self.BY, request=asked)

    def test_a_cause_lifts_what_the_budget_denies(self) -> None:
        decision = self.asked(
            status(-1), cause="security_fix", reference="SEC-1", approved_by="bob"
        )

        assert ("allow", ["exempted", "budget_spent"]) == said(decision)
        assert "security_fix" == decision.exemption
        assert NOW == decision.expires_at

    @pytest.mark.parametrize(
        "request_", [{}, {"reference": "SEC-x", "approved_by": "ann"}, {"reference": "SEC-1"}]
    )
    def test_it_needs_what_the_policy_asks_for(self, request_: dict[str, str]) -> None:
        decision = self.asked(status(-1), cause="security_fix", **request_)

        assert ("deny", ["budget_spent", "exemption_refused"]) == said(decision)
        assert 2 == len(decision.changes)

    def test_it_lifts_nothing_else(self) -> None:
        decision = self.asked(
            status(-1, service="frozen"),
            cause="security_fix",
            reference="SEC-1",
            approved_by="ann",
        )

        assert Verdict.DENY is decision.verdict
        assert {"freeze": "deny", "exempted": "allow", "budget_spent": "note"} == effects(decision)

    def test_a_rollback_may_pass_everything(self) -> None:
        assert Verdict.ALLOW is self.asked(status(-1, service="frozen"), cause="rollback").verdict
        assert Verdict.ALLOW is self.asked(status(None), cause="rollback").verdict

    def test_it_may_be_for_other_environments(self) -> None:
        assert Verdict.DENY is self.asked(status(-1), cause="test").verdict
        assert Verdict.ALLOW is self.asked(status(-1), cause="test", environment="staging").verdict

    def test_a_cause_that_nobody_knows_gets_a_proposal(self) -> None:
        decision = self.asked(status(-1), cause="rolback")

        assert ("deny", ["budget_spent", "cause_not_known"]) == said(decision)
        assert "Did you mean `rollback`?" in decision.reasons[1].message

    def test_it_is_not_named_where_nothing_had_to_be_lifted(self) -> None:
        assert ("allow", ["budget_ok"]) == said(self.asked(status(0.9), cause="rollback"))


class TestOverrides:
    def override(self, verdict: str = "allow", **more: object) -> Override:
        fields = {"created_at": NOW - 10, "expires_at": NOW + 100, "target": Target(), **more}
        return Override("o-1", verdict=verdict, reason="Sale.", created_by="ann", **fields)  # type: ignore[arg-type]

    def test_it_lifts_everything_while_it_lasts(self) -> None:
        freeze = Freeze("f", Target(), NOW - 1, NOW + 1, "Sale.", "a", 0)

        for found in (status(-1), status(None), status(0.9, alerts=(page(),))):
            decision = ask(found, overrides=[self.override()], freezes=[freeze])
            assert (Verdict.ALLOW, "override_allows") == (
                decision.verdict,
                decision.reasons[0].code,
            )
            assert ("o-1", NOW + 100) == (decision.override, decision.expires_at)

    @pytest.mark.parametrize(
        "more",
        [
            {"expires_at": NOW},
            {"created_at": NOW + 1},
            {"revoked_at": NOW - 1},
            {"target": Target("search/*")},
            {"target": Target("*", "staging")},
        ],
    )
    def test_it_does_nothing_otherwise(self, more: dict[str, object]) -> None:
        decision = ask(status(-1), overrides=[self.override(**more)])

        assert (Verdict.DENY, None) == (decision.verdict, decision.override)

    def test_it_may_stop_what_the_policy_allows(self) -> None:
        decision = ask(status(0.9), overrides=[self.override(), self.override("deny")])

        assert ("deny", ["override_denies"]) == said(decision)

    def test_one_for_a_single_slo_leaves_the_others(self) -> None:
        found = status(-1), status(-1, name="latency")
        override = self.override(target=Target("checkout/latency"))

        decision = ask(*found, overrides=[override])

        assert ["deny", "allow"] == [n.verdict.value for n in decision.slos]
        assert Verdict.DENY is decision.verdict

    def test_it_is_not_named_where_nothing_had_to_be_lifted(self) -> None:
        decision = ask(status(0.9), overrides=[self.override()])

        assert (None, ["budget_ok"]) == (decision.override, said(decision)[1])


class TestDryRun:
    @pytest.mark.parametrize("left", [-1.0, None])
    def test_it_allows_and_says_what_would_be(self, left: float | None) -> None:
        decision = ask(status(left), request=GateRequest("checkout", dry_run=True))

        wanted = Verdict.UNKNOWN if left is None else Verdict.DENY
        assert (Verdict.ALLOW, wanted) == (decision.verdict, decision.would_be)
        assert Code.DRY_RUN == decision.reasons[0].code
        assert decision.changes
        assert NOW == decision.expires_at

    def test_a_rule_may_ask_for_it(self) -> None:
        by = policy("rules: [{name: new, slos: ['*/latency'], dry_run: true}, {name: all}]")

        dry = ask(status(0.9), status(-1, name="latency"), by=by)
        both = ask(status(-1), status(-1, name="latency"), by=by)

        assert (Verdict.ALLOW, Verdict.DENY) == (dry.verdict, dry.would_be)
        assert (Verdict.DENY, Verdict.DENY) == (both.verdict, both.would_be)

    def test_of_what_is_allowed_nothing_has_to_be_said(self) -> None:
        decision = ask(status(0.9), request=GateRequest("checkout", dry_run=True))

        assert ("allow", ["budget_ok"]) == said(decision)


class TestDecision:
    def test_goes_over_the_wire_and_back(self) -> None:
        decision = ask(status(-0.1), status(None, name="latency"), by=TestExemptions.BY)

        text = json.dumps(decision.to_json(), allow_nan=False)

        assert decision == decision_from_json(json.loads(text))

    def test_what_a_newer_engine_adds_is_ignored(self) -> None:
        decision = ask(status(0.5))
        body = decision.to_json()
        body["recorded"] = True
        body["request"]["team"] = "a"
        body["slos"][0]["more"] = 1

        assert decision == decision_from_json(body)

    @pytest.mark.parametrize("body", [{}, {"verdict": "perhaps"}, [], None, {"reasons": 1}])
    def test_anything_else_is_refused(self, body: object) -> None:
        with pytest.raises(ValueError, match="not the answer of a gate"):
            decision_from_json(body)  # type: ignore[arg-type]

    def test_its_id_tells_decisions_apart(self) -> None:
        ids = {ask(status(0.5)).id, ask(status(0.6)).id, ask(status(0.5), now=NOW + 1).id}

        assert 3 == len(ids)
        assert ask(status(0.5)).id == ask(status(0.5)).id

    def test_it_names_the_policy(self) -> None:
        by = policy("rules: [{name: all}]")

        decision = ask(status(), by=by)

        assert (by.digest, "test") == (decision.policy, decision.policy_name)
        assert by.digest != policy("rules: [{name: other}]").digest

    def test_ten_thousand_others_do_not_matter(self) -> None:
        others = [status(-1, service=f"service-{n}") for n in range(100)]

        decision = ask(*others, status(0.5), status(0.5, service="check"))

        assert ["checkout/availability"] == [n.slo for n in decision.slos]

    @given(
        lefts=st.lists(st.one_of(st.none(), st.floats(-3, 1)), min_size=1, max_size=5),
        ages=st.lists(st.floats(-500, 8000), min_size=5, max_size=5),
        paging=st.booleans(),
    )
    def test_the_first_reason_always_leads_to_the_verdict(
        self, lefts: list[float | None], ages: list[float], paging: bool
    ) -> None:
        alerts = (page(),) if paging else ()
        found = [
            status(left, name=f"slo-{n}", age=ages[n], alerts=alerts)
            for n, left in enumerate(lefts)
        ]

        decision = ask(*found)

        assert decision.verdict.value == decision.reasons[0].effect.value
        assert (decision.verdict is Verdict.ALLOW) == (not decision.changes)
        assert NOW <= decision.expires_at <= NOW + 600
        assert json.dumps(decision.to_json(), allow_nan=False)


def test_every_code_has_a_meaning() -> None:
    assert set(Code) == set(CODES)

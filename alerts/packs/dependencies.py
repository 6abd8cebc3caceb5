"""Watch calls to third parties that do not come back."""

from __future__ import annotations

from slo.alerts.packs.model import Check, Feed, PackRules, Scenario, counter, wait
from slo.alerts.packs.settings import Settings, Words
from slo.indicators.params import matcher

__all__ = ["build"]

_CALLS = "calls:rate5m"
_TIMEOUTS = "timeouts:rate5m"
_FAILURES = "failures:rate5m"
_WINDOW_SECONDS = 300
# OpenTelemetry repeats the status code of an error answer as its error type; any other type
# means that there was no complete answer.
_ANSWERED = "|[1-5][0-9]{2}"


def build(settings: Settings) -> PackRules:
    """Return the rules on dependencies that time out, and on those that fail altogether."""
    by = settings.by()
    calls, timeouts, failures = map(settings.recorded, (_CALLS, _TIMEOUTS, _FAILURES))

    def rate(*matchers: str) -> str:
        return f"sum {by} (rate({settings.series('metric', *matchers, suffix='_count')}[5m]))"

    # Series of failures are born with the first failure: until then there are none.
    none = f"or 0 * {rate()}"
    error, status = settings.text("error_label"), settings.text("status_label")
    unanswered = rate(matcher(error, "!~", _ANSWERED))
    refused = rate(
        matcher(error, "=~", _ANSWERED), matcher(status, "=~", settings.text("error_status"))
    )
    records = (
        settings.record(_CALLS, rate()),
        settings.record(
            _TIMEOUTS, f"{rate(settings.matcher('error_label', '=~', 'timeouts'))}\n{none}"
        ),
        settings.record(_FAILURES, f"({unanswered}\n{none})\n+ ({refused}\n{none})"),
    )
    least, who = settings.amount("min_bad_calls"), settings.who()
    share = "{{ $value | humanizePercentage }}"

    def enough(bad: str) -> str:
        return f"and {bad} * {_WINDOW_SECONDS} >= {least}"

    alerts = (
        settings.alert(
            "DependencyTimesOut",
            "ticket",
            f"{timeouts} / {calls} > {settings.amount('timeout_share')}\n{enough(timeouts)}",
            Words(
                f"{who}: calls time out",
                f"{share} of the calls of {who} ran into their timeout in the last five minutes.",
                "the status page of the third party, and whether one region or route is hit alone.",
            ),
            settings.duration("for"),
        ),
        settings.alert(
            "DependencyDown",
            "page",
            f"{failures} / {calls} > {settings.amount('failure_share')}\n{enough(failures)}",
            Words(
                f"{who}: most calls fail",
                f"{share} of the calls of {who} failed in the last five minutes.",
                "whether users feel it: the error budget of the service that calls. If so, open "
                "the breaker or switch the feature off.",
            ),
            settings.duration("for"),
        ),
    )
    return PackRules(records, alerts, _scenarios(settings))


def _scenarios(settings: Settings) -> tuple[Scenario, ...]:
    labels = settings.thing(job="checkout", server_address="pay.example.com")
    lasting = wait(settings.duration("for"))
    outage = 2 * lasting + 10
    least = float(settings.number("min_bad_calls"))
    timeout_share = float(settings.number("timeout_share"))
    failure_share = float(settings.number("failure_share"))
    # Calls a minute, so many that the guard on bad ones is no question.
    busy = 100 * max(1.0, least) / timeout_share
    error, status = settings.text("error_label"), settings.text("status_label")
    good = {**labels, status: "200"}
    late = {**labels, error: "timeout"}
    broken = {**labels, status: "503", error: "503"}

    def feed(kind: dict[str, str], values: str) -> Feed:
        return Feed(settings.sample("metric", "_count", **kind), values)

    def story(kind: dict[str, str], share: float, calls: float) -> tuple[Feed, ...]:
        return (
            feed(good, counter((calls, 10), (calls * (1 - share), outage), (calls, 30))),
            feed(kind, counter((0, 10), (calls * share, outage), (0, 30))),
        )

    some = min(1.0, timeout_share * 1.5)
    most = (1 + failure_share) / 2
    fired, over = 10 + lasting + 6, 10 + outage + 6
    few = Scenario(
        "all of very few calls time out",
        story(late, 1.0, least / 20),
        (Check("DependencyTimesOut", fired, 0), Check("DependencyDown", fired, 0)),
    )
    return (
        Scenario(
            "some calls time out, then none",
            story(late, some, busy),
            (
                Check("DependencyTimesOut", 10, 0),
                Check("DependencyTimesOut", fired, 1),
                Check("DependencyTimesOut", over, 0),
            ),
        ),
        Scenario(
            "most calls get a server error, then none",
            story(broken, most, busy),
            (
                Check("DependencyDown", 10, 0),
                Check("DependencyDown", fired, 1),
                Check("DependencyDown", over, 0),
                Check("DependencyTimesOut", fired, 0),
            ),
        ),
        *((few,) if least > 1 else ()),
        Scenario(
            "the caller restarts again and again",
            (
                feed(good, counter(*[(busy, 7)] * 8, resets=range(1, 8))),
                feed(late, counter(*[(busy * timeout_share / 10, 7)] * 8, resets=range(1, 8))),
            ),
            (Check("DependencyTimesOut", 55, 0), Check("DependencyDown", 55, 0)),
        ),
        Scenario(
            "client errors are the caller's own",
            (feed({**labels, status: "404", error: "404"}, counter((busy, 40 + lasting))),),
            (Check("DependencyDown", 39 + lasting, 0),),
        ),
    )

"""Corrections and freezes apply when their rules say, in local time."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from slo.engine.ledger.records import Freeze
from slo.engine.ledger.recurrence import MOST_REPETITIONS, check_recurrence, occurrences
from slo.errors import InvalidRecord

from .samples import DAY, HOUR, NOW, correction, freeze

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: ZoneInfo = BERLIN) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


def recurring(start: str, rule: str, hours: float = 1, zone: str = "Europe/Berlin") -> Freeze:
    first = at(start, ZoneInfo(zone))
    return freeze(start=first, end=first + hours * HOUR, recurrence=rule, time_zone=zone)


def local_starts(record: Freeze, start: str, end: str) -> list[str]:
    zone = ZoneInfo(record.time_zone)
    found = occurrences(record, at(start, zone), at(end, zone))
    return [datetime.fromtimestamp(first, zone).strftime("%m-%d %H:%M") for first, _ in found]


class TestOnce:
    def test_applies_as_it_stands(self) -> None:
        record = correction(start=NOW, end=NOW + HOUR)

        assert ((NOW, NOW + HOUR),) == occurrences(record, NOW - DAY, NOW + DAY)
        assert ((NOW, NOW + HOUR),) == occurrences(record, NOW + 60, NOW + 120)
        assert ((NOW + 60, NOW + 120),) == occurrences(record, NOW + 60, NOW + 120, clip=True)

    @pytest.mark.parametrize(
        ("start", "end", "touches"),
        [(-1, 0, False), (0, 0, True), (3599, 3599, True), (3600, 3600, False), (3600, 9e9, False)],
    )
    def test_is_half_open(self, start: float, end: float, touches: bool) -> None:
        record = correction(start=NOW, end=NOW + HOUR)

        assert touches == bool(occurrences(record, NOW + start, NOW + end))

    def test_never_applies_once_a_correction_is_taken_back(self) -> None:
        assert () == occurrences(correction(cancelled_at=NOW), 0, NOW + DAY)

    def test_applies_until_a_freeze_was_ended(self) -> None:
        record = freeze(start=NOW, end=NOW + DAY, cancelled_at=NOW + 60)

        assert ((NOW, NOW + 60),) == occurrences(record, NOW, NOW + DAY)
        assert () == occurrences(record, NOW + 60, NOW + DAY)


class TestRules:
    def test_keep_local_time_when_clocks_change(self) -> None:
        record = recurring("2026-10-22T09:00", "FREQ=DAILY")

        assert [f"10-{day} 09:00" for day in (23, 24, 25, 26)] == local_starts(
            record, "2026-10-23", "2026-10-27"
        )
        gaps = [b - a for (a, _), (b, _) in pairwise(occurrences(record, NOW, NOW + 90 * DAY))]
        assert {DAY, DAY + HOUR} == set(gaps)
        assert 1 == gaps.count(DAY + HOUR)

    def test_take_a_skipped_time_an_hour_later(self) -> None:
        """On 28 March 2027 there is no 2:30 in Berlin."""
        record = recurring("2027-03-26T02:30", "FREQ=DAILY", 0.5)

        assert ["03-27 02:30", "03-28 03:30", "03-29 02:30"] == local_starts(
            record, "2027-03-27", "2027-03-30"
        )

    def test_take_a_doubled_time_once(self) -> None:
        """On 25 October 2026 there are two 2:30 in Berlin."""
        record = recurring("2026-10-24T02:30", "FREQ=DAILY", 0.5)
        found = occurrences(record, at("2026-10-25"), at("2026-10-26"))

        assert [datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp()] == [a for a, _ in found]

    def test_for_every_hour_miss_none_when_clocks_change(self) -> None:
        record = recurring("2026-01-01T00:15", "FREQ=HOURLY", 0.25)
        for day in ("2026-03-29", "2026-10-25", "2026-07-01"):
            start = at(day) - 6 * HOUR
            found = occurrences(record, start, start + 36 * HOUR)

            assert [start + 900 + i * HOUR for i in range(36)] == [a for a, _ in found]

    def test_merge_what_meets(self) -> None:
        record = recurring("2026-09-01T00:00", "FREQ=HOURLY", 1)
        start = at("2026-09-10")

        assert ((start, start + DAY),) == occurrences(record, start, start + DAY, clip=True)

    def test_count_from_the_first_one(self) -> None:
        record = recurring("2026-09-01T09:00", "FREQ=DAILY;COUNT=3")

        assert ["09-01 09:00", "09-02 09:00", "09-03 09:00"] == local_starts(
            record, "2026-01-01", "2027-01-01"
        )

    @pytest.mark.parametrize(
        "until", ["20260903", "20260903T090000", "20260903T070000Z", "20260903T085959"]
    )
    def test_end_by_date_local_time_or_utc(self, until: str) -> None:
        record = recurring("2026-09-01T09:00", f"FREQ=DAILY;UNTIL={until}")
        found = local_starts(record, "2026-01-01", "2027-01-01")

        assert (2 if until.endswith("59") else 3) == len(found)

    def test_name_days_of_the_month_and_week(self) -> None:
        last_friday = recurring("2026-01-01T18:00", "RRULE:FREQ=MONTHLY;BYDAY=-1FR")
        workdays = recurring("2026-01-01T18:00", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1")

        assert ["10-30 18:00", "11-27 18:00"] == local_starts(
            last_friday, "2026-10-01", "2026-12-01"
        )
        assert ["10-30 18:00", "11-30 18:00"] == local_starts(workdays, "2026-10-01", "2026-12-01")


RULES = st.one_of(
    st.builds("FREQ=HOURLY;INTERVAL={}".format, st.integers(1, 50)),
    st.builds("FREQ=DAILY;INTERVAL={}".format, st.integers(1, 20)),
    st.builds("FREQ=DAILY;COUNT={}".format, st.integers(1, 60)),
    st.builds("FREQ=DAILY;BYHOUR={},{}".format, st.integers(0, 11), st.integers(12, 23)),
    st.builds(
        "FREQ=WEEKLY;INTERVAL={};WKST={};BYDAY={},{}".format,
        st.integers(1, 4),
        st.sampled_from(["MO", "SU"]),
        st.sampled_from(["MO", "TU", "WE"]),
        st.sampled_from(["FR", "SA", "SU"]),
    ),
    st.builds("FREQ=MONTHLY;BYMONTHDAY={}".format, st.integers(1, 28)),
    st.builds("FREQ=YEARLY;BYMONTH={};BYDAY=1MO".format, st.integers(1, 12)),
)


class TestAgainstTheWholeRule:
    @settings(max_examples=150, deadline=None)
    @given(
        rule=RULES,
        first=st.integers(447_000, 456_000),
        length=st.integers(1, 100),
        offset=st.integers(-2_000, 9_000),
        span=st.integers(0, 1_000),
        zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
    )
    def test_any_window_sees_what_the_whole_rule_has(
        self, rule: str, first: int, length: int, offset: int, span: int, zone: str
    ) -> None:
        """Stepping ahead to the window changes nothing, and what is merged covers the same."""
        start, end = first * HOUR, (first + length) * HOUR
        record = freeze(start=start, end=end, recurrence=rule, time_zone=zone)
        low = (first + offset) * HOUR
        high = low + span * HOUR
        local = datetime.fromtimestamp(start, ZoneInfo(zone)).replace(tzinfo=None)
        limit = datetime.fromtimestamp(high, ZoneInfo(zone)).replace(tzinfo=None)
        folds = (0, 1) if rule == "FREQ=HOURLY;INTERVAL=1" else (0,)
        wanted = set()
        for moment in rrulestr(rule, dtstart=local):
            if moment > limit + timedelta(days=2):
                break
            for fold in folds:
                begin = moment.replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()
                if begin + length * HOUR > low and (begin < high or begin == low == high):
                    wanted.add((begin, begin + length * HOUR))
        found = occurrences(record, low, high)

        assert {a for a, _ in found} <= {a for a, _ in wanted}
        assert all(any(a <= x and y <= b for a, b in found) for x, y in wanted)
        assert all(a < b for a, b in found)
        assert all(a[1] < b[0] for a, b in pairwise(found))
        assert math.isclose(
            sum(b - a for a, b in found), covered(sorted(wanted)), rel_tol=0, abs_tol=1e-6
        )


def covered(spans: list[tuple[float, float]]) -> float:
    total, last = 0.0, -math.inf
    for first, end in spans:
        total += max(0.0, end - max(first, last))
        last = max(last, end)
    return total


class TestChecks:
    @pytest.mark.parametrize(
        ("rule", "words"),
        [
            ("FREQ=MINUTELY", "more often than once an hour"),
            ("FREQ=HOURLY;BYMINUTE=0,30", "more often than once an hour"),
            ("every friday", "write an RRULE of RFC 5545"),
            ("FREQ=DAILY\nDTSTART:20200101", "FREQ, one of"),
            ("FREQ=DAILY;DTSTART=20200101", "write an RRULE"),
            ("BYDAY=MO", "needs FREQ"),
            ("FREQ=DAILY;FREQ=WEEKLY", "FREQ twice"),
            ("FREQ=DAILY;BYDAY=XX", "cannot be read"),
            ("FREQ=DAILY;INTERVAL=0", "INTERVAL must lie between 1"),
            ("FREQ=DAILY;COUNT=1000000", f"between 1 and {MOST_REPETITIONS}"),
            ("FREQ=DAILY;COUNT=3;UNTIL=20300101", "keep one of them"),
            ("FREQ=DAILY;UNTIL=tomorrow", "UNTIL is a date"),
            ("FREQ=DAILY;UNTIL=20269901", "UNTIL is a date"),
            ("FREQ=DAILY;UNTIL=20200101", "ends before it first applies"),
            ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "never applies"),
            ("FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30", "never applies"),
            ("FREQ=DAILY;INTERVAL=7;BYDAY=SA", "never applies"),
            ("FREQ=HOURLY;INTERVAL=24;BYHOUR=8", "cannot be read"),
            ("FREQ=HOURLY;BYSETPOS=5", "BYSETPOS needs"),
            ("FREQ=DAILY;BYMONTHDAY=" + ",".join(["1"] * 300), "longer than 500"),
            ("", "write an RRULE"),
        ],
    )
    def test_refuse_what_makes_no_sense(self, rule: str, words: str) -> None:
        with pytest.raises(InvalidRecord, match=words):
            check_recurrence(rule, NOW, "Europe/Berlin")

    def test_refuse_an_unknown_zone(self) -> None:
        with pytest.raises(InvalidRecord, match="no time zone is called 'Berlin'"):
            check_recurrence("FREQ=DAILY", NOW, "Berlin")

    @pytest.mark.parametrize(
        "rule",
        ["FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", "freq=weekly;byday=mo", "FREQ=DAILY;COUNT=1"],
    )
    def test_let_pass_what_applies_some_day(self, rule: str) -> None:
        check_recurrence(rule, NOW, "UTC")

    @settings(max_examples=200, deadline=None)
    @given(st.text("FREQDAILYWKHOUR=;,BYMO0123456789TUZ", max_size=40))
    def test_answer_to_any_text(self, rule: str) -> None:
        try:
            check_recurrence(rule, NOW, "UTC")
        except InvalidRecord:
            return
        occurrences(freeze(recurrence=rule), NOW + DAY, NOW + 9 * DAY)

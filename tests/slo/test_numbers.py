from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo.numbers import decimal_text, go_float

FINITE = st.floats(allow_nan=False, allow_infinity=False)


class TestGoFloat:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            # Values as Go 1.22 prints them with `fmt.Sprintf("%g")` or in sloth's examples.
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (99.0, "99"),
            (100.0, "100"),
            (-2.5, "-2.5"),
            (0.1, "0.1"),
            (0.0009999999999999432, "0.0009999999999999432"),
            (0.9990000000000001, "0.9990000000000001"),
            (5.6000000000000005, "5.6000000000000005"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (0.000012345, "1.2345e-05"),
            (123456.0, "123456"),
            (999999.5, "999999.5"),
            (1e6, "1e+06"),
            (1234567.0, "1.234567e+06"),
            (1e21, "1e+21"),
            (1e100, "1e+100"),
            (5e-324, "5e-324"),
            (1.7976931348623157e308, "1.7976931348623157e+308"),
            (float("inf"), "+Inf"),
            (float("-inf"), "-Inf"),
            (float("nan"), "NaN"),
        ],
    )
    def test_prints_as_go_does(self, value: float, text: str) -> None:
        assert text == go_float(value)

    @given(FINITE)
    def test_reading_back_gives_the_same_float(self, value: float) -> None:
        assert value == float(go_float(value))

    @given(FINITE.filter(bool))
    def test_an_exponent_stands_exactly_outside_1e_4_to_1e6(self, value: float) -> None:
        text = go_float(value)

        assert (not 1e-4 <= abs(value) < 1e6) == ("e" in text)

    @given(FINITE)
    def test_has_no_trailing_zeros_and_exponents_of_two_digits(self, value: float) -> None:
        number = r"-?(0|[1-9]\d*)(\.\d*[1-9])?"

        assert re.fullmatch(rf"{number}|-?[1-9](\.\d*[1-9])?e[-+]\d\d+", go_float(value))


class TestDecimalText:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ("99.90", "99.9"),
            ("1E+2", "100"),
            ("0.0010", "0.001"),
            ("0", "0"),
            ("1E-9", "0.000000001"),
        ],
    )
    def test_is_plain_and_short(self, value: str, text: str) -> None:
        assert text == decimal_text(Decimal(value))

    @given(st.decimals(allow_nan=False, allow_infinity=False, min_value=0, max_value=100, places=9))
    def test_loses_nothing(self, value: Decimal) -> None:
        assert value == Decimal(decimal_text(value))

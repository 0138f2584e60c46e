"""Amounts as people read them."""

from __future__ import annotations

import pytest

from cli.amounts import without_noise


@pytest.mark.parametrize(
    ("value", "terms", "shown"),
    [
        (0.1 + 0.2, (), "0.3"),
        (89.96999999999997 - 60, (89.96999999999997, 60), "29.97"),
        (100000.1 - 100000.0, (100000.1, 100000.0), "0.1"),
        (-0.1 - 0.2, (-0.1, 0.2), "-0.3"),
        (0.1 + 0.2 - 0.3, (0.1 + 0.2, 0.3), "0.0"),
        (1e-300, (), "1e-300"),
        (1.5e300, (), "1.5e+300"),
        (5.0, (), "5.0"),
        (0.0, (), "0.0"),
        (float("inf"), (), "inf"),
        (1 / 3, (), "0.33333333333333"),
        (2**60 + 1, (0.5,), "1152921504606846977"),
        (3, (), "3"),
    ],
)
def test_a_number_loses_the_digits_of_its_computation_and_no_others(value: float, terms: tuple[float, ...], shown: str) -> None:
    assert str(without_noise(value, *terms)) == shown

"""Times of lines, processes and containers, in the zones that they are written in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distcheck.checks.facts.age import is_before, is_old, seconds

START = "2026-03-01T00:00:10Z"


@pytest.mark.parametrize(
    ("stamp", "before"),
    [
        ("2026-03-01T00:00:04.999999999Z", True),
        ("2026-03-01T00:00:05Z", False),
        ("2026-02-28T23:59:59Z", True),
        ("2025-12-31T23:59:59Z", True),
        ("2026-03-01T02:00:04+02:00", True),
        ("2026-03-01T02:00:11+02:00", False),
        ("2026-02-28T18:30:04-05:30", True),
        ("2026-02-28T18:30:11-05:30", False),
        ("yesterday", False),
        ("", False),
        (None, False),
    ],
)
def test_a_line_is_before_its_process_in_any_zone(stamp: str | None, before: bool) -> None:
    assert is_before(stamp, START) is before


def test_an_hour_is_not_old_and_a_second_more_is() -> None:
    assert not is_old("2026-02-28T23:00:10Z", START)
    assert is_old("2026-02-28T23:00:09Z", START)


@given(st.datetimes())
def test_seconds_count_as_the_calendar_does(moment: object) -> None:
    from datetime import datetime, timedelta  # noqa: PLC0415

    assert isinstance(moment, datetime)
    if moment.year > 1:
        later = moment.replace(microsecond=0) + timedelta(seconds=86_401)
        told = [seconds(f"{at:%Y-%m-%dT%H:%M:%S}Z".rjust(20, "0")) for at in (moment, later)]
        assert None in told or (told[1] or 0) - (told[0] or 0) == 86_401


@given(st.text())
def test_any_text_is_survived(text: str) -> None:
    assert seconds(text) is None or "T" in text

"""What many connections at once cost, and what becomes of those whose turn does not come."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from distcheck.agent.side_by_side import AT_ONCE, side_by_side, threads


def test_one_question_for_many_pods_has_no_more_threads_than_for_one() -> None:
    before, most = threading.active_count(), 0

    def connect() -> int:
        nonlocal most
        most = max(most, threading.active_count())
        time.sleep(0.002)
        return 1

    with threads() as pool:
        pods = [
            threading.Thread(target=side_by_side, args=([connect] * 64, pool, 5.0))
            for _ in range(16)
        ]
        for pod in pods:
            pod.start()
        for pod in pods:
            pod.join()
    assert most <= before + len(pods) + AT_ONCE


def test_what_has_had_no_turn_in_time_is_none_and_is_not_begun_later() -> None:
    begun: list[int] = []

    def slow(number: int) -> int:
        begun.append(number)
        time.sleep(0.1)
        return number

    with ThreadPoolExecutor(max_workers=2) as pool:
        seen = side_by_side([partial(slow, n) for n in range(9)], pool, 0.02)
    assert [n for n in seen if n is not None] == sorted(begun)
    assert 2 <= len(begun) < 9


def test_what_one_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        side_by_side([lambda: 1 / 0], None, 1.0)

"""Pages that a lab left, as Prometheus gets them later."""

import time

import pytest
from tests.lab.kept_pages import KeptPages

_PAGE = b"""\
# TYPE distcheck_last_look_timestamp_seconds gauge
distcheck_last_look_timestamp_seconds 1000.0
distcheck_verify_last_success_timestamp_seconds{workload="w x",x="y"} 1.001e+03
distcheck_verify_duration_seconds{workload="w x"} 1000.0
"""


def test_what_a_page_says_of_a_moment_keeps_its_age_and_all_else_is_as_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1010.0)
    pages = KeptPages()
    with pages.served():
        port, more = pages.add(7, {"gpu-a": _PAGE})["gpu-a"]
    assert port > 0
    path = more["__metrics_path__"]
    assert pages.page(path) == _PAGE.replace(b"1.001e+03", b"1001.0")
    monkeypatch.setattr(time, "time", lambda: 1310.0)
    later = pages.page(path)
    assert later is not None
    assert later.splitlines()[1:] == [
        b"distcheck_last_look_timestamp_seconds 1300.0",
        b'distcheck_verify_last_success_timestamp_seconds{workload="w x",x="y"} 1301.0',
        b'distcheck_verify_duration_seconds{workload="w x"} 1000.0',
    ]
    assert pages.page("/8/gpu-a") is None

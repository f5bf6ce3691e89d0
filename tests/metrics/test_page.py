"""What every page keeps to, whatever it is fed with."""

import gzip
from collections.abc import Iterator

import pytest
from tests.metrics.lab_node import series

from distcheck.agent import openmetrics
from distcheck.agent.openmetrics import MAX_LABEL, Family, Metric, clean, page

PODS = Family("pods", "Pods by name", ("pod",), "there is none")


class Many:
    """So many pods."""

    def __init__(self, names: list[str]) -> None:
        self._names = names

    def collect(self) -> Iterator[Metric]:
        yield PODS.of(((name,), 1) for name in self._names)


def lines(*names: str) -> list[str]:
    text = page(Many(list(names)), "", "").body.decode()
    return series(text, "distcheck_pods")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("vllm-0", "vllm-0"),
        ("a\nb\x00\x1b[0m", "a?b??[0m"),
        ("\u202egpj.exe", "?gpj.exe"),
        ("\ud800", "?"),
        ("Qwen/Qwen3-235B", "Qwen/Qwen3-235B"),
        ("x" * 300, "x" * (MAX_LABEL - 3) + "..."),
    ],
)
def test_labels_are_printable_and_bounded(name: str, shown: str) -> None:
    assert clean(name) == shown
    assert lines(name) == [f'distcheck_pods{{pod="{shown}"}} 1.0']


def test_two_names_that_are_one_when_cleaned_are_one_series() -> None:
    assert lines("a\x00", "a\x01") == ['distcheck_pods{pod="a?"} 1.0']


def test_a_family_without_series_is_not_on_the_page() -> None:
    assert page(Many([]), "", "").body == b""


def test_a_page_is_bounded_and_says_what_it_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openmetrics, "MAX_SERIES", 3)
    text = page(Many([f"p{n}" for n in range(10)]), "", "").body.decode()
    assert len(series(text, "distcheck_pods")) == 3
    assert "distcheck_series_left_out 7.0" in text


@pytest.mark.parametrize(
    ("header", "zipped"),
    [
        ("gzip", True),
        ("br, gzip;q=0.5", True),
        ("GZIP", True),
        ("*", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip;q=0.0, *", False),
        ("gzip; q=0", False),
        ("*;q=0", False),
        ("gzip;q=nonsense", False),
        ("x-gzipped", False),
    ],
)
def test_gzip_is_given_to_who_takes_it(header: str, zipped: bool) -> None:
    one = page(Many(["a"]), "", header)
    assert one.gzipped is zipped
    assert (gzip.decompress(one.body) if zipped else one.body).endswith(b"1.0\n")


def test_openmetrics_is_given_to_who_asks_for_it() -> None:
    asked = page(Many(["a"]), "application/openmetrics-text;version=1.0.0,text/plain;q=0.5", "")
    assert asked.content_type.startswith("application/openmetrics-text")
    assert asked.body.endswith(b"# EOF\n")
    plain = page(Many(["a"]), "text/plain", "")
    assert plain.content_type.startswith("text/plain")
    assert not plain.body.endswith(b"# EOF\n")


def test_a_version_that_is_no_number_is_answered_in_the_plain_format() -> None:
    one = page(Many(["a"]), "application/openmetrics-text; version=abc", "")
    assert one.content_type.startswith("text/plain")
    assert one.body.endswith(b"1.0\n")

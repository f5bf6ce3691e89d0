"""Text is wrapped so that what is to be copied can be."""

from distcheck.exporters.typography import wrap

COMMAND = "`kubectl get nodes -L nvidia.com/gpu.product`"


def test_code_that_fits_into_a_line_stands_on_one() -> None:
    assert wrap(f"Take it from a node: {COMMAND}.", 50, code=True) == [
        "Take it from a node:",
        f"{COMMAND}.",
    ]


def test_code_that_is_longer_than_a_line_is_broken_between_words() -> None:
    lines = wrap(f"Take it: {COMMAND}", 30, code=True)
    assert lines == ["Take it: `kubectl get nodes -L", "nvidia.com/gpu.product`"]


def test_a_lone_backtick_loses_no_word() -> None:
    assert wrap("one ` two three", 9, code=True) == ["one ` two", "three"]

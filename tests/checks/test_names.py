"""Many names in few words, and texts that differ in names alone said once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distcheck.checks.knowledge.names import alike, in_turn, names

WORDS = st.lists(st.sampled_from(["vllm-0", "vllm-1", "gpu-a", "of", "to", "8", "TP=8"])).map(
    " ".join
)


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ((), ""),
        (("a",), "a"),
        (("a", "b", "a"), "a and b"),
        (("vllm-0", "vllm-1"), "vllm-0 and vllm-1"),
        (tuple(f"vllm-{i}" for i in range(8)), "vllm-0 to vllm-7"),
        (("vllm-head-0", "w-0", "w-1", "w-2", "w-4"), "vllm-head-0, w-0 to w-2 and w-4"),
        (tuple("abcdef"), "a, b, c, d and 2 more"),
        (("w-08", "w-09", "w-10"), "w-08, w-09 and w-10"),
        (("GPU-1", "GPU-2", "GPU-3"), "GPU-1 and 2 more"),
    ],
)
def test_names_are_ranges_where_they_are_numbered(found: tuple[str, ...], says: str) -> None:
    assert names(found) == says


def test_what_holds_for_several_pods_is_said_once() -> None:
    texts = [f"no agent answered on node-{i} (vllm-{i})" for i in range(4)]
    assert alike([*texts, "other"]) == [
        "no agent answered on node-0 (vllm-0) (vllm-1 to vllm-3 alike)",
        "other",
    ]


def test_pairs_are_not_put_together() -> None:
    pairs = ["a-0 to b-0: shut", "b-0 to a-0: shut"]
    assert alike(pairs) == pairs


def test_pairs_with_one_name_are_put_together_by_the_other() -> None:
    pairs = [f"head-0 to w-{i}: shut" for i in range(4)]
    pairs += [f"w-{i} to head-0: shut" for i in range(4)]
    assert alike(pairs) == [
        "w-0 to head-0: shut (w-1 to w-3 alike)",
        "head-0 to w-0: shut (w-1 to w-3 alike)",
    ]


def test_texts_that_differ_in_more_than_names_stay_apart() -> None:
    texts = ["8 ranks of vllm-0", "7 ranks of vllm-1", "vllm-0 runs TP=8", "vllm-1 runs TP=4"]
    assert alike(texts) == texts


@given(st.lists(WORDS))
def test_no_text_is_lost_and_none_is_said_twice(texts: list[str]) -> None:
    told = alike(texts)
    assert len(told) <= len(set(texts))
    assert len(set(told)) == len(told)
    assert (not texts) == (not told)
    assert not texts or any(one.startswith(texts[0]) for one in told)


@given(st.lists(st.text()))
def test_any_text_is_survived(texts: list[str]) -> None:
    assert all(one.partition(" (")[0] in "\0".join(texts) for one in alike(texts))


@given(st.lists(st.integers(0, 3)))
def test_each_kind_has_its_turn(items: list[int]) -> None:
    told = in_turn(items, lambda n: n)
    kinds = set(items)
    assert sorted(told) == sorted(items)
    assert set(told[: len(kinds)]) == kinds

"""The plan as text: what a person decides from."""

import re
from typing import Any

import pytest
from msgspec import structs
from tests.checks.weights_models import config

from distcheck.checks.knowledge.plan import Ask, Plan, PlannedGpu
from distcheck.checks.knowledge.plan_fabric import Fabric
from distcheck.checks.knowledge.plan_layouts import plan
from distcheck.checks.knowledge.weights import GIB, Engine
from distcheck.exporters.plan_bars import bar, kinds_of, legend, shares
from distcheck.exporters.plan_text import render_text
from distcheck.exporters.typography import Ink, columns

ROCE = Fabric(100, "roce")


def planned(name: str, **asked: Any) -> Plan:
    ask = Ask(config=config(name), **({"engine": Engine(version="0.33.0")} | asked))
    return plan(ask, f"public/{name}", "config.json")


def two_nodes(name: str = "llama-3.1-70b") -> Plan:
    return planned(name, gpus=16, gpu_bytes=80 * GIB, fabric=ROCE)


def gpu(**changed: int) -> PlannedGpu:
    plain = PlannedGpu(
        ranks=(0,),
        pp_rank=0,
        total=80 * GIB,
        budget=72 * GIB,
        weights_low=30 * GIB,
        weights_high=30 * GIB,
        rest_low=GIB,
        rest_likely=2 * GIB,
        rest_high=4 * GIB,
        kv_low=38 * GIB,
        kv_likely=40 * GIB,
        kv_high=41 * GIB,
    )
    return structs.replace(plain, **changed)


def test_the_best_layout_stands_first_with_what_to_do() -> None:
    page = render_text(two_nodes())
    assert page.splitlines()[1].startswith("  FITS      TP=8 x PP=2 on 16 GPUs, 2 nodes. Deploy it")


def test_the_table_has_at_most_eight_layouts_and_says_how_many_more() -> None:
    page = render_text(two_nodes())
    rows = [line for line in page.splitlines() if re.match(r"  [✓✗?] TP=", line)]
    assert len(rows) == 8
    assert f"and {len(two_nodes().layouts) - 8} more (-o json has all)" in page


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("name", ["llama-3.1-70b", "deepseek-v3", "gpt-oss-120b"])
def test_no_line_is_wider_than_the_page(width: int, name: str) -> None:
    for line in render_text(two_nodes(name), width).splitlines():
        long_word = max(map(columns, line.split(" ")), default=0) > width - 13
        assert columns(line) <= max(width, 60) or long_word, line


def test_a_page_without_colour_or_symbols_is_ascii() -> None:
    page = render_text(two_nodes(), ink=Ink(colour=False, unicode=False))
    assert page.isascii()
    assert "#" * 5 in page


def test_colour_changes_no_words() -> None:
    painted = render_text(two_nodes(), ink=Ink(colour=True))
    assert "\x1b[" in painted
    assert re.sub(r"\x1b\[[0-9;]*m", "", painted) == render_text(two_nodes())


def test_the_command_can_be_pasted() -> None:
    page = render_text(two_nodes())
    command = page[page.index("vllm serve") :].split("\n  note")[0]
    words = command.replace("\\\n", " ").split()
    assert words[:3] == ["vllm", "serve", "public/llama-3.1-70b"]
    assert words[words.index("--tensor-parallel-size") + 1] == "8"


def test_a_hostile_name_neither_drives_the_terminal_nor_the_shell() -> None:
    found = two_nodes()
    hostile = structs.replace(found, model=structs.replace(found.model, name="a\x1b[2J; rm -rf /"))
    page = render_text(hostile)
    assert "\x1b" not in page
    assert "vllm serve 'a\\x1b[2J; rm -rf /'" in page


def test_stages_that_hold_the_same_share_a_bar() -> None:
    found = planned("gemma-2-9b", tp=2, pp=4, gpu_bytes=24 * GIB)
    page = render_text(found)
    assert "stages 0, 3, ranks 0 to 1, 6 to 7" in page
    assert "stages 1 to 2, ranks 2 to 5" in page


def test_a_refused_layout_gives_the_reason_and_no_command() -> None:
    page = render_text(planned("llama-3.1-70b", tp=12))
    assert "REFUSED" in page
    assert "Total number of attention heads (64) must be divisible" in " ".join(page.split())
    assert "vllm serve" not in page


def test_a_layout_to_avoid_says_so_in_its_badge_and_gives_no_command() -> None:
    slow = Fabric(25, "ethernet")
    page = render_text(planned("llama-3.1-70b", tp=16, gpu_bytes=80 * GIB, fabric=slow))
    assert page.splitlines()[1].startswith("  FITS, AVOID  TP=16 on 16 GPUs, 2 nodes. Avoid this")
    assert max(map(columns, page.splitlines())) <= 80
    assert "vllm serve" not in page


def test_without_any_gpu_no_layout_is_the_headline() -> None:
    page = render_text(planned("llama-3.1-70b"))
    assert page.splitlines()[1].startswith("  PLAN      131.4 GiB of weights; give --gpu-memory.")
    assert "vllm serve" not in page


def test_without_gpu_memory_there_is_no_bar_and_no_claim() -> None:
    page = render_text(planned("llama-3.1-70b", tp=16))
    assert "FIT" not in page
    assert "memory  " not in page
    assert "8.41 GiB of weights on each GPU, exact (16 bit)" in page


def test_parts_of_a_bar_add_up_to_the_gpu() -> None:
    large = gpu(weights_low=99 * GIB, weights_high=99 * GIB)
    for one in (gpu(), gpu(weights_high=50 * GIB), large):
        assert sum(shares(one)) == one.total
        assert columns(bar(one, 68, Ink()).rpartition(" 80.0")[0]) == 56


def test_weights_that_are_only_bounded_are_shown_as_open() -> None:
    one = gpu(weights_low=10 * GIB, weights_high=200 * GIB)
    assert "?" * 20 in bar(one, 68, Ink())
    assert "perhaps weights, up to 200.0" in " ".join(legend(one, 68, Ink()))


def test_weights_beyond_the_gpu_are_said() -> None:
    one = gpu(weights_low=99 * GIB, weights_high=99 * GIB)
    assert "weights 99.0 (more than there is)" in " ".join(legend(one, 68, Ink()))


def test_gpus_that_differ_in_bytes_only_are_one_kind() -> None:
    other = gpu(weights_low=30 * GIB + 1, weights_high=30 * GIB + 1)
    assert len(kinds_of((gpu(), other, gpu(weights_low=20 * GIB, weights_high=20 * GIB)))) == 2


@pytest.mark.parametrize("width", [80, 200])
def test_a_table_says_what_best_first_goes_by(width: int) -> None:
    shape = config("llama-3.1-70b")
    found = plan(Ask(config=shape, gpus=8, gpu_bytes=80 * GIB), "a-model", "config.json")
    page = render_text(found, width)
    assert "  order     best first: it fits;" in page
    assert " ".join(found.order.split()[:3]) in " ".join(page.split())

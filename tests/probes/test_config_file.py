"""The file of `vllm serve --config`: what is read is what vLLM reads, the rest is named."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distcheck.agent.engine_arguments import Started, config_path, draft_of, evidence
from distcheck.agent.probes.config_file import ConfigFile, parsed
from distcheck.agent.redact import HIDDEN, shown_flag

SERVE = ("python3", "/usr/bin/vllm", "serve", "org/m")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("tensor-parallel-size: 16", {"tensor-parallel-size": ("16",)}),
        ("tensor_parallel_size: 16  # all of them\n", {"tensor-parallel-size": ("16",)}),
        ("---\nmodel: 'org/m'\nport: \"8001\"\n", {"model": ("org/m",), "port": ("8001",)}),
        ("enable-lora: true\nenforce-eager: no", {"enable-lora": ()}),
        ("middleware:\n  - a\n  - 'b'\n", {"middleware": ("a", "b")}),
        ("middleware:\n- a\n- b\nport: 1", {"middleware": ("a", "b"), "port": ("1",)}),
        ("names: [a, b]\nmore: [1, 2]", {"names": ("a", "b"), "more": ("1", "2")}),
        ('x: {"model": "d", "n": 5}', {"x": ('{"model": "d", "n": 5}',)}),
        ("x:\n  model: d\n  n: 5\n", {"x": ('{"model": "d", "n": 5}',)}),
        ("model: s3://bucket/m#1", {"model": ("s3://bucket/m#1",)}),
        ("port: 1\nport: 2", {"port": ("2",)}),
        ("\ufeffport: 1\r\n\r\n# x\r\n", {"port": ("1",)}),
        ("", {}),
    ],
)
def test_a_flat_file_is_read(text: str, values: dict[str, tuple[str, ...]]) -> None:
    assert parsed(text) == ConfigFile(values)


@pytest.mark.parametrize(
    ("text", "unread"),
    [
        ("tensor-parallel-size: &n 16", "tensor-parallel-size"),
        ("tensor-parallel-size: *n", "tensor-parallel-size"),
        ("tensor-parallel-size: !!int 16", "tensor-parallel-size"),
        ("tensor-parallel-size: 010", "tensor-parallel-size"),
        ("tensor-parallel-size:", "tensor-parallel-size"),
        ("tensor-parallel-size: |\n  16", "tensor-parallel-size"),
        ("tensor-parallel-size: 1\n  6", "tensor-parallel-size"),
        ("block:\n  y:\n    z: 1", "block"),
        ("block:\n  - a\n  b: 1", "block"),
        ("block: {model: d}", "block"),
        ("block: [a, [b]]", "block"),
        ('block: "a\\tb"', "block"),
        ("port: 1\nmy-s3cr3t: {model: d}", "line 2"),
        ("'tensor-parallel-size': 16", "line 1"),
        ("port: 1\n<<: *more", "line 2"),
        ("port: 1\n---\nport: 2", "line 2"),
        ("{" * 50000, "line 1"),
    ],
)
def test_what_is_not_read_is_named(text: str, unread: str) -> None:
    seen = parsed(text)
    assert unread in seen.unread
    assert "tensor-parallel-size" not in seen.values


def test_a_key_that_is_given_again_in_another_form_has_no_value() -> None:
    assert parsed("port: 1\nport: *n") == ConfigFile({}, ("port",))


def test_what_follows_the_last_line_that_is_read_is_named() -> None:
    seen = parsed("port: 1\n" * 2001)
    assert seen == ConfigFile({"port": ("1",)}, ("what follows line 2000",))


@settings(deadline=None)
@given(
    st.text()
    | st.lists(st.sampled_from(["a: ", "b:\n", " - x\n", "#", "'", '"', "[", "{", "1", "\t"])).map(
        "".join
    )
)
def test_any_text_is_survived(text: str) -> None:
    seen = parsed(text)
    assert all("_" not in name for name in seen.values)


@pytest.mark.parametrize(
    "text", ["x: [" + "[" * 9000, "x: " + "'" * 9000, "x" * 10**6, "x: " + " #" * 4000]
)
def test_a_hostile_line_costs_little(text: str) -> None:
    assert parsed(text).values.keys() <= {"x"}


def started(text: str, *argv: str) -> Started:
    return Started(41, (*SERVE, "--config", "c.yaml", *argv), None, "/w/c.yaml", parsed(text))


def test_the_command_lines_own_arguments_win_over_the_files() -> None:
    flags = started("tensor-parallel-size: 8\nport: 9", "--tensor-parallel-size", "16").flags
    assert (flags.tp, flags.port, flags.model) == (16, 9, "org/m")


def test_the_file_may_name_the_model() -> None:
    one = Started(41, ("vllm", "serve", "--config=c"), None, "/c", parsed("model: org/other"))
    assert one.flags.model == "org/other"


def test_nothing_of_the_file_leaves_that_is_not_on_the_allow_list() -> None:
    text = "api-key: s3cr3t\nhf_token: [s3cr3t, s3cr3t]\nx: --s3cr3t\nallowed:\n- --s3cr3t\n- y\n"
    seen = evidence(
        started(text + "tensor-parallel-size: 16\nmodel: u:s3cr3t@h/m", "--y", "s3cr3t")
    )
    assert "s3cr3t" not in str(seen)
    assert seen.from_config == ("--tensor-parallel-size=16", f"--model={HIDDEN}@h/m")
    assert seen.left_out == 4
    assert seen.words[3:6] == ("org/m", *seen.from_config)
    assert seen.words[-2:] == ("--y", HIDDEN)


def test_what_makes_a_rank_hold_more_or_less_is_said() -> None:
    text = "enable-sleep-mode: true\nspeculative-config:\n  model: org/draft\n  method: eagle3\n"
    seen = evidence(started(text, "--enable-lora", "--max-loras=4", "--cpu-offload-gb", "2.5"))
    assert (seen.sleep_mode, seen.lora, seen.max_loras, seen.cpu_offload_gib) == (
        True,
        True,
        4,
        2.5,
    )
    assert (seen.draft_model, seen.draft_method) == ("org/draft", "eagle3")


def test_what_is_not_asked_for_is_not_said() -> None:
    seen = evidence(
        started("", "--no-enable-sleep-mode", "--enable-lora=false", "--max-loras", "x")
    )
    assert (seen.sleep_mode, seen.lora, seen.max_loras, seen.draft_model) == (
        False,
        False,
        None,
        None,
    )


@pytest.mark.parametrize(
    "words",
    [
        ("--speculative-config", '{"model": "org/d", "num_speculative_tokens": 3}'),
        ('--speculative_config={"model":"org/d"}',),
        ("--speculative-model", "org/d"),
        ("--speculative-config.model", "org/d"),
        ("-sc", '{"model": "org/d"}'),
    ],
)
def test_a_draft_model_is_found_in_each_form(words: tuple[str, ...]) -> None:
    assert draft_of((*SERVE, *words))["model"] == "org/d"


@pytest.mark.parametrize("value", ["[" * 90000, "{", "[]", '{"model": 1}', "\udcff"])
def test_a_speculative_config_of_another_form_names_no_draft(value: str) -> None:
    assert draft_of((*SERVE, "--speculative-config", value)) == {}


def test_a_relative_name_is_from_the_processs_own_folder() -> None:
    argv = (*SERVE, "--config", "c.yaml")
    assert config_path(argv, "/vllm-workspace") == "/vllm-workspace/c.yaml"
    assert config_path(argv, "/") == "/c.yaml"
    assert config_path(argv, None) == "c.yaml"
    assert config_path((*SERVE, "--config=/etc/c.yaml"), None) == "/etc/c.yaml"
    assert config_path(SERVE, "/") is None


def test_a_server_that_is_started_as_a_module_takes_a_file_too() -> None:
    argv = ("python", "-m", "vllm.entrypoints.openai.api_server", "--config", "tiny/serve.yaml")
    one = Started(41, argv, None, "/w", parsed("model: tiny/m\ntensor-parallel-size: 2\n"))
    assert (one.flags.tp, one.flags.model) == (2, "tiny/m")


@settings(deadline=None)
@given(st.lists(st.text(min_size=1).map(lambda v: f"s3cr3t{v}"), min_size=1, max_size=3))
def test_no_value_of_a_file_leaves_under_a_key_outside_the_allow_list(values: list[str]) -> None:
    assert shown_flag("my-own", values) == ()
    assert shown_flag("x y", values) == ()


def test_a_switch_of_a_file_is_shown_by_its_name() -> None:
    assert shown_flag("enable-lora", ()) == ("--enable-lora",)
    assert shown_flag("x y", ()) == ()


@settings(deadline=None)
@given(
    st.from_regex(r"s3cr3t[A-Za-z0-9_-]{0,30}", fullmatch=True),
    st.sampled_from(["1", "true", "*n", "[a, [b]]", "", "{a: b}"]),
)
def test_no_key_of_a_file_leaves_that_is_no_flag_we_know(key: str, value: str) -> None:
    text = f"{key}: {value}\nport: 9"
    seen = evidence(started(text))
    assert "s3cr3t" not in str((seen, parsed(text).unread))
    assert seen.from_config == ("--port=9",)


def test_a_degree_in_an_abbreviated_flag_is_told_by_its_own_name() -> None:
    seen = evidence(started("", "--tensor-par", "16"))
    assert seen.words[-2:] == (HIDDEN, "--tensor-parallel-size=16")


def test_short_flags_of_quantisation_keep_their_value() -> None:
    assert evidence(started("", "-q", "fp8")).words[-2:] == ("-q", "fp8")

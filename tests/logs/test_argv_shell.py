"""A start script is read as its shell would run it, as far as the text tells."""

import itertools
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from distcheck.agent.logs.argv import EngineFlags, engine_flags, ray_start
from distcheck.agent.logs.argv_engines import server_of
from distcheck.agent.logs.shell import runs
from distcheck.agent.logs.shell_arithmetic import arithmetic
from distcheck.agent.logs.shell_tokens import tokens

KNOWN = {"NODES": "2", "EACH": "8", "TP": "16", "IDX": "0", "ARGS": "--tp 1 -tp 4 -pp 2", "E": ""}


def flags(script: str, *, assume: bool = False) -> EngineFlags:
    found = engine_flags(["bash", "-c", script], KNOWN, assume=assume)
    assert found is not None
    return found


def tp(script: str) -> int | None:
    return flags(script).tp


@pytest.mark.parametrize(
    ("script", "value"),
    [
        ("vllm serve m -tp $TP", 16),
        ('vllm serve m -tp "${TP}"', 16),
        ("vllm serve m -tp $((NODES * EACH))", 16),
        ("vllm serve m -tp $(( (NODES+1) * $EACH / 2 - 4 ))", 8),
        ("vllm serve m -tp ${TP:-8}", 16),
        ("vllm serve m -tp ${E:-8}", 8),
        ("vllm serve m -tp ${TP:+4}", 4),
        ("vllm serve m $ARGS", 4),
        ("TP=8; vllm serve m -tp $TP", 8),
        ("export TP=8 && exec vllm serve m -tp $TP", 8),
        ("TP=8 vllm serve m -tp $TP", 16),
        ('A=(-tp 2)\nA+=(--port 9)\nexec vllm serve m "${A[@]}"', 2),
        ("H=vllm-head-3; vllm serve m -tp ${H##*-}", 3),
        ("N=8.local; vllm serve m -tp ${N%%.*}", 8),
        ("nohup vllm serve m -tp 4 > /tmp/log 2>&1 &\nwait", 4),
        ("uv run vllm serve m \\\n  -tp 4 # -tp 8", 4),
        ("cat <<EOF > x.sh\nvllm serve bad -tp 2\nEOF\nvllm serve m -tp 4", 4),
        ("cat <<-'E O'\nvllm serve bad -tp 2\n\tE O\nvllm serve m -tp 4", 4),
        ("echo vllm serve bad -tp 2; vllm serve m -tp 4", 4),
        ("while true; do vllm serve m -tp 4; sleep 1; done", 4),
        ("f() { exit 1; }\nvllm serve m -tp 4", 4),
        ('[ -n "$HF" ] || { echo missing; exit 1; }; vllm serve m -tp 4', 4),
        ("(exit 3); vllm serve m -tp 4", 4),
        ("set -euo pipefail; vllm serve m -tp 4", 4),
        (". /opt/venv/bin/activate; vllm serve m -tp $TP", 16),
        ("bash -c 'vllm serve m -tp $0' $TP", 16),
        ("exec vllm serve m -tp 4; vllm serve never -tp 2", 4),
        ("if [ $IDX -eq 0 ]; then T=4; else T=2; fi; vllm serve m -tp $T", 4),
        (
            "if false; then T=1; elif [[ $IDX == 0 ]]; then T=4; else T=2; fi; vllm serve m -tp $T",
            4,
        ),
        ("test $IDX = 1 && T=2 || T=4; vllm serve m -tp $T", 4),
        ('A="-pp 2"; A+=" -tp 4"; vllm serve m $A', 4),
        ("export T=8; bash -c 'vllm serve m -tp ${T:-4}'", 8),
        ("T=8; export T; bash -c 'vllm serve m -tp ${T:-4}'", 8),
        ("(TP=8; echo hi); vllm serve m -tp $TP", 16),
        ("(cd /tmp && export TP=1 && python warm.py); vllm serve m -tp $TP", 16),
        ("(TP=2; (TP=4; source x); vllm serve m -tp $TP)", 2),
        ("(N=2; source x; unset TP; A=(1)); vllm serve m -tp $TP", 16),
        ('A=(-tp 4); if [ $IDX = 1 ]; then A+=(-tp 8); fi; vllm serve m "${A[@]}"', 4),
        ('A=(-tp 4); if [ $IDX = 0 ]; then A+=(-tp 8); fi; vllm serve m "${A[@]}"', 8),
        ("vllm serve --help | grep -q headless; vllm serve m -tp 4", 4),
    ],
)
def test_what_the_shell_would_pass(script: str, value: int) -> None:
    assert tp(script) == value


@pytest.mark.parametrize(
    "script",
    [
        "vllm serve m -tp $GPUS",
        "vllm serve m -tp ${GPUS:-16}",
        "vllm serve m -tp $((GPUS * 8))",
        "vllm serve m -tp $((EACH / 0))",
        "vllm serve m -tp $(nvidia-smi -L | wc -l)",
        "vllm serve m -tp `nproc`",
        "source /etc/config; vllm serve m -tp $TP",
        "read TP; vllm serve m -tp $TP",
        "if nvidia-smi; then TP=8; fi; vllm serve m -tp $TP",
        "which nvidia-smi && TP=8; vllm serve m -tp $TP",
        "for TP in 1 2; do vllm serve m -tp $TP; done",
        "TP=$(nproc); vllm serve m -tp $TP",
        "if [ $RANK = 0 ]; then vllm serve m -tp 8; else vllm serve m -tp 4; fi",
        "vllm serve m -tp '$TP'",
        "TP=8 & vllm serve m -tp $TP",
        "TP=8 | cat; vllm serve m -tp $TP",
        "echo | export TP=8; vllm serve m -tp $TP",
        "((TP *= 2)); vllm serve m -tp $TP",
        "TP+=6; vllm serve m -tp $TP",
        "printf -v TP %d 8; vllm serve m -tp $TP",
        "let TP=8; vllm serve m -tp $TP",
        "T=8; bash -c 'vllm serve m -tp ${T:-4}'",
        "{ TP=8; echo hi; } | tee log; vllm serve m -tp $TP",
        "echo 8 | while read x; do TP=$x; done; vllm serve m -tp $TP",
        "if [ $IDX = 0 ]; then TP=8; fi 2>&1 | tee log; vllm serve m -tp $TP",
        "if [ -n $FOO ]; then : ${E:=8}; fi; vllm serve m -tp $E",
    ],
)
def test_what_the_shell_alone_knows_is_unread_and_named(script: str) -> None:
    found = flags(script)
    assert (found.tp, "tp" in found.unread) == (None, True)
    assert found.reasons["tp"]


def test_a_default_counts_only_where_it_is_assumed() -> None:
    assert flags("vllm serve m -tp ${GPUS:-16}", assume=True).tp == 16
    assert flags("vllm serve m -tp ${GPUS:=8} -pp $GPUS", assume=True).pp == 8
    assert flags("vllm serve m -tp $GPUS", assume=True).tp is None


def test_a_variable_that_is_set_to_what_cannot_be_read_has_no_default() -> None:
    hidden = {**KNOWN, "GPUS": None}
    found = engine_flags(["sh", "-c", "vllm serve m -tp ${GPUS:-16}"], hidden, assume=True)
    assert found is not None
    assert (found.tp, found.unread) == (None, ("tp",))


def test_the_words_of_a_function_are_not_those_of_its_script() -> None:
    found = flags("serve() { vllm serve m -tp ${1:-8}; }; serve 16", assume=True)
    assert (found.tp, found.unread) == (None, ("tp",))


@pytest.mark.parametrize(
    ("script", "word"),
    [
        ("vllm serve m -tp 8 $EXTRA", "$EXTRA"),
        ('A=(-tp 8); if [ -n "$FOO" ]; then A+=(-pp 2); fi; vllm serve m "${A[@]}"', "${A[@]}"),
        ('A=(-tp 8); [ "$PP" ] && A+=(-pp $PP); vllm serve m "${A[@]}"', "${A[@]}"),
        ('A=(-tp 8); mapfile -t A < /f; vllm serve m "${A[@]}"', "${A[@]}"),
        ('A=(-tp 8); A[1]=16; vllm serve m "${A[@]}"', "${A[@]}"),
        ("vllm serve m --enforce-eager `cat flags`", "`cat flags`"),
    ],
)
def test_a_word_that_may_become_any_flags_is_unread(script: str, word: str) -> None:
    found = flags(script)
    assert found.pp is None
    assert found.reasons["arguments"] == f"the argument {word}"


def test_a_value_of_a_flag_that_is_not_read_becomes_no_flags() -> None:
    assert flags('vllm serve "$MODEL" --host $POD_IP --api-key $KEY').unread == ("model",)


def test_a_branch_that_is_not_taken_starts_nothing() -> None:
    script = 'if [ "$IDX" = 0 ]; then ray start --head; else ray start --address=h:1; fi'
    found = ray_start(["sh", "-c", script], KNOWN)
    assert found is not None
    assert found.head
    worker = ray_start(["sh", "-c", script], KNOWN | {"IDX": "1"})
    assert worker is not None
    assert worker.address == "h:1"


def test_the_words_of_a_container_go_on_through_its_entry_point() -> None:
    argv = ["bash", "-euxo", "pipefail", "-c", 'exec "$@"', "--", "vllm", "serve", "m", "-tp", "4"]
    assert engine_flags(argv, {}) == EngineFlags(model="m", tp=4)


def test_variables_that_the_script_sets_go_with_its_server() -> None:
    found = server_of(["sh", "-c", "export NCCL_NET=IB; NCCL_DEBUG=INFO vllm serve m"], {})
    assert found is not None
    assert found.variables == {"NCCL_NET": "IB", "NCCL_DEBUG": "INFO"}


@pytest.mark.parametrize(
    ("text", "value"),
    [("2*3+4", 10), ("-7/2", -3), ("-7%2", -1), ("((1))", 1), ("", None), ("1+", None),
     ("010", None), ("1 2", None), ("9" * 18 + "*9", None), ("(" * 200 + "1" + ")" * 200, None),
     ("A", 5), ("${A}*$A", 25), ("B", None), ("2**3", None), ("-" * 200 + "1", None)],
)  # fmt: skip
def test_arithmetic_is_that_of_a_shell(text: str, value: int | None) -> None:
    assert arithmetic(text, {"A": "5", "B": "x"}.get) == value


_PIECE = st.sampled_from(
    ["vllm serve m -tp ", "$TP", "${", "}", "$((", "))", "$(", ")", "`", "'", '"', "\\", "\n",
     "<<E\n", "if ", "then ", "else ", "fi;", "case x in ", "esac;", "for i in ", "do ", "done;",
     "{ ", "};", "A=(", "A+=(", "[ $TP = 1 ] ", "&&", "||", ";", "|", "&", "> ", "2>&1", "#",
     "exec ", "export A=", "${A:-", "${A##*", "${A[@]}", "f() ", "! ", "source x;", "bash -c "]
)  # fmt: skip


@given(st.lists(_PIECE | st.text(max_size=6), max_size=25).map("".join), st.booleans())
@example('"$(${a:-`', True)
@example("\ud800$((\x00", False)
def test_no_script_raises(script: str, assume: bool) -> None:
    server_of(["sh", "-c", script], KNOWN, assume=assume)
    ray_start([script], KNOWN)
    assert all(w for ran in runs([f"x {script}"], {}) for w in ran.words[:0]) is True


@pytest.mark.parametrize(
    "piece",
    ["$(", "${A:-", "'", '"', "`", "$((", "<<E\n", "(", "{ ", "if ", "a ", "A=(", "\\", "$A ", "#",
     "A=1;", "${A}", "bash -c '", "vllm serve m -tp ", ";", "x() {\n", "A+=(b) ", "export A=$A$A;"],
)  # fmt: skip
def test_work_grows_with_a_script_and_no_faster(piece: str) -> None:
    short, long = (_calls(piece * (size // len(piece))) for size in (1 << 13, 1 << 15))
    assert long < 6 * short


def _calls(script: str) -> int:
    """How many functions are called to read it: the same on a busy machine."""
    count = itertools.count()
    sys.setprofile(lambda *_: next(count))
    try:
        server_of(["sh", "-c", script], KNOWN)
    finally:
        sys.setprofile(None)
    return next(count)


def test_only_the_first_mebibyte_is_read() -> None:
    assert len(tokens("a " * (1 << 20))) == 1 << 19


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("run $([ $A = 0 ] || echo --headless)", "run --headless"),
        ("run $([ $A = 1 ] || echo --headless)", "run"),
        ("H=$(test $A -eq 1 && echo -n2 b || echo c); run $H", "run -n2 b"),
        ("run $(echo $(echo a))", "run a"),
        ("run $([ $B = 1 ] || echo x)", "run $([ $B = 1 ] || echo x)"),
        ("run $(echo a | cut -c1)", "run $(echo a | cut -c1)"),
        ("run $(echo *)", "run $(echo *)"),
        ("run $((8 * ${A##*-})) $((${B:-3}*2))", "run 8 6"),
        ("run $((8 * ${B##*-}))", "run $((8 * ${B##*-}))"),
    ],
)
def test_tests_and_echo_in_a_word_are_read_as_what_they_print(script: str, words: str) -> None:
    (ran,) = runs(["sh", "-c", script], {"A": "1"}, assume=True)
    assert " ".join(ran.words) == words

"""What runs beside what was asked for: who is followed, and what is kept as a conflict."""

from typing import Any

import pytest
from msgspec import structs

from distcheck.agent.cluster.intent.declared import with_expected
from distcheck.agent.cluster.intent.running import with_argv
from distcheck.checks.evidence import (
    Conflict,
    EngineArguments,
    GpuProcess,
    Gpus,
    Intent,
    NodeLook,
    PodLook,
    Process,
    Processes,
)

PID = "argv of a-0 (pid 9)"


def runs(*words: str, pod: str = "a-0", more: tuple[Process, ...] = (), **seen: Any) -> NodeLook:
    """A node where one process of `pod` was started with `words`."""
    processes = Processes((Process(9, "x", argv=words), *more), **seen)
    one = structs.replace(PodLook.unseen(f"d/{pod}", "-"), processes=processes)
    return structs.replace(NodeLook.unseen("n", "-", "-"), pods=(one,))


def asked(source: str = "args of a-0", **values: Any) -> Intent:
    return Intent(**values, sources=dict.fromkeys(values, source))


def vllm(tp: int) -> NodeLook:
    return runs("vllm", "serve", "m", "-tp", str(tp))


@pytest.mark.parametrize(
    "place",
    [
        "args of a-0",
        "environment of a-0",
        "NIM_PASSTHROUGH_ARGS of a-0",
        "NIM_MODEL_PROFILE of a-0",
    ],
)
def test_the_pods_own_spec_is_judged_against_and_what_runs_otherwise_is_kept(place: str) -> None:
    found = with_argv(asked(place, tp=16), [vllm(8)])
    assert (found.tp, found.sources["tp"]) == (16, place)
    assert found.conflicts == (Conflict("tp", "8", PID, running=True),)


@pytest.mark.parametrize("place", ["serveConfigV2 of rayservice/r", "configmap/start run.sh"])
def test_what_may_have_changed_since_gives_way_to_what_runs(place: str) -> None:
    found = with_argv(asked(place, tp=16), [vllm(8)])
    assert (found.tp, found.sources["tp"]) == (8, PID)
    assert found.conflicts == (Conflict("tp", "16", place),)


def test_a_scripts_default_gives_way_without_a_word() -> None:
    guess = structs.replace(asked("default in the args of a-0", tp=8), assumed=("tp",))
    found = with_argv(guess, [vllm(16)])
    assert (found.tp, found.assumed, found.conflicts) == (16, (), ())


def test_two_specs_that_differ_are_no_proof_against_a_server_that_does_what_one_says() -> None:
    other = Conflict("tp", "4", "args of a-1")
    declared = structs.replace(asked(tp=8), conflicts=(other,))
    found = with_argv(declared, [runs("vllm", "serve", "m", "-tp", "4", pod="a-1")])
    assert not any(c.running for c in found.conflicts)


def test_places_that_agree_are_all_kept() -> None:
    found = with_argv(asked(tp=8), [vllm(8)])
    assert found.sources["tp"] == PID
    assert found.agreed["tp"] == ("args of a-0", PID)


def test_many_specs_that_agree_leave_room_for_what_runs() -> None:
    many = tuple(f"args of a-{n}" for n in range(4))
    declared = structs.replace(asked(tp=8), agreed={"tp": many})
    assert with_argv(declared, [vllm(8)]).agreed["tp"] == (*many, PID)


def test_one_server_that_does_as_asked_does_not_excuse_another() -> None:
    looks = [vllm(16), runs("vllm", "serve", "m", "-tp", "8", pod="a-1")]
    wanted = (Conflict("tp", "8", "argv of a-1 (pid 9)", running=True),)
    assert with_argv(asked(tp=16), looks).conflicts == wanted
    assert with_argv(asked(tp=16), looks[::-1]).conflicts == wanted


def test_two_servers_that_differ_are_a_conflict_where_no_spec_says_which_is_meant() -> None:
    found = with_argv(Intent(), [vllm(16), runs("vllm", "serve", "m", "-tp", "8", pod="a-1")])
    assert found.conflicts == (Conflict("tp", "8", "argv of a-1 (pid 9)"),)


def test_a_number_that_no_spec_could_tell_is_known_once_it_runs_and_not_confirmed() -> None:
    open_one = Intent(unread={"tp": "args of a-0: -tp $TP", "dp": "args of a-0: -dp $DP"})
    found = with_argv(open_one, [runs("vllm", "serve", "m", "-tp", "8")])
    assert (found.tp, found.dp, found.unread) == (8, 1, open_one.unread)


def test_a_worker_without_a_server_says_its_degrees_and_no_defaults() -> None:
    found = with_argv(Intent(), [runs("vllm", "serve", "m", "-tp", "16", "--headless")])
    assert (found.tp, found.pp, found.dp) == (16, None, None)


def test_a_worker_of_another_degree_is_a_conflict() -> None:
    found = with_argv(asked(tp=16), [runs("vllm", "serve", "m", "-tp", "8", "--headless")])
    assert found.conflicts == (Conflict("tp", "8", PID, running=True),)


def test_sglang_and_tensorrt_name_their_layout_too() -> None:
    sglang = runs("python3", "-m", "sglang.launch_server", "--model-path", "m", "--tp", "16",
                  "--nnodes", "2", "--dist-init-addr", "h:20000")  # fmt: skip
    found = with_argv(Intent(), [sglang])
    assert (found.engine, found.tp, found.pp, found.nodes) == ("sglang", 16, 1, 2)
    assert found.ports == {"rendezvous": 20000}
    trt = with_argv(Intent(), [runs("mpirun", "-n", "16", "tritonserver", "--http-port=8000")])
    assert (trt.engine, trt.tp, trt.ranks) == ("triton-trtllm", None, 16)


def test_a_model_may_be_called_by_its_folder_in_the_cache() -> None:
    path = "/root/.cache/hub/models--meta-llama--Llama-3.1-8B/snapshots/0e9e39f"
    found = with_argv(asked(model="meta-llama/Llama-3.1-8B"), [runs("vllm", "serve", path)])
    assert (found.model, found.conflicts) == ("meta-llama/Llama-3.1-8B", ())


def test_nim_gives_its_engine_a_folder_of_its_own() -> None:
    declared = structs.replace(asked(model="meta/llama", tp=8), engine="nim")
    found = with_argv(declared, [runs("vllm", "serve", "/opt/nim/workspace", "-tp", "8")])
    assert (found.engine, found.model, found.conflicts) == ("nim", "meta/llama", ())


def test_a_hidden_value_is_no_value() -> None:
    found = with_argv(asked(model="m"), [runs("vllm", "serve", "(hidden)", "-tp", "8")])
    assert (found.model, found.conflicts) == ("m", ())


def test_the_environment_of_the_process_is_stronger_than_the_specs() -> None:
    declared = Intent(nccl={"NCCL_NET": "IB"}, sources={"nccl.NCCL_NET": "environment of a-0"})
    found = with_argv(declared, [runs("vllm", "serve", "m", environ={"NCCL_NET": "Socket"},
                                      environ_pid=9)])  # fmt: skip
    assert found.nccl == {"NCCL_NET": "Socket"}
    assert found.sources["nccl.NCCL_NET"] == "environment of a-0 (pid 9)"
    assert found.conflicts == (Conflict("NCCL_NET", "IB", "environment of a-0"),)


def test_what_another_container_of_the_pod_serves_is_left_out() -> None:
    side = Process(5, "x", argv=("vllm", "serve", "embed", "-tp", "1"), container="side")
    main = Process(9, "x", argv=("vllm", "serve", "m", "-tp", "8"), container="main")
    whole = EngineArguments(9, ("vllm", "serve", "m", "-tp", "8"))
    seen = Processes((side, main))
    one = structs.replace(PodLook.unseen("d/a-0", "-"), processes=seen, arguments=whole)
    look = structs.replace(NodeLook.unseen("n", "-", "-"), pods=(one,))
    assert with_argv(asked(tp=8, model="m"), [look]).conflicts == ()


def test_what_runs_otherwise_than_the_caller_expects_stays_a_conflict() -> None:
    found = with_expected(with_argv(Intent(), [vllm(8)]), {"tp": 16})
    assert (found.tp, found.conflicts) == (16, (Conflict("tp", "8", PID, running=True),))
    agreed = with_expected(with_argv(asked(tp=16), [vllm(8)]), {"tp": 8})
    assert (agreed.tp, agreed.conflicts) == (8, ())


def test_a_caller_who_says_what_no_spec_could_tell_settles_it() -> None:
    open_one = Intent(unread={"tp": "args of a-0: -tp $TP"})
    found = with_expected(with_argv(open_one, [vllm(8)]), {"tp": 8})
    assert (found.agreed["tp"], found.unread) == ((PID, "--expect"), {})


def test_a_degree_that_a_variable_and_what_runs_both_tell_needs_no_arguments() -> None:
    told = structs.replace(asked("environment of a-0", tp=8), unread={"tp": "args of a-0: $TP"})
    assert with_argv(told, [vllm(8)]).unread == {}


def test_words_that_a_shell_put_in_may_change_what_stands_before_them() -> None:
    told = {"arguments": "args of a-0: the argument $EXTRA is not known here"}
    declared = structs.replace(asked(tp=8), unread=told)
    found = with_argv(declared, [vllm(16)])
    assert (found.tp, found.conflicts, found.unread) == (16, (), told)
    assert with_argv(declared, [vllm(8)]).unread == {}


def other(pid: int, *words: str, title: str = "x", ppid: int = 0) -> Process:
    return Process(pid, title, ppid, words)


@pytest.mark.parametrize(
    "words",
    [
        ("vllm", "serve", "--help"),
        ("vllm", "serve", "m", "--help=ModelConfig"),
        ("vllm", "--version"),
        ("vllm", "bench", "serve", "--model", "m", "-tp", "2"),
        ("vllm", "chat", "--model-name", "m"),
        ("python3", "-m", "sglang.launch_server", "-h"),
        ("bash", "-c", "vllm serve m -tp 4 $EXTRA"),
    ],
)
def test_what_serves_nothing_is_no_server(words: tuple[str, ...]) -> None:
    look = runs("vllm", "serve", "m", "-tp", "16", more=(other(10, *words),))
    found = with_argv(asked(tp=16), [look])
    assert (found.conflicts, found.unread, found.agreed["tp"][1:]) == ((), {}, (PID,))


SMALL = ("vllm", "serve", "emb", "-tp", "1")


def test_two_servers_of_one_pod_that_differ_are_unread_and_both_named() -> None:
    look = runs("vllm", "serve", "m", "-tp", "16", more=(other(10, *SMALL),))
    found = with_argv(Intent(), [look])
    assert (found.tp, found.model, found.pp, found.conflicts) == (None, None, 1, ())
    assert "pid 9 with model=m, TP=16" in found.unread["tp"]
    assert "pid 10 with model=emb, TP=1" in found.unread["tp"]
    meant = with_argv(asked(tp=16), [look])
    assert (meant.tp, meant.conflicts, meant.model) == (16, (), None)
    assert "pid 10" in meant.unread["tp"]


def test_of_two_servers_the_one_with_ranks_under_it_counts() -> None:
    rank = other(11, title="VLLM::Worker_TP0", ppid=9)
    look = runs("vllm", "serve", "m", "-tp", "16", more=(other(10, *SMALL), rank))
    found = with_argv(asked(tp=16), [look])
    assert (found.tp, found.model, found.conflicts, found.unread) == (16, "m", (), {})


def test_of_two_servers_the_one_on_more_gpus_counts() -> None:
    ranks = [other(20 + n, title=f"VLLM::Worker_TP{n}", ppid=9) for n in range(2)]
    engine = other(30, title="VLLM::EngineCore", ppid=10)
    look = runs("vllm", "serve", "m", "-tp", "2", more=(other(10, *SMALL), *ranks, engine))
    on = [GpuProcess(f"GPU-{n}", p.pid, pod="d/a-0") for n, p in enumerate((*ranks, engine))]
    found = with_argv(asked(tp=2), [structs.replace(look, gpus=Gpus((), tuple(on)))])
    assert (found.tp, found.model, found.conflicts, found.unread) == (2, "m", (), {})
    one_each = structs.replace(look, gpus=Gpus((), tuple(on[1:])))
    assert "tp" in with_argv(asked(tp=2), [one_each]).unread


def test_ranks_that_ray_holds_do_not_tell_whose_they_are() -> None:
    actor = other(40, title="ray::RayWorkerWrapper", ppid=3)
    engine = other(30, title="VLLM::EngineCore", ppid=10)
    look = runs("vllm", "serve", "m", "-tp", "16", more=(other(10, *SMALL), actor, engine))
    assert "tp" in with_argv(Intent(), [look]).unread


def test_a_copy_that_a_server_has_just_forked_is_the_same_server() -> None:
    words = ("vllm", "serve", "m", "-tp", "16")
    found = with_argv(asked(tp=16), [runs(*words, more=(other(10, *words, ppid=9),))])
    assert (found.agreed["tp"], found.conflicts) == (("args of a-0", PID), ())


def test_what_nim_does_not_put_on_its_engines_command_line_is_no_default() -> None:
    declared = structs.replace(asked("environment of a-0", tp=8), engine="nim")
    found = with_argv(declared, [runs("vllm", "serve", "/opt/nim/workspace")])
    assert (found.tp, found.conflicts) == (8, ())


@pytest.mark.parametrize(
    "words",
    [
        ("ray", "start", "--block", "--address=h:6379"),
        ("vllm", "serve", "m", "--headless", "-dp", "4", "--data-parallel-start-rank", "2"),
        ("vllm", "serve", "/models/m/", "-tp=4", "-dp", "4", "-dpl", "1", "-dpr", "3"),
        ("vllm", "serve", "m", "--tensor_parallel_size=4", "-dp", "4", "-dpn", "2", "-r", "1"),
        ("vllm", "serve", "org/M", "-tp", "4", "-dp", "4", "--quantization", "fp8", "--headless"),
    ],
)
def test_a_worker_that_says_less_or_says_it_otherwise_differs_in_nothing(
    words: tuple[str, ...],
) -> None:
    head = runs("vllm", "serve", "org/m", "-tp", "4", "-dp", "4", "--enable-expert-parallel")
    declared = asked(tp=4, dp=4, ep=True, model="org/m")
    found = with_argv(declared, [head, runs(*words, pod="a-1")])
    assert (found.conflicts, found.unread) == ((), {})

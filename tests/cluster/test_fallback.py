"""Without an agent, logs and one exec a pod give the same evidence, and name what they miss."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from distcheck.agent.cluster.api import connect
from distcheck.agent.cluster.finding.group import find_group
from distcheck.agent.cluster.gather import Ways, gather
from distcheck.agent.cluster.without_agents import collector, copy_folder, exec_in
from distcheck.agent.cluster.without_agents.container_copy import new_copy
from distcheck.checks.catalog import catalog
from distcheck.checks.evidence import (
    EngineArguments,
    Evidence,
    Missing,
    ModelConfig,
    NcclLog,
    PodLook,
    Processes,
    RayCluster,
    ShmMount,
    VllmLog,
    decode_evidence,
    encode_evidence,
)
from distcheck.checks.judging import judge
from distcheck.lab.apiserver import Denial, write_kubeconfig
from distcheck.lab.inside import execute
from distcheck.lab.layout import API
from distcheck.lab.scenarios import load
from distcheck.lab.world import World
from tests.cluster.manifests.build import two_nodes
from tests.cluster.manifests.world import cluster
from tests.cluster.many_nodes import Counted, Doors, empty, objects
from tests.evidence_builder import healthy

ALONE = Ways(agents=False)
Execute = Callable[[str, str, str, list[str]], tuple[int, bytes, bytes]]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A healthy group, and no agent anywhere."""
    scenario = load("healthy-tp16")
    bare = structs.replace(scenario, world=structs.replace(scenario.world, agents=()))
    with World(bare) as lab:
        if execute(lab.layout.head, ["true"])[0] == 126:
            pytest.skip("this machine grants no private mount namespace")
        yield lab


def seen(lab: World, ways: Ways = ALONE) -> Evidence:
    api = connect(str(lab.kubeconfig))
    return gather(api, find_group(api, "llm", "vllm-head-0"), ways=ways)


def outcomes(evidence: Evidence) -> dict[str, str]:
    return {f.id: f.outcome for f in judge(evidence, catalog()).report.checks}


def head_of(evidence: Evidence) -> PodLook:
    return evidence.look(evidence.pods[0])


def test_a_healthy_group_is_proven_without_any_agent(world: World) -> None:
    told = outcomes(seen(world))
    proven = ("NCCL001", "NCCL002", "NCCL003", "RAY001", "RAY002", "SHARD001", "SHARD002", "SHM001")
    assert {check: told[check] for check in proven} == dict.fromkeys(proven, "pass")
    assert "fail" not in told.values()


def test_every_part_cites_how_it_was_seen(world: World) -> None:
    evidence = seen(world)
    look, ray = head_of(evidence), evidence.nodes[0].ray
    assert isinstance(look.shm, ShmMount)
    assert look.shm.cited.startswith("exec in vllm-head-0: /dev/shm")
    assert "without an agent" in look.shm.unasked
    assert isinstance(look.vllm, VllmLog)
    assert str(look.vllm.config_source).startswith("API log of vllm-head-0:vllm:")
    assert isinstance(look.nccl, NcclLog)
    assert look.nccl.processes[0].source.startswith("exec in vllm-head-0:/tmp/ray/session_latest/")
    assert isinstance(look.arguments, EngineArguments)
    assert isinstance(look.model, ModelConfig)
    assert isinstance(ray, RayCluster)
    assert ray.address.startswith(evidence.pods[0].ip or "?")
    assert {n.agent for n in evidence.nodes} == {"Kubernetes API"}


def test_what_only_an_agent_sees_is_missing_with_its_reason(world: World) -> None:
    evidence = seen(world)
    for part in (evidence.nodes[0].gpus, head_of(evidence).ports, head_of(evidence).allocated):
        assert isinstance(part, Missing)
        assert "--no-agents" in part.reason


def test_the_environment_is_cut_to_the_allow_list_inside_the_container(world: World) -> None:
    folder = world.layout.head.folder / "proc" / str(world.layout.head.host_pid(API))
    before = (folder / "environ").read_bytes()
    (folder / "environ").write_bytes(before + b"HF_TOKEN=hf_secretsecretsecret\0NCCL_AUTH_KEY=s\0")
    said: list[bytes] = []
    try:
        said.extend(execute(world.layout.head, argv)[1] for argv in commands())
        evidence = seen(world)
    finally:
        (folder / "environ").write_bytes(before)
    processes = head_of(evidence).processes
    assert isinstance(processes, Processes)
    assert processes.environ["NCCL_DEBUG"] == "INFO"
    assert b"secret" not in encode_evidence(evidence)
    for output in said:
        with new_copy() as copy:
            copy.take(output)
            assert copy.whole
            files = [f.read_bytes() for f in copy.root.rglob("environ")]
        assert b"NCCL_DEBUG" in b"".join(files)
        assert b"TOKEN" not in b"".join(files)
        assert b"AUTH_KEY" not in b"".join(files)


def commands() -> list[list[str]]:
    return [collector.by_python(20), collector.by_shell()]


def test_the_collector_leaves_nothing_behind(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy_folder, "_MEMORY", tmp_path)
    root = world.layout.head.folder
    before = sorted((str(p), p.lstat().st_size) for p in root.rglob("*"))
    for argv in commands():
        assert execute(world.layout.head, argv)[0] == 0
    seen(world)
    assert sorted((str(p), p.lstat().st_size) for p in root.rglob("*")) == before
    assert list(tmp_path.iterdir()) == []


def test_the_command_fits_where_proxies_cut_addresses() -> None:
    from urllib.parse import urlencode  # noqa: PLC0415 - beside its one use

    for argv in commands():
        assert len(urlencode([("command", word) for word in argv])) < 7800


def test_a_shell_alone_shows_enough_for_a_verdict(world: World) -> None:
    real = world.api.execute

    def no_python(namespace: str, pod: str, box: str, argv: list[str]) -> tuple[int, bytes, bytes]:
        if argv[0] == "python3":
            raise FileNotFoundError('exec: "python3": executable file not found in $PATH')
        return real(namespace, pod, box, argv)

    world.api.execute = no_python
    try:
        told = outcomes(seen(world))
    finally:
        world.api.execute = real
    assert {told[c] for c in ("NCCL001", "NCCL002", "SHARD001", "SHARD002", "SHM001")} == {"pass"}


def test_no_exec_leaves_workers_logs_unread_and_nothing_passes_for_it(world: World) -> None:
    evidence = seen(world, Ways(agents=False, exec=False))
    told = outcomes(evidence)
    assert "fail" not in told.values()
    assert {told["NCCL001"], told["SHM001"]} == {"unknown"}
    assert told["RAY001"] == "pass"  # a port-forward to where the specs have its GCS
    look = head_of(evidence)
    assert isinstance(look.shm, Missing)
    assert "--no-exec" in look.shm.reason


def test_the_file_of_what_was_gathered_is_judged_the_same(world: World) -> None:
    evidence = seen(world)
    again = decode_evidence(encode_evidence(evidence))
    assert judge(again, catalog()).report == judge(evidence, catalog()).report


def test_logs_of_workers_that_have_ended_prove_nothing() -> None:
    scenario = load("log-of-last-week")
    bare = structs.replace(scenario, world=structs.replace(scenario.world, agents=()))
    with World(bare) as lab:
        if execute(lab.layout.head, ["true"])[0] == 126:
            pytest.skip("this machine grants no private mount namespace")
        told = outcomes(seen(lab))
    for check in ("NCCL001", "NCCL002", "NCCL003", "NCCL004", "SHARD001", "SHARD002"):
        assert told[check] == "unknown", check


def alone(tmp_path: Path, run: Execute, timeout: float = 10.0, **more: Any) -> Evidence:
    """The usual group behind the stand-in, with `run` in the place of its containers."""
    with cluster(tmp_path, two_nodes(), execute=run, **more) as (api, _, _):
        return gather(api, find_group(api, "llm", "vllm-head-0"), ways=ALONE, timeout=timeout)


def reason(evidence: Evidence) -> str:
    shown = head_of(evidence).processes
    assert isinstance(shown, Missing)
    return shown.reason


def no_program(_namespace: str, _pod: str, _box: str, argv: list[str]) -> tuple[int, bytes, bytes]:
    raise FileNotFoundError(f'exec: "{argv[0]}": executable file not found in $PATH')


def says(output: bytes, code: int = 0) -> Execute:
    return lambda *_: (code, output, b"")


def test_a_distroless_image_is_said_to_be_one(tmp_path: Path) -> None:
    assert "neither python3 nor sh" in reason(alone(tmp_path, no_program))


def test_a_caller_who_may_not_exec_is_told_so(tmp_path: Path) -> None:
    denied = (Denial(("create",), ("pods/exec",)),)
    evidence = alone(tmp_path, no_program, denied=denied)
    assert 'cannot create resource "pods/exec"' in reason(evidence)
    assert any(n.startswith("you may not create pods/exec") for n in evidence.notes)


def test_a_command_that_hangs_ends_with_the_time_that_was_given(tmp_path: Path) -> None:
    gate, ended = threading.Event(), []

    def hang(*_: object) -> tuple[int, bytes, bytes]:
        gate.wait(60)
        ended.append(1)
        return 0, b"", b""

    evidence = alone(tmp_path, hang, timeout=1.5)
    assert ended == []
    gate.set()
    assert "before the deadline" in reason(evidence)


HOSTILE = [
    (b"\xff\x00binary" * 1000, "it printed nothing|record that cannot be read"),
    (b"A" * 100_000, "it printed nothing"),
    (b"v b cHl0aG9u My4xMg==\nf b Li4vLi4vZXRjL3Bhc3N3ZA== eA==\ne b Lw== -\n", "no process"),
    (b'{"kind": "Status", "status": "Success"}\n', "record that cannot be read"),
    (b"", "it printed nothing"),
]


@pytest.mark.parametrize(("output", "why"), HOSTILE)
def test_lies_and_rubbish_are_no_evidence(tmp_path: Path, output: bytes, why: str) -> None:
    said = reason(alone(tmp_path, says(output)))
    assert any(part in said for part in why.split("|")), said


def test_output_without_an_end_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exec_in, "_MAX_OUTPUT", 1 << 17)
    evidence = alone(tmp_path, says(b"x b Lw== eHg=\n" * 20_000))
    assert "printed more than" in reason(evidence)


def test_a_path_that_leads_out_of_the_copy_is_refused() -> None:
    for path in ("/../../etc/x", "etc/x", "/a//b", "/proc/1/root/etc/x", "/" + "a/" * 40, "/a\0b"):
        with new_copy() as copy:
            copy.take(record("f", path, b"x"))
            assert copy.broken
            assert [p.name for p in copy.root.iterdir()] == ["proc"]


def test_a_bomb_is_not_unpacked() -> None:
    import zlib  # noqa: PLC0415 - beside its one use

    with new_copy() as copy:
        copy.take(record("f", "/big", zlib.compress(b"\0" * (80 << 20), 9), b"z"))
        assert "more than can be kept" in copy.broken


def record(kind: str, path: str, data: bytes, packed: bytes = b"b") -> bytes:
    from base64 import b64encode  # noqa: PLC0415 - beside its one use

    return b" ".join((kind.encode(), packed, b64encode(path.encode()), b64encode(data))) + b"\n"


def test_a_log_that_begins_late_is_noted(tmp_path: Path) -> None:
    late = b"2026-11-20T09:30:00.5Z stdout F INFO: GET /health\n"
    evidence = alone(tmp_path, no_program, logs=lambda *_: late)
    note = "API log of vllm-head-0:vllm begins at 2026-11-20T09:30:00Z, 5400 s after"
    assert any(n.startswith(note) for n in evidence.notes)


def test_a_pod_that_does_not_run_is_not_entered(tmp_path: Path) -> None:
    objects = two_nodes()
    for one in (o for o in objects if o["kind"] == "Pod"):
        one["status"]["phase"] = "Pending"
    asked: list[str] = []

    def run(_n: str, pod: str, _c: str, _argv: list[str]) -> tuple[int, bytes, bytes]:
        asked.append(pod)
        return 0, b"", b""

    with cluster(tmp_path, objects, execute=run) as (api, _, _):
        evidence = gather(api, find_group(api, "llm", "vllm-head-0"), ways=ALONE)
    assert not asked
    assert "no command can run in vllm-head-0" in reason(evidence)


@pytest.mark.parametrize("agents", [True, False])
@pytest.mark.parametrize("nodes", [2, 128])
def test_the_budget_of_api_calls_is_kept(tmp_path: Path, nodes: int, *, agents: bool) -> None:
    group = healthy(nodes)
    doors = Doors(group)
    served = Counted(objects(group), token="t", execute=empty, forward=doors.forward)
    with served as server:
        api = connect(str(write_kubeconfig(tmp_path / "k", server.url, "t")))
        evidence = gather(api, find_group(api, "llm", "vllm-head-0"), ways=Ways(agents=agents))
        assert api.calls == server.calls
    doors.stop()
    assert server.calls <= 2 * nodes + 20
    assert len(evidence.nodes) == nodes


def test_the_collector_runs_on_every_python_since_3_6() -> None:
    """On those that this machine has, in the form in which it is sent."""
    names = ("python3.[6-9]", "python3.[1-9][0-9]")
    system = (str(path) for name in names for path in Path("/usr/bin").glob(name))
    for python in sorted({sys.executable, *system}):
        argv = [python, *commands()[0][1:]]
        done = subprocess.run(argv, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith(b"e b Lw== -\n")

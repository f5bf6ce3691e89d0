"""A node folder tells of processes as a node does: their numbers differ inside the container."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from distcheck.agent.kernel_look import Kernel, KernelLooker
from distcheck.agent.probes import sockets
from distcheck.agent.probes.proc import Proc, Task
from distcheck.checks.evidence import Process
from distcheck.lab.connections import tcp_table
from distcheck.lab.folders import write_node
from distcheck.lab.kernel import LabNetlink, queue_pairs
from distcheck.lab.layout import Layout, make_members, now
from distcheck.lab.node_logs import container_lines
from distcheck.lab.objects import objects_of
from distcheck.lab.ray_copies import copies
from distcheck.lab.scenario import Engine, Scene
from distcheck.lab.scenarios import load_all
from distcheck.lab.vllm_text import worker_tail

SCENES = {s.name: s.world for s in load_all()}
DP16 = SCENES["deepseek-dp16-ep"]


def written(scene: Scene, root: Path) -> Layout:
    members = make_members(scene, root, "127.77.0")
    layout = Layout(scene, members, 6379 if scene.ray else 0, 29500, now())
    for member in members:
        (member.folder / "proc").mkdir(parents=True)
        (member.folder / "pod-logs").mkdir()
        write_node(layout, member)
    return layout


def seen(layout: Layout, number: int) -> Iterator[Process]:
    proc = Proc(str(layout.members[number].folder / "proc"))
    return (proc.described(task) for task in proc.tasks())


def holders(layout: Layout, number: int) -> list[int]:
    told = json.loads((layout.members[number].folder / "nvml.json").read_text())
    return [p["pid"] for gpu in told["gpus"] for p in gpu["processes"]]


@pytest.mark.parametrize("name", SCENES)
def test_no_process_has_one_number_on_its_node_and_in_its_container(
    name: str, tmp_path: Path
) -> None:
    layout = written(SCENES[name], tmp_path)
    for number in range(len(layout.members)):
        pids = [p.ns_pids for p in seen(layout, number)]
        assert pids
        assert all(len(each) == 2 and each[0] > 40_000 and each[1] < 1000 for each in pids)
        assert len({each[1] for each in pids}) == len(pids)


def test_both_containers_give_their_workers_the_same_numbers(tmp_path: Path) -> None:
    layout = written(Scene(), tmp_path)
    inner = [{p.ns_pids[1] for p in seen(layout, n) if "Worker" in p.title} for n in range(2)]
    assert inner[0] == inner[1]
    assert len(inner[0]) == 8
    assert not set(holders(layout, 0)) & set(holders(layout, 1))


@pytest.mark.parametrize("scene", [Scene(), DP16], ids=["ray", "mp"])
def test_nvml_has_the_nodes_numbers_and_logs_have_the_containers(
    scene: Scene, tmp_path: Path
) -> None:
    layout = written(scene, tmp_path)
    by_host = {p.pid: p.ns_pids[1] for p in seen(layout, 0)}
    text = "".join(f"{line}\n" for _, line in container_lines(layout, layout.head))
    in_logs = {int(pid) for pid in re.findall(r"vllm-head-0:(\d+):\d+ ", text)}
    assert in_logs <= {by_host[pid] for pid in holders(layout, 0)}
    assert not in_logs & set(holders(layout, 0))


def test_workers_of_another_order_of_devices_are_on_the_gpus_that_it_names(
    tmp_path: Path,
) -> None:
    layout = written(SCENES["visible-devices-reordered"], tmp_path)
    titles = {p.pid: p.title for p in seen(layout, 0)}
    on_gpus = [titles[pid] for pid in holders(layout, 0)]
    assert on_gpus == [f"VLLM::Worker_TP{n}" for n in (7, 6, 5, 4, 3, 2, 1, 0)]


def test_an_engine_of_one_rank_is_that_rank(tmp_path: Path) -> None:
    layout = written(DP16, tmp_path)
    titles = {p.pid: p.title for p in seen(layout, 1)}
    cores = [titles[pid] for pid in holders(layout, 1)]
    assert cores == [f"VLLM::EngineCore_DP{n}" for n in range(8, 16)]


def test_a_line_is_dated_by_the_clock_that_it_shows(tmp_path: Path) -> None:
    layout = written(DP16, tmp_path)
    log = next((layout.head.folder / "pod-logs").rglob("0.log")).read_text()
    stamped = re.findall(
        r"^\S+T(\d\d:\d\d:\d\d)\.\d{9}Z stdout F .*? \d\d-\d\d (\S+) \[", log, re.MULTILINE
    )
    assert len(stamped) > 30
    assert all(written == shown for written, shown in stamped)


def test_ray_shows_the_first_workers_lines_and_folds_the_others(tmp_path: Path) -> None:
    layout = written(Scene(), tmp_path)
    said = [(r, line) for r in layout.ranks() for line in worker_tail(layout, r)]
    lines = [line for _, line in copies(said, layout.head) if "Model loading took" in line]
    assert len(lines) == 2
    assert "(RayWorkerWrapper pid=310)\x1b[0m INFO" in lines[0]
    assert "pid=359, ip=127.77.0.3)" in lines[1]
    assert lines[1].endswith("[repeated 15x across cluster]\x1b[0m")


def test_connections_between_pods_are_in_the_tables_of_both(tmp_path: Path) -> None:
    layout = written(Scene(), tmp_path)
    heads, workers = (
        {(c.local, c.local_port, c.remote, c.remote_port) for c in look}
        for m in layout.members
        for look in [sockets.look(str(m.folder / "proc"), m.host_pid(1 if m.leader else 97))]
    )
    assert heads == {(r, rp, h, hp) for h, hp, r, rp in workers}
    assert len(heads) == 8 + 2


def test_ranks_that_have_not_met_hold_no_connections(tmp_path: Path) -> None:
    waiting = replace(Scene(), engines=(Engine(progress="rendezvous"),))
    layout = written(waiting, tmp_path)
    rows = tcp_table(layout, layout.head).splitlines()[1:]
    assert [row.split()[3] for row in rows] == ["0A"], "only the port where they meet listens"


def kinds(scene: Scene, root: Path) -> list[str]:
    members = make_members(scene, root, "127.77.0")
    layout = Layout(scene, members, 6379, 29500, now())
    return [f"{o['kind']}/{o['metadata']['name']}" for o in objects_of(layout)]


def test_a_leader_worker_set_names_its_pods_and_one_service(tmp_path: Path) -> None:
    found = kinds(DP16, tmp_path)
    assert {"LeaderWorkerSet/vllm-head", "Pod/vllm-head-0", "Pod/vllm-head-0-1"} <= set(found)
    assert [k for k in found if k.startswith("Service")] == ["Service/vllm-head"]


@pytest.mark.parametrize("name", SCENES)
def test_no_object_is_there_twice(name: str, tmp_path: Path) -> None:
    found = kinds(SCENES[name], tmp_path)
    assert len(found) == len(set(found))


def test_replicas_are_of_one_stateful_set(tmp_path: Path) -> None:
    found = kinds(SCENES["replicas-asked-for"], tmp_path)
    assert [k for k in found if k.startswith(("StatefulSet", "Pod/vllm"))] == [
        "Pod/vllm-head-0",
        "Pod/vllm-head-1",
        "StatefulSet/vllm-head",
    ]


def test_the_labs_kernel_tells_the_same_connections_as_its_proc(tmp_path: Path) -> None:
    layout = written(Scene(network="socket"), tmp_path)
    head = layout.head
    proc = str(head.folder / "proc")
    task = Task(layout.ranks_on(head)[0].host_pid, 1, (), "uid", "", None)
    kernel = Kernel(proc, str(head.folder / "sys"), LabNetlink(head.folder))
    flows = KernelLooker(kernel, "uid", [task], "now").flows()
    table = {(c.local_port, c.remote_port) for c in sockets.look(proc, task.pid)}
    assert {(f.local_port, f.remote_port) for f in flows.flows} == table
    assert flows.flows[0].sent_bytes + flows.flows[0].received_bytes > 20_000_000_000
    assert task.pid in {f.pid for f in flows.flows}


def test_queue_pairs_of_the_labs_nodes_are_each_others_peers(tmp_path: Path) -> None:
    layout = written(Scene(), tmp_path)
    heads, workers = (list(queue_pairs(layout, m)) for m in layout.members)
    assert {(p.local_qpn, p.remote_qpn) for p in heads} == {
        (p.remote_qpn, p.local_qpn) for p in workers
    }

"""What of Ray runs in a pod, by command lines as real Rays have them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.probes.node_folder import Node

from distcheck.agent.probes.proc import Task
from distcheck.agent.ray_local import ray_local
from distcheck.checks.evidence.ray import LocalStart, RayLocal

CORPUS = Path(__file__).parents[2] / "../shared/corpus/ray"
NODE_ID, CLUSTER_ID = "0b" * 28, "c1" * 28
SITE = "/usr/local/lib/python3.11/site-packages"
RAYLET = [
    f"{SITE}/ray/core/src/ray/raylet/raylet",
    "--object_manager_port=0",
    "--node_manager_port=0",
    f"--node_id={NODE_ID}",
    "--node_ip_address=10.0.0.2",
    "--static_resource_list=node:10.0.0.2,1.0,CPU,1,GPU,8,memory,24834137088",
    "--temp_dir=/tmp/ray",
    "--session_dir=/tmp/ray/session_1",
    "--gcs-address=vllm_head:6379",
    "--session-name=session_1",
    f"--cluster-id={CLUSTER_ID}",
    "--head",
]


def task(pid: int, argv: list[str]) -> Task:
    return Task(pid, 1, tuple(argv), "uid", "container", "2026-01-15T09:00:00Z")


def look(node: Node, *argvs: list[str]) -> RayLocal:
    tasks = [task(pid, argv) for pid, argv in enumerate(argvs, 41)]
    for one in tasks:
        node.process(one.pid, one.argv)
    return ray_local(tasks, node.settings.host_proc, "2026-01-15T09:30:00Z")


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path).start()


def test_a_raylet_tells_its_head_its_node_and_the_gpus_that_it_was_told(node: Node) -> None:
    (raylet,) = look(node, RAYLET).raylets
    assert (raylet.gcs_address, raylet.node_ip, raylet.gpus) == ("vllm_head:6379", "10.0.0.2", 8.0)
    assert (raylet.node_id, raylet.cluster_id) == (NODE_ID, CLUSTER_ID)
    assert raylet.is_head
    assert raylet.started_at == "2026-01-15T09:00:00Z"


def test_a_raylet_without_gpus_has_none_and_one_without_a_list_says_nothing(node: Node) -> None:
    bare = ["raylet", "--static_resource_list=node:10.0.0.3,1.0,CPU,1"]
    assert [r.gpus for r in look(node, bare, ["raylet"]).raylets] == [0.0, None]


def test_a_gcs_server_is_a_head_with_its_address(node: Node) -> None:
    argv = ["/x/gcs_server", "--gcs_server_port=6380", "--node-ip-address=10.0.0.2"]
    assert [h.address for h in look(node, argv).heads] == ["10.0.0.2:6380"]


@pytest.mark.parametrize(
    "argv",
    [
        ["/usr/bin/python3", "/usr/local/bin/ray", "start", "--block", "--address=head:6379"],
        ["/usr/bin/python3", "-m", "ray.scripts.scripts", "start", "--address", "head:6379"],
        ["ray", "start", "--address=head:6379"],
    ],
)
def test_a_ray_start_without_a_raylet_still_waits_for_its_address(
    node: Node, argv: list[str]
) -> None:
    started = LocalStart(41, "head:6379", started_at="2026-01-15T09:00:00Z")
    assert look(node, argv).waiting == (started,)


def test_a_ray_start_beside_its_raylet_has_got_through(node: Node) -> None:
    assert look(node, ["ray", "start", "--address=head:6379"], RAYLET).waiting == ()


def test_a_shell_whose_script_starts_ray_may_be_past_it(node: Node) -> None:
    script = ["/bin/bash", "-c", "ray start --address=head:6379; vllm serve m"]
    assert look(node, script).starts == ()


def test_versions_are_the_names_of_the_packages_that_ray_runs_from(node: Node) -> None:
    node.inside(f"{SITE}/ray-2.40.0.dist-info/METADATA", "")
    node.inside(f"{SITE}/ray_cpp-9.9.dist-info/METADATA", "")
    seen = look(node, RAYLET)
    assert (seen.ray_version, seen.python_version) == ("2.40.0", "3.11")
    assert seen.versions_from == SITE


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("/usr/local/pyvenv.cfg", "home = /usr\nversion = 3.11.7\n"),
        ("/usr/local/pyvenv.cfg", "version_info = 3.11.7\n"),
        ("/usr/local/include/python3.11/patchlevel.h", '#define PY_VERSION      "3.11.7"\n'),
        ("/usr/local/conda-meta/python-3.11.7-h955ad1f_0.json", "{}"),
    ],
)
def test_the_third_number_of_python_is_in_one_of_several_files(
    node: Node, file: str, text: str
) -> None:
    node.inside(f"{SITE}/ray-2.40.0.dist-info/METADATA", "")
    node.inside(file, text)
    assert look(node, RAYLET).python_version == "3.11.7"


def test_versions_are_found_for_a_ray_start_that_never_made_a_raylet(node: Node) -> None:
    node.inside("/opt/venv/lib/python3.12/site-packages/ray-2.52.1.dist-info/METADATA", "")
    argv = ["/opt/venv/bin/python", "/opt/venv/bin/ray", "start", "--address=head:6379"]
    seen = look(node, argv)
    assert (seen.ray_version, seen.python_version) == ("2.52.1", "3.12")


def test_ports_are_those_that_the_session_names_for_this_node(node: Node) -> None:
    node.inside(f"/tmp/ray/session_1/gcs_server_port_{NODE_ID}", "6379")
    node.inside(f"/tmp/ray/session_1/metrics_agent_port_{NODE_ID}", "-1")
    node.inside(f"/tmp/ray/session_1/runtime_env_agent_port_{'9' * 56}", "44003")
    node.inside("/tmp/ray/ray_current_cluster", "10.0.0.2:6379\n")
    seen = look(node, RAYLET)
    assert (seen.ports, seen.current_cluster) == ({"gcs_server": 6379}, "10.0.0.2:6379")


def test_a_pod_without_ray_has_nothing_of_it(node: Node) -> None:
    seen = look(node, ["/usr/bin/python3", "/usr/local/bin/vllm", "serve", "m"])
    assert (seen.raylets, seen.heads, seen.starts, seen.ray_version) == ((), (), (), "")


@pytest.mark.parametrize("version", ["2.40.0", "2.60.0"])
def test_the_command_lines_of_real_raylets_are_read(node: Node, version: str) -> None:
    path = CORPUS / f"messages/raylet_cmdline_{version}.txt"
    if not path.exists():
        pytest.skip("no recorded command lines here")
    (raylet,) = look(node, path.read_text().splitlines()).raylets
    assert (raylet.gcs_address, raylet.node_ip) == ("10.77.0.2:6379", "10.77.0.2")
    assert (raylet.gpus, raylet.is_head, len(raylet.node_id)) == (8.0, True, 56)
    assert len(raylet.cluster_id) == 56


@given(st.lists(st.text(max_size=40).map(lambda t: t.replace("\0", ""))), st.integers(0, 11))
def test_any_command_line_gives_an_answer(words: list[str], cut: int) -> None:
    argv = [*RAYLET[: cut + 1], *words]
    seen = ray_local([task(1, argv)], "/nowhere", "now")
    assert all(r.gpus is None or r.gpus == r.gpus for r in seen.raylets)

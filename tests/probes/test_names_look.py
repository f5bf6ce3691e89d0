"""Which names of a pod are looked up: those that its own commands and variables name, no other."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from distcheck.agent.names_look import NamedPod, names_look
from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.probes.proc import Task
from distcheck.agent.settings import Settings
from distcheck.checks.evidence import Missing
from distcheck.checks.evidence.rendezvous import NameLookup, NameLookups
from distcheck.lab.name_server import NameServer

HEAD = "vllm-head-0.vllm-head"
JOIN = ("python3", "/usr/local/bin/ray", "start", f"--address={HEAD}:6379", "--block")


@pytest.fixture(scope="module")
def server() -> Iterator[NameServer]:
    server = NameServer("127.0.0.1", {f"{HEAD}.llm.svc.cluster.local": "10.0.0.2"})
    yield server
    server.close()


def task(*argv: str) -> Task:
    return Task(7, 1, argv, "uid", "container", None)


def looked(
    tmp_path: Path, port: int, *argvs: tuple[str, ...], probes: bool = True, **environ: str
) -> NameLookups | Missing:
    etc = tmp_path / "7" / "root" / "etc"
    etc.mkdir(parents=True, exist_ok=True)
    (etc / "resolv.conf").write_text("nameserver 127.0.0.1\nsearch llm.svc.cluster.local\n")
    (tmp_path / "7" / "ns").mkdir(exist_ok=True)
    if not (tmp_path / "7" / "ns" / "net").exists():
        (tmp_path / "7" / "ns" / "net").symlink_to("/proc/self/ns/net")
    settings = Settings("gpu-b", str(tmp_path), port_probes=probes, dns_port=port)
    tasks = [task(*argv) for argv in argvs or [()]]
    return names_look(settings, NamedPod("vllm-worker-0", tasks, tasks[0], environ), "now")


def lookups(seen: NameLookups | Missing) -> tuple[NameLookup, ...]:
    assert isinstance(seen, NameLookups)
    return seen.lookups


def test_the_address_of_ray_start_is_looked_up(tmp_path: Path, server: NameServer) -> None:
    seen = looked(tmp_path, server.port, JOIN)
    (one,) = lookups(seen)
    assert (one.name, one.used_for, one.addresses) == (HEAD, "ray start --address", ("10.0.0.2",))
    assert isinstance(seen, NameLookups)
    assert (seen.servers, seen.search) == (("127.0.0.1",), ("llm.svc.cluster.local",))


NAMED = [
    ("sh", "-c", f"ray start --address={HEAD}:6379"),
    ("python3", "-m", "sglang.launch_server", "--dist-init-addr", f"{HEAD}:20000"),
    ("python3", "vllm", "serve", "m", "--master-addr", HEAD, "--nnodes", "2"),
    ("python3", "vllm", "serve", "m", f"--data-parallel-address={HEAD}"),
    ("torchrun", f"--rdzv-endpoint={HEAD}:29400", "serve.py"),
]


@pytest.mark.parametrize("argv", NAMED, ids=lambda a: a[0])
def test_every_engines_way_to_name_its_leader_is_read(
    tmp_path: Path, server: NameServer, argv: tuple[str, ...]
) -> None:
    (one,) = lookups(looked(tmp_path, server.port, argv))
    assert one.outcome == "resolved"


VARIABLES = ("LWS_LEADER_ADDRESS", "RAY_ADDRESS", "FQ_RAY_IP", "MASTER_ADDR")


@pytest.mark.parametrize("name", VARIABLES)
def test_a_variable_that_names_the_leader_is_read(
    tmp_path: Path, server: NameServer, name: str
) -> None:
    environ = {name: f"{HEAD}:6379"}
    (one,) = lookups(looked(tmp_path, server.port, probes=True, **environ))
    assert (one.name, one.used_for) == (HEAD, name)


def test_a_name_is_looked_up_once(tmp_path: Path, server: NameServer) -> None:
    assert len(lookups(looked(tmp_path, server.port, JOIN, JOIN, RAY_ADDRESS=f"{HEAD}:6379"))) == 1


def test_an_address_needs_no_look_up_and_no_right(tmp_path: Path) -> None:
    join = ("ray", "start", "--address=10.0.0.2:6379")
    (one,) = lookups(looked(tmp_path, 9, join, probes=False))
    assert (one.outcome, one.addresses, one.asked) == ("resolved", ("10.0.0.2",), ())


def test_without_the_right_the_name_is_told_and_not_looked_up(tmp_path: Path) -> None:
    with pytest.raises(ProbeError, match=f"{HEAD} was not looked up for vllm-worker-0"):
        looked(tmp_path, 9, JOIN, probes=False)


@pytest.mark.parametrize("argv", [("vllm", "serve", "m"), ("ray", "start", "--head")])
def test_a_pod_that_names_nobody_looks_up_nothing(tmp_path: Path, argv: tuple[str, ...]) -> None:
    seen = looked(tmp_path, 9, argv, RAY_ADDRESS="127.0.0.1:6379")
    assert isinstance(seen, Missing)
    assert "names another pod" in seen.reason


def test_what_a_shell_has_yet_to_compute_is_not_looked_up(tmp_path: Path) -> None:
    assert isinstance(looked(tmp_path, 9, ("ray", "start", "--address=$HEAD:6379")), Missing)
    odd = ("ray", "start", "--address=a b\n:6379")
    assert isinstance(looked(tmp_path, 9, odd), Missing)

"""What the agent costs its node: memory, and processor time with busy pods.

Numbers are printed; no time is asserted, for machines are noisy.
"""

import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs
from tests.bench import serving_logs
from tests.probes.kubelet import container, kubelet, pod, reply
from tests.probes.node_folder import Node, gpu
from tests.probes.tailing import Tailing, cri, init

from distcheck.agent.metrics import AgentFamilies
from distcheck.agent.node import Asked
from distcheck.agent.openmetrics import page
from distcheck.agent.wiring import make_agent
from distcheck.checks.evidence import PortProbe, PortProbes
from distcheck.lab.machine import free_port
from distcheck.lab.nvml import LabNvml

pytestmark = pytest.mark.bench
AIM_RESIDENT, AIM_SHARE = 64, 1.0
TICKS_A_MINUTE = 30
DAY, PODS, ALIVE = 24 * 3600, 10_000, 8
CHURN = "import sys; from tests.bench.test_bench_agent import churn; churn(sys.argv[1])"
MINUTES = "import sys; from tests.bench.test_bench_agent import minutes; minutes(sys.argv[1])"


def resident(pid: int | str = "self") -> dict[str, float]:
    """MiB that a process holds: all, and what it does not share with files."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.findall(r"^(VmHWM|VmRSS|RssAnon):\s+(\d+) kB", status, re.MULTILINE)
    return {name: round(int(size) / 1024, 1) for name, size in found}


def _tell(text: str) -> None:
    print(text)  # noqa: T201 - the result


def uid_of(number: int) -> str:
    return f"{number:08x}-6a53-4d0b-9a6e-0c4f3e1d7a10"


def busy_node(root: Path) -> Node:
    """Eight pods with an engine on a GPU each, among two thousand processes of the node."""
    node = Node(root).start()
    for number in range(8):
        node.log("0.log", cri(init(0)), pod=f"vllm-{number}", uid=uid_of(number))
        node.process(1000 + number, ["VLLM::Worker_TP0"], uid=uid_of(number))
    for pid in range(5000, 7000):
        folder = root / "proc" / str(pid)
        folder.mkdir()
        (folder / "cgroup").write_text("0::/system.slice/x.service\n")
    node.gpus([gpu(n, 1000 + n) for n in range(8)])
    return node


def test_memory_after_start_and_after_a_look(tmp_path: Path) -> None:
    node, port = busy_node(tmp_path), free_port()
    environ = {
        **os.environ,
        "DISTCHECK_HOST_PROC": node.settings.host_proc,
        "DISTCHECK_POD_LOGS": node.settings.pod_logs,
        "DISTCHECK_LISTEN": f"127.0.0.1:{port}",
        "DISTCHECK_METRICS": "127.0.0.1:0",
    }
    command = [sys.executable, "-m", "distcheck", "agent"]
    (tmp_path / "k").mkdir()
    gpus = [container("vllm", nvidia_com__gpu=[f"GPU-{n}"]) for n in range(8)]
    given = reply(*(pod(f"vllm-{n}", gpus[n]) for n in range(8)))
    with (
        kubelet(tmp_path / "k", given) as path,
        subprocess.Popen(command, env=environ | {"DISTCHECK_POD_RESOURCES": str(path)}) as process,
    ):
        try:
            time.sleep(6)
            _tell(f"\nafter start: {resident(process.pid)} MiB, aim {AIM_RESIDENT}")
            for _ in range(10):
                asking = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                pods = "&".join(f"pod=llm/vllm-{n}" for n in range(8))
                asking.request("GET", f"/v1/evidence?{pods}")
                body = asking.getresponse().read()
            threads = len(list(Path(f"/proc/{process.pid}/task").iterdir()))
            _tell(f"after 10 looks at 8 pods: {resident(process.pid)} MiB, {threads} threads")
        finally:
            process.kill()
    assert b"GPU-7" in body


def churn(root: str) -> None:
    """A day in which 10,000 pods come and go, 8 at a time; prints what the process holds."""
    (Path(root) / "state").mkdir()
    tail = Tailing(Path(root), state=f"{root}/state")
    text = cri("".join(init(r) for r in range(8))) + serving_logs.access().decode()[:20_000]
    held = []
    for number in range(PODS):
        tail.node.log("0.log", text, pod=f"p-{number}", uid=uid_of(number))
        tail.node.process(10_000 + number, ["VLLM::Worker_TP0"], uid=uid_of(number))
        if number >= ALIVE:
            gone = number - ALIVE
            shutil.rmtree(tail.node.root / "pod-logs" / f"llm_p-{gone}_{uid_of(gone)}")
            shutil.rmtree(tail.node.root / "proc" / str(10_000 + gone))
        tail.tick(DAY / PODS)
        if number % 1000 == 999:
            held.append(resident()["VmRSS"])
    kept = len(list((Path(root) / "state").iterdir()))
    _tell(json.dumps({"held": held, "pods": len(tail.tailer._pods), "kept": kept}))


def minutes(root: str) -> None:
    """Ten minutes with 8 chatty pods; prints processor seconds a minute."""
    node = busy_node(Path(root))
    tail = Tailing.over(node)
    lines = serving_logs.access().decode()[:40_000]
    paths = [next((node.root / "pod-logs").glob(f"llm_vllm-{n}_*")) for n in range(8)]
    tail.tick(2)
    files = [path / "vllm/0.log" for path in paths]
    spent = 0.0
    for _ in range(10 * TICKS_A_MINUTE):
        for file in files:
            with file.open("a") as log:
                log.write(lines)
        start = time.process_time()
        tail.tick(2)
        spent += time.process_time() - start
    _tell(json.dumps({"seconds": spent / 10, "written": len(lines) * 8 // 2, **resident()}))


def _ran(code: str, folder: Path) -> dict[str, object]:
    command = [sys.executable, "-c", code, str(folder)]
    environ = {**os.environ, "PYTHONPATH": "."}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environ)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_memory_after_a_day_of_pods_that_come_and_go(tmp_path: Path) -> None:
    seen = _ran(CHURN, tmp_path)
    _tell(f"\n{PODS} pods in a day: {seen['held']} MiB at each thousand, aim {AIM_RESIDENT}")
    assert seen["pods"] == ALIVE
    assert isinstance(seen["kept"], int)
    assert seen["kept"] <= 2 * ALIVE


def test_processor_time_with_eight_chatty_pods(tmp_path: Path) -> None:
    seen = _ran(MINUTES, tmp_path)
    share = float(str(seen["seconds"])) / 60 * 100
    _tell(f"\n8 chatty pods ({seen['written']} bytes/s): {share:.2f} % of a core, aim {AIM_SHARE}")
    assert share > 0


def test_a_scrape_of_eight_gpus_and_32_pods(tmp_path: Path) -> None:
    node = Node(tmp_path).start()
    for number in range(32):
        text = "".join(cri(f"vllm-{number}:1:1 [0] NCCL INFO {line}") for line in _NCCL)
        node.log("0.log", text, pod=f"vllm-{number}", uid=uid_of(number))
        node.process(1000 + number, ["VLLM::Worker_TP0"], uid=uid_of(number))
    node.gpus([gpu(n, *(1000 + n + 8 * k for k in range(4))) for n in range(8)])
    agent = make_agent(node.settings, LabNvml(node.root / "nvml.json"))
    for _ in range(2):
        agent.watch.look(time.time())
        agent.tail.tick(time.monotonic())
    looks = [_seconds(lambda: agent.watch.look(time.time())) for _ in range(3)]
    probes = tuple(PortProbe(f"llm/vllm-{n}", "10.0.0.3", 6379, "gcs", "open") for n in range(64))
    look = agent.look(Asked(tuple(f"llm/vllm-{n}" for n in range(32))))
    told = tuple(structs.replace(p, ports=PortProbes(probes)) for p in look.pods)
    uids = {f"llm/vllm-{n}": uid_of(n) for n in range(32)}
    agent.answers.remember(structs.replace(look, pods=told), uids, "", time.time())
    families = AgentFamilies(agent)
    body = page(families, "", "").body
    plain = sorted(_seconds(lambda: page(families, "", "")) for _ in range(20))
    packed = sorted(_seconds(lambda: page(families, "", "gzip")) for _ in range(20))
    series = sum(line[:1] != b"#" for line in body.splitlines())
    _tell(
        f"\na scrape, 8 GPUs and 32 pods: {series} series, {len(body) / 1e3:.0f} kB, "
        f"{1e3 * plain[10]:.1f} ms, with gzip {1e3 * packed[10]:.1f} ms (aim: below 50 ms); "
        f"a look {1e3 * min(looks):.0f} ms"
    )
    assert series > 32


_NCCL = (
    "Channel 00/0 : 0[0] -> 8[0] [send] via NET/IB/0/GDRDMA",
    "Channel 00/0 : 0[0] -> 1[1] via P2P/CUMEM",
    "comm 0x1 rank 0 nranks 16 cudaDev 0 busId 1000 commId 0xabc - Init START",
    "comm 0x1 rank 0 nranks 16 cudaDev 0 busId 1000 commId 0xabc - Init COMPLETE",
)


def _seconds(work: Callable[[], object]) -> float:
    """Of a processor; others may use the machine meanwhile."""
    start = time.thread_time()
    work()
    return time.thread_time() - start

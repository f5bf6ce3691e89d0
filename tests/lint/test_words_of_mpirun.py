"""Words behind mpirun are its own up to the program that it starts, whatever that is called."""

import pytest
from tests.lint.judge import found, sure
from tests.lint.judge import judged as report

JOB = """\
apiVersion: kubeflow.org/v2beta1
kind: MPIJob
metadata: {name: trt}
spec:
  slotsPerWorker: 8
  mpiReplicaSpecs:
    Launcher:
      template:
        spec:
          containers:
          - name: launcher
            image: nvcr.io/nvidia/tensorrt-llm/release:1.0.0
            command: [mpirun, --allow-run-as-root, -np, "16", %s]
            env: [{name: NCCL_SOCKET_IFNAME, value: eth0}]
            %s
    Worker:
      replicas: 2
      template:
        spec:
          %s
          containers:
          - name: worker
            image: nvcr.io/nvidia/tensorrt-llm/release:1.0.0
            resources: {%s}
            volumeMounts: [{name: dshm, mountPath: /dev/shm}]
          volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 32Gi}}]
"""
SERVE = "trtllm-llmapi-launch, trtllm-serve, /m, --tp_size, '16'"
EIGHT = "limits: {nvidia.com/gpu: 8, memory: 400Gi}"
ITS_OWN = "resources: {limits: {nvidia.com/gpu: %d, memory: 4Gi}}"


def job(words: str, launcher: str = "", claims: str = "", worker: str = EIGHT) -> str:
    return JOB % (words, launcher, claims, worker)


@pytest.mark.parametrize(
    "words",
    [
        f"env, NCCL_SOCKET_IFNAME=eth0, {SERVE}",
        "bash, -c, 'export NCCL_SOCKET_IFNAME=eth0; trtllm-serve /m'",
        f"-x, NCCL_SOCKET_IFNAME, {SERVE}",
    ],
)
def test_a_variable_that_the_started_program_is_given_reaches_the_ranks(words: str) -> None:
    assert not found(job(words), "CONF054")
    assert found(job(SERVE), "CONF054")


def test_a_log_that_the_started_program_is_told_of_is_written() -> None:
    assert not found(job(f"env, NCCL_DEBUG=INFO, {SERVE}"), "CONF121")
    assert found(job(f"env, NCCL_DEBUG=WARN, {SERVE}"), "CONF121")


@pytest.mark.parametrize(
    "words",
    [
        "/app/server, --hostfiles, x",
        "--bind-to, none, /app/server, --hostfiles, x",
        "--mca, btl_tcp_if_include, eth0, -x, PATH, env, A=b, /app/server, --mapby, x",
        "--of-another-mpi, /app/server, --hostfiles, x",
    ],
)
def test_flags_of_an_unknown_program_are_not_options_of_mpirun(words: str) -> None:
    assert not found(job(words), "CONF115")


@pytest.mark.parametrize(
    ("words", "levels"),
    [
        ("--hostfiles, x, /app/server", ["error"]),
        ("--hostfil, /h, --mapby, node, /app/server", ["hint", "error"]),
        ("--mapby, node, --hostfile, /h, /app/server", ["error"]),
    ],
)
def test_the_beginning_of_an_option_is_one_to_open_mpi_5(words: str, levels: list[str]) -> None:
    every = sorted(found(job(words), "CONF115"), key=lambda f: f.at.column)
    assert [f.level for f in every] == levels


def test_ranks_that_stay_with_a_launcher_that_has_the_gpus_need_none_elsewhere() -> None:
    here = job(f"-H, 'localhost:16', {SERVE}", ITS_OWN % 16, worker="limits: {memory: 4Gi}")
    assert not found(here, "CONF018")
    assert found(here.replace("localhost", "trt-worker-0"), "CONF018")


def test_gpus_that_are_claimed_are_not_counted_as_none() -> None:
    claims = "resourceClaims: [{name: g, resourceClaimTemplateName: gpus}]"
    text = job(f"-x, NCCL_SOCKET_IFNAME, {SERVE}", ITS_OWN % 1, claims, "claims: [{name: g}]")
    assert not sure(report(text))
    bare = text.replace("claims: [{name: g}]", "limits: {memory: 4Gi}").replace(claims, "")
    assert found(bare, "CONF018")


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ("trtllm-serve, /m, --tp_size, '16'", True),
        ("numactl, -N, '0', trtllm-serve, serve, /m, --tp_size, '8', --pp_size, '2'", True),
        (SERVE, False),
        (f"-x, TLLM_SPAWN_PROXY_PROCESS, {SERVE.partition(', ')[2]}", False),
        ("trtllm-serve, disaggregated_mpi_worker, -c, /c/disagg.yaml", False),
        ("trtllm-serve, /m", False),
        ("bash, -c, '/start.sh trtllm-serve /m --tp_size 16'", False),
        ("/scripts/with-launcher.sh, trtllm-serve, /m, --tp_size, '16'", False),
        ("python3, -m, mpi4py.futures, /bin/trtllm-serve, /m, --tp_size, '16'", False),
    ],
)
def test_each_process_of_trtllm_serve_is_a_server_without_its_launcher(
    words: str, *, wrong: bool
) -> None:
    assert [f.level for f in found(job(words), "CONF113")] == ["error"] * wrong

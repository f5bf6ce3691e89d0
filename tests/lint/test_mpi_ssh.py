"""How the launcher of an MPIJob reaches its workers by SSH."""

import pytest
from tests.lint.judge import found

JOB = """\
apiVersion: kubeflow.org/v2beta1
kind: MPIJob
metadata: {name: trtllm}
spec:
  slotsPerWorker: 8
  %s
  mpiReplicaSpecs:
    Launcher:
      template:
        spec:
          containers:
          - name: launcher
            image: nvcr.io/nvidia/tensorrt-llm/release:1.0.0
            command: [%s]
    Worker:
      replicas: 2
      template:
        spec:
          hostNetwork: %s
          containers:
          - name: worker
            image: nvcr.io/nvidia/tensorrt-llm/release:1.0.0
            %s
            resources: {limits: {nvidia.com/gpu: 8}}
"""
SERVE = "trtllm-llmapi-launch, trtllm-serve, /m, --port, '8000'"
RUN = f"mpirun, -np, '16', {SERVE}"


def hints(
    policy: str = "suspend: false", run: str = RUN, host: str = "false", own: str = ""
) -> int:
    held = found(JOB % (policy, run, host, own), "CONF119")
    assert {f.level for f in held} <= {"hint"}
    return len(held)


@pytest.mark.parametrize(
    ("run", "host", "own", "count"),
    [
        (RUN, "true", "command: [/usr/sbin/sshd, -De]", 1),
        (RUN, "true", "", 1),
        (RUN, "true", 'command: [bash, -c, "/usr/sbin/sshd; sleep infinity"]', 1),
        (RUN, "true", "command: [/usr/sbin/sshd, -De, -p, '2222']", 0),
        (RUN, "true", 'command: [bash, -c, "/usr/sbin/sshd -p 2222; sleep infinity"]', 0),
        (f"mpirun, --mca, plm_rsh_args, '-p 2222', {SERVE}", "true", "", 0),
        (RUN, "true", "command: [/start.sh]", 0),
        (RUN, "false", "command: [/usr/sbin/sshd, -De]", 0),
    ],
)
def test_sshd_of_a_worker_is_not_where_the_nodes_own_is(
    run: str, host: str, own: str, count: int
) -> None:
    assert hints(run=run, host=host, own=own) == count


@pytest.mark.parametrize(
    ("policy", "run", "count"),
    [
        ("runPolicy: {backoffLimit: 0}", RUN, 1),
        ("runPolicy: {backoffLimit: 0}", 'bash, -c, "set -x; /opt/openmpi/bin/mpirun -np 16 x"', 1),
        ("runPolicy: {backoffLimit: 0}", 'bash, -c, "sleep 60; mpirun -np 16 x"', 0),
        ("runPolicy: {backoffLimit: 0}", 'bash, -c, "until ssh w true; do :; done; mpirun x"', 0),
        ("runPolicy: {backoffLimit: 6}", RUN, 0),
        ("runPolicy: {cleanPodPolicy: Running}", RUN, 0),
        ("runPolicy: {backoffLimit: 0}", f"/wait-for-workers.sh, {RUN}", 0),
        ("launcherCreationPolicy: WaitForWorkersReady\n  runPolicy: {backoffLimit: 0}", RUN, 0),
    ],
)
def test_a_launcher_with_one_try_waits_for_its_workers(policy: str, run: str, count: int) -> None:
    assert hints(policy, run) == count


@pytest.mark.parametrize(
    ("image", "own", "count"),
    [
        ("nvcr.io/nvidia/pytorch:25.06-py3", "", 1),
        ("nvcr.io/nvidia/pytorch:25.06-py3", 'command: [bash, -c, "/usr/sbin/sshd -p 22"]', 1),
        ("nvcr.io/nvidia/pytorch:25.06-py3", 'command: [bash, -c, "apt install -y ssh; sshd"]', 0),
        ("r.io/ours/pytorch:25.06-py3", "", 0),
    ],
)
def test_an_image_is_known_that_has_no_sshd(image: str, own: str, count: int) -> None:
    text = JOB % ("suspend: false", RUN, "false", own)
    before, worker, after = text.partition("name: worker\n")
    after = after.replace("nvcr.io/nvidia/tensorrt-llm/release:1.0.0", image)
    held = found(before + worker + after, "CONF119")
    assert [f.level for f in held] == ["hint"] * count

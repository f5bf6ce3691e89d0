"""Pods of Indexed Jobs know their index: what their scripts do with it is worked out."""

import pytest
from tests.lint.judge import found, judged, sure

from distcheck.checks.manifest.report import LintReport

SET = """\
apiVersion: jobset.x-k8s.io/v1alpha2
kind: JobSet
metadata: {name: vllm}
spec:
  network: {enableDNSHostnames: true, subdomain: vllm, publishNotReadyAddresses: true}
  replicatedJobs:
  - name: node
    replicas: %d
    template:
      spec: {parallelism: %d, completions: %d, MODE template: {spec: {
        containers: [{
          name: vllm, image: vllm/vllm-openai:v0.12.0,
          command: [bash, -c, "exec vllm serve Qwen/Qwen3-235B-A22B -tp 8 -pp PP --nnodes 2
            --node-rank RANK --master-addr vllm-node-0-0.vllm HEADLESS"],
          env: [{name: NCCL_DEBUG, value: INFO},
            {name: NODE, valueFrom: {fieldRef: {fieldPath: "metadata.FIELD"}}}],
          resources: {limits: {nvidia.com/gpu: 8, memory: 900Gi}},
          volumeMounts: [{name: s, mountPath: /dev/shm}]}],
        volumes: [{name: s, emptyDir: {medium: Memory, sizeLimit: 16Gi}}]}}}
"""
JOB = """\
apiVersion: batch/v1
kind: Job
metadata: {name: sg}
spec:
  completions: 2
  parallelism: 2
  MODE
  template:
    spec:
      subdomain: sg
      containers:
      - name: vllm
        image: vllm/vllm-openai:v0.12.0
        command: [bash, -c, "%s"]
        resources: {limits: {nvidia.com/gpu: 8, memory: 500Gi}}
"""
INDEX = "$JOB_COMPLETION_INDEX"


def job_set(
    jobs: int = 1,
    pods: int = 2,
    rank: str = INDEX,
    pp: int = 2,
    mode: str = "",
    field: str = "name",
) -> str:
    text = SET % (jobs, pods, pods)
    headless = f"$([ {rank} = 0 ] || echo --headless)"
    for name, value in (("PP", f"{pp}"), ("MODE", mode), ("HEADLESS", headless)):
        text = text.replace(name, value)
    return text.replace("RANK", rank).replace("FIELD", field)


def says(text: str, rule: str) -> list[str]:
    return [f"{f.level}: {f.says}" for f in found(text, rule)]


def clean(report: LintReport) -> bool:
    return not sure(report) and len(report.groups) == 1


def test_more_ranks_than_gpus_are_found_behind_the_index() -> None:
    (one,) = says(job_set(pp=4), "CONF001")
    assert one.startswith("error: TP=8 x PP=4 needs 32 GPUs, and JobSet vllm has 16")


@pytest.mark.parametrize(
    ("jobs", "pods", "rank", "field"),
    [
        (1, 2, INDEX, "name"),
        (1, 2, "$NODE", "annotations['batch.kubernetes.io/job-completion-index']"),
        (1, 2, "$NODE", "labels['batch.kubernetes.io/job-completion-index']"),
        (2, 1, "$NODE", "labels['jobset.sigs.k8s.io/job-index']"),
        (2, 1, "$NODE", "annotations['jobset.sigs.k8s.io/job-global-index']"),
    ],
)
def test_ranks_from_the_index_of_a_pod_or_of_its_job_are_right(
    jobs: int, pods: int, rank: str, field: str
) -> None:
    assert clean(judged(job_set(jobs, pods, rank, field=field)))


def test_pods_of_several_jobs_have_the_same_index() -> None:
    (one,) = says(job_set(2, 1), "CONF008")
    assert one == "error: --node-rank is 0 in vllm-node-0-0 and in vllm-node-1-0"


def test_jobs_of_a_jobset_are_indexed_unless_they_say_otherwise() -> None:
    assert not says(job_set(mode="completionMode: Indexed,"), "CONF008")
    (one,) = says(job_set(mode="completionMode: NonIndexed,"), "CONF008")
    assert one.endswith("have no JOB_COMPLETION_INDEX: completionMode is NonIndexed")


SERVE = "vllm serve /m -tp 8 -pp 2 --nnodes 2 --master-addr sg-0.sg --node-rank"


@pytest.mark.parametrize(
    ("script", "mode", "wrong"),
    [
        (f"{SERVE} {INDEX}", "", 1),
        (f"RANK={INDEX}; {SERVE} $RANK", "", 1),
        (f"{SERVE} $(JOB_COMPLETION_INDEX)", "completionMode: NonIndexed", 1),
        (f"{SERVE} {INDEX}", "completionMode: Indexed", 0),
        (f"{SERVE} ${{JOB_COMPLETION_INDEX:-0}}", "", 0),
        (f"JOB_COMPLETION_INDEX=1; {SERVE} {INDEX}", "", 0),
        (f"echo pod {INDEX}; {SERVE} $RANK", "", 0),
    ],
)
def test_a_job_is_not_indexed_unless_it_says_so(script: str, mode: str, wrong: int) -> None:
    text = (JOB % script).replace("MODE", mode)
    told = [s for s in says(text, "CONF008") if "have no JOB_COMPLETION_INDEX" in s]
    assert len(told) == wrong


def test_arguments_that_cannot_be_read_are_told_of() -> None:
    text = job_set(rank="$NODE", field="annotations['our.own/rank']")
    (one,) = judged(text).groups
    assert "some arguments not readable" in str(one)


@pytest.mark.parametrize("mode", ["", "completionMode: Indexed"])
def test_a_job_runs_no_more_pods_than_it_has_completions(mode: str) -> None:
    text = (JOB % "vllm serve /m -tp 8").replace("MODE", mode)
    (one,) = judged(text.replace("completions: 2", "completions: 1")).groups
    assert "Job sg: 1 pod, 8 GPUs" in str(one)


def leader_and_worker(rank: str, worker: str, at: str = "vllm-node-0-0.vllm") -> str:
    """A JobSet with a Job of one pod for each."""
    text = job_set(1, 1, rank).replace("vllm-node-0-0.vllm", at)
    head, _, job = text.partition("  - name: node\n")
    second = job.replace(f"--node-rank {rank}", f"--node-rank {worker}")
    return f"{head}  - name: node\n{job}  - name: worker\n{second}"


@pytest.mark.parametrize(
    ("rank", "worker", "wrong"),
    [
        (INDEX, INDEX, True),
        ("0", INDEX, True),
        (INDEX, "0", True),
        (INDEX, "1", False),
        ("0", f"$(({INDEX[1:]} + 1))", False),
        (INDEX, "$UNKNOWN", False),
    ],
)
def test_one_rank_worked_out_in_two_templates(rank: str, worker: str, wrong: bool) -> None:
    told = ["error: --node-rank is 0 in vllm-node-0-0 and in vllm-worker-0-0"]
    assert says(leader_and_worker(rank, worker), "CONF008") == (told if wrong else [])


def test_the_same_rank_of_two_groups_at_a_service_of_one_name_is_right() -> None:
    two = [leader_and_worker(INDEX, f"$(({INDEX[1:]} + 1))", at="head") for _ in range(2)]
    two[1] = two[1].replace("metadata: {name: vllm}", "metadata: {name: other}")
    assert not says("---\n".join(two), "CONF008")
    one = job_set(1, 2).replace("vllm-node-0-0.vllm", "head")
    start, _, job = one.partition("  - name: node\n")
    assert not says(f"{start}  - name: node\n{job}  - name: more\n{job}", "CONF008")

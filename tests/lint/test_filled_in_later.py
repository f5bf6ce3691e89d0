"""Places that somebody fills in before a manifest is applied bring no finding of their own."""

import pytest
from tests.lint.judge import judged

LWS = """\
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: %s}
spec:
  leaderWorkerTemplate:
    size: 2
    workerTemplate:
      spec:
        containers:
        - name: vllm
          image: vllm/vllm-openai:v0.14.0
          command: [sh, -c, "vllm serve /m -tp 8 -pp 2 --nnodes 2 --node-rank $LWS_WORKER_INDEX
            --master-addr %s $([ $LWS_WORKER_INDEX = 0 ] || echo --headless)"]
          resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
          volumeMounts: [{name: dshm, mountPath: /dev/shm}]
        volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]
"""
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: llm}
spec:
  containers:
  - name: llm
    image: %s
    args: [--model, /m]
    resources: {limits: {nvidia.com/gpu: 1}}
"""


@pytest.mark.parametrize("address", ["$LWS_LEADER_ADDRESS", "%s-0.%s", "%s-0.%s.default.svc"])
@pytest.mark.parametrize("name", ["__NAME__", "LWS_NAME", "<name>", "<your name>", "${NAME}", "a"])
def test_a_name_that_is_filled_in_later_is_its_own_address(name: str, address: str) -> None:
    at = address.replace("%s", name) if "<" not in name else "$LWS_LEADER_ADDRESS"
    told = judged(LWS % (f"'{name}'", at)).findings
    assert [f.says for f in told if f.id != "CONF121"] == []


def test_the_name_of_another_is_missed_where_the_own_is_filled_in_later() -> None:
    report = judged(LWS % ("__NAME__", "other-0.other"), only="CONF020")
    assert [f.level for f in report.findings] == ["hint"]


@pytest.mark.parametrize("image", ["<image>", "<registry>/vllm", "IMAGE_NAME", "r.io/VLLM_IMAGE"])
def test_a_place_for_an_image_has_no_tag_yet(image: str) -> None:
    text = POD % f"'{image}'"
    assert judged(text, only="CONF075").findings == ()


def test_an_image_may_be_called_as_a_place_is() -> None:
    (one,) = judged(POD % "vllm", only="CONF075").findings
    assert (one.level, one.unseen) == ("hint", "the image that is filled in here")

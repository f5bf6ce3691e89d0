"""What only looks like something that is judged, and what is filled in later, is no error."""

import pytest
from tests.lint.judge import found, judged, sure

VOLCANO = """\
apiVersion: batch.volcano.sh/v1alpha1
kind: Job
metadata: {name: train}
spec:
  schedulerName: volcano
  tasks: [{replicas: 2, name: worker}]
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: vllm}
spec:
  replicas: %s
  selector: {matchLabels: {app: vllm}}
  template:
    metadata: {labels: {app: vllm}}
    spec:
      containers:
      - name: vllm
        image: %s
        args: [--model, /models/m]
        env: %s
        resources: {limits: {nvidia.com/gpu: 1}}
"""
JOBS = """\
apiVersion: batch/v1
kind: Job
metadata: {name: sweep}
spec:
  parallelism: 3
  completions: 3
  template:
    spec:
      containers:
      - {name: one, image: "r.io/sleep:1", resources: {limits: {nvidia.com/gpu: 1}}}
"""


def test_a_job_of_another_api_group_is_not_judged_as_kubernetes_job() -> None:
    assert judged(VOLCANO).findings == ()


def test_chart_values_that_name_a_kind_are_no_deployment_with_unknown_fields() -> None:
    assert sure(judged("kind: Deployment\nreplicaCount: 1\nenv: [{name: A, value: b}]\n")) == []


@pytest.mark.parametrize("text", ["packages: {}\ntemplate: matryer\n", "image: a:1\nname: b\n"])
def test_a_file_of_another_tool_is_not_taken_for_a_fragment(text: str) -> None:
    assert judged(text).objects == 0


@pytest.mark.parametrize("value", ["${REPLICAS:-1}", "$REPLICAS", "<how many>", "REPLICAS"])
def test_a_place_that_is_filled_in_later_is_a_hint(value: str) -> None:
    findings = found(DEPLOYMENT % (value, "vllm/vllm-openai:v0.11.0", "[]"), "CONF070")
    assert [f.level for f in findings] == ["hint"]


@pytest.mark.parametrize(
    "image", ["IMAGE_NAME", "<image>", "replaced-by-kustomize", "r.io/tgi-cu124.2-3.py311"]
)
def test_an_image_that_may_have_its_version_elsewhere_is_a_hint(image: str) -> None:
    findings = found(DEPLOYMENT % (1, f'"{image}"', "[]"), "CONF075")
    assert [f.level for f in findings] == ["hint"]


@pytest.mark.parametrize("value", ["nvapi-NVKEY", "HF_TOKEN"])
def test_a_word_that_stands_in_for_a_token_is_a_hint(value: str) -> None:
    env = f"[{{name: HF_TOKEN, value: {value}}}]"
    findings = found(DEPLOYMENT % (1, "vllm/vllm-openai:v0.11.0", env), "CONF076")
    assert [f.level for f in findings] == ["hint"]


def test_jobs_side_by_side_are_no_group_that_needs_shared_memory() -> None:
    assert found(JOBS, "CONF060") == ()


def test_a_large_document_without_aliases_is_read() -> None:
    deep = "spec: " + "{a: " * 100 + "[" + "1, " * 5_000 + "1]" + "}" * 100
    assert not [n for n in judged(deep).not_judged if n.unreadable]


PATCH = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: vllm}
spec:
  template:
    spec:
      containers:
      - name: vllm
        resources: {limits: {nvidia.com/gpu: 8}}
"""
LWS_PATCH = """\
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: vllm}
spec:
  leaderWorkerTemplate:
    workerTemplate:
      spec: {containers: [{name: vllm, resources: {limits: {nvidia.com/gpu: 8}}}]}
"""


@pytest.mark.parametrize("text", [PATCH, LWS_PATCH])
def test_a_patch_of_kustomize_is_judged_by_its_form_alone(text: str) -> None:
    report = judged(text)
    assert report.findings == ()
    assert "kustomize build" in report.not_judged[0].says


def test_a_misspelt_field_in_a_patch_is_found() -> None:
    assert found(PATCH.replace("containers", "contianers"), "CONF071")


def test_a_port_that_is_filled_in_later_is_no_port_that_is_missing() -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {selector: {app: vllm}, "
    text = service + "ports: [{port: 80, targetPort: '${port}'}]}\n---\n"
    assert found(text + DEPLOYMENT % (1, "vllm/vllm-openai:v0.11.0", "[]"), "CONF028") == ()


HEAD_BY_INDEX = """\
apiVersion: v1
kind: Service
metadata: {name: head}
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector: {app: vllm, apps.kubernetes.io/pod-index: "0"}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: vllm}
spec:
  serviceName: head
  replicas: 2
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: vllm}}
  template:
    metadata: {labels: {app: vllm}}
    spec:
      containers:
      - name: vllm
        image: vllm/vllm-openai:v0.12.0
        command: [sh, -c, "vllm serve /m -tp 16 --nnodes 2 --master-addr head
          --node-rank ${HOSTNAME##*-}"]
        resources: {limits: {nvidia.com/gpu: 8}}
"""


def test_a_service_that_chooses_by_a_controllers_label_chooses_its_pods() -> None:
    assert found(HEAD_BY_INDEX, "CONF024") == ()


def test_a_service_that_chooses_by_no_label_of_the_pods_is_still_found() -> None:
    assert found(HEAD_BY_INDEX.replace("{app: vllm, apps", "{app: other, apps"), "CONF024")


def test_a_policy_that_chooses_by_rays_own_labels_is_not_judged() -> None:
    policy = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: ray}
spec:
  podSelector: {matchLabels: {ray.io/is-ray-node: "yes"}}
  ingress: [{from: [{podSelector: {matchLabels: {app.kubernetes.io/name: kuberay}}}]}]
---
apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: llm}
spec:
  headGroupSpec:
    rayStartParams: {}
    template: {spec: {containers: [{name: h, image: "rayproject/ray:2.46.0"}]}}
  workerGroupSpecs:
  - groupName: gpu
    replicas: 2
    template:
      spec:
        containers:
        - {name: w, image: "rayproject/ray:2.46.0", resources: {limits: {nvidia.com/gpu: 8}}}
"""
    assert found(policy, "CONF029") == ()


def test_a_service_for_the_port_at_which_ranks_meet_leads_somewhere() -> None:
    text = HEAD_BY_INDEX.replace("clusterIP: None\n", "ports: [{port: 5000}]\n")
    text = text.replace("--master-addr head", "--master-addr head --master-port 5000")
    assert found(text, "CONF028") == ()


HEAD_AT_0 = """\
apiVersion: v1
kind: Service
metadata: {name: vllm-head}
spec: {clusterIP: None, selector: {app: head}, ports: [{port: 6379}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: vllm-head}
spec:
  replicas: 0
  serviceName: vllm-head
  selector: {matchLabels: {app: head}}
  template:
    metadata: {labels: {app: head}}
    spec:
      containers:
      - {name: c, image: "vllm/vllm-openai:v0.11.0", command: [ray, start, --head, --block]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: worker}
spec:
  selector: {matchLabels: {app: worker}}
  template:
    metadata: {labels: {app: worker}}
    spec:
      containers:
      - name: c
        image: vllm/vllm-openai:v0.11.0
        command: [ray, start, "--address=vllm-head-0.vllm-head:6379", --block]
        resources: {limits: {nvidia.com/gpu: 8}}
"""


@pytest.mark.parametrize("name", ["vllm-head-0", "vllm-head-3"])
def test_pods_of_a_workload_that_is_scaled_to_0_keep_their_names(name: str) -> None:
    assert found(HEAD_AT_0.replace("vllm-head-0.", f"{name}."), "CONF020") == ()


def test_a_name_that_no_pod_will_have_is_found_at_0_too() -> None:
    (one,) = found(HEAD_AT_0.replace("vllm-head-0.", "vllm-405b-0."), "CONF020")
    assert one.level == "error"

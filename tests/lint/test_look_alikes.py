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


@pytest.mark.parametrize(
    "value", ["${REPLICAS:-1}", "$REPLICAS", "<how many>", "REPLICAS", "($replicas)"]
)
def test_a_place_that_is_filled_in_later_is_a_hint(value: str) -> None:
    findings = found(DEPLOYMENT % (value, "vllm/vllm-openai:v0.11.0", "[]"), "CONF070")
    assert [f.level for f in findings] == ["hint"]


@pytest.mark.parametrize("image", ["replaced-by-kustomize", "r.io/tgi-cu124.2-3.py311"])
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
    assert [n.says for n in judged(deep).not_judged] == [
        "no kind and nothing that tells one: not judged"
    ]


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


def test_dns_takes_either_case() -> None:
    for name in ("VLLM-Head-0.vllm-head", "vllm-head-0.Vllm-Head.default.SVC.Cluster.Local"):
        assert found(HEAD_AT_0.replace("vllm-head-0.vllm-head", name), "CONF020") == ()


ANSIBLE = """\
- name: Create the Deployment
  template: {src: deployment.yaml.j2, dest: /tmp/deployment.yaml}
  vars: {replicas: 2}
"""
TRITON = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: leader}
spec:
  selector: {matchLabels: {app: triton}}
  template:
    metadata: {labels: {app: triton}}
    spec:
      containers:
      - name: triton
        image: r.io/triton:24.07
        command: [python3, ./server.py, leader, --tp=4, --multinode]
        resources: {limits: {nvidia.com/gpu: 1, memory: 32Gi}}
"""


def test_an_ansible_task_with_a_template_is_no_fragment_of_a_job() -> None:
    assert judged(ANSIBLE).objects == 0


def test_a_workload_without_selector_and_labels_is_a_patch() -> None:
    whole = DEPLOYMENT % (1, "vllm/vllm-openai:v0.11.0", "[]")
    text = whole.replace("  selector: {matchLabels: {app: vllm}}\n", "")
    assert found(text, "CONF078")
    patch = text.replace("    metadata: {labels: {app: vllm}}\n", "")
    assert found(patch, "CONF078") == ()
    assert "(no selector)" in judged(patch).not_judged[0].says


def test_a_launcher_that_starts_ranks_in_other_pods_may_have_their_gpus() -> None:
    (one,) = found(TRITON, "CONF001")
    assert (one.level, "other pods" in one.unseen) == ("hint", True)
    assert found(TRITON.replace("server.py, leader", "trtllm-serve"), "CONF001")[0].level == "error"


def test_pods_of_a_job_side_by_side_need_no_log_of_nccl() -> None:
    assert found(JOBS, "CONF121") == ()


@pytest.mark.parametrize(("value", "level"), [("b", "hint"), ("c", "error")])
def test_a_key_twice_with_one_value_is_a_hint(value: str, level: str) -> None:
    text = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {{a: b, a: {value}}}\n"
    assert [f.level for f in found(text, "CONF072")] == [level]


RAY_BY_SCRIPT = """\
apiVersion: v1
kind: Service
metadata: {name: leader}
spec:
  selector: {leaderworkerset.sigs.k8s.io/name: vllm}
  ports: [{name: http, port: 8000}, {name: dashboard, port: 8265}]
---
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: vllm}
spec:
  leaderWorkerTemplate:
    size: 1
    workerTemplate:
      spec:
        containers:
        - name: vllm
          image: vllm/vllm-openai:v0.11.0
          command: [sh, -c, "bash multi-node-serving.sh %s leader; vllm serve /m"]
          resources: {limits: {nvidia.com/gpu: 8}}
"""


def test_a_script_that_starts_ray_may_listen_on_rays_dashboard() -> None:
    assert found(RAY_BY_SCRIPT % "ray", "CONF028") == ()
    assert found(RAY_BY_SCRIPT % "mpi", "CONF028")


@pytest.mark.parametrize(("size", "levels"), [(1, []), (2, ["hint"]), (3, ["error"])])
def test_a_group_with_a_topology_of_its_own_must_fit_into_it(size: int, levels: list[str]) -> None:
    text = f"""\
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata:
  name: vllm
  annotations: {{leaderworkerset.sigs.k8s.io/exclusive-topology: kubernetes.io/hostname}}
spec:
  leaderWorkerTemplate:
    size: {size}
    workerTemplate:
      spec:
        containers:
        - name: vllm
          image: vllm/vllm-openai:v0.11.0
          resources: {{limits: {{nvidia.com/gpu: 8}}}}
"""
    assert [f.level for f in found(text, "CONF095")] == levels
    by_name = text.replace("      spec:", "      spec:\n        nodeName: gpu-1")
    assert len(found(by_name, "CONF095")) == len(levels) + (size > 2)


def test_places_that_are_filled_in_later_are_told_once_for_an_object() -> None:
    text = (DEPLOYMENT % ("${N}", "vllm/vllm-openai:v0.11.0", "[]")).replace(
        "gpu: 1", "gpu: '${G}'"
    )
    (one,) = found(text, "CONF070")
    assert "'${N}', and 1 more place like it" in one.says
    assert "envsubst" in one.fix
    two = found(text.replace("args: [", "workingDir: 1\n        args: ["), "CONF070")
    assert sorted(f.level for f in two) == ["error", "hint"]


def test_a_named_port_beside_one_that_leads_to_the_engine_is_a_hint() -> None:
    ports = "ports: [{name: a, port: 80, targetPort: http}, {name: b, port: 81, targetPort: zmq}]"
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n"
    service += f"  selector: {{app: vllm}}\n  {ports}\n---\n"
    pod = (DEPLOYMENT % (1, "vllm/vllm-openai:v0.11.0", "[]")).replace(
        "        env:", "        ports: [{name: http, containerPort: 8000}]\n        env:"
    )
    assert [f.level for f in found(service + pod, "CONF028")] == ["hint"]
    broken = found(service.replace("targetPort: http", "targetPort: grpc") + pod, "CONF028")
    assert [f.level for f in broken] == ["error", "error"]


@pytest.mark.parametrize("script", ["/ray_init.sh leader", "./start-ray.sh head"])
def test_a_script_for_ray_that_is_told_to_lead_starts_its_head(script: str) -> None:
    text = """\
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: vllm}
spec:
  leaderWorkerTemplate:
    size: 2
    leaderTemplate: {spec: {containers: [%s]}}
    workerTemplate: {spec: {containers: [%s]}}
"""
    one = '{name: a, image: "vllm/vllm-openai:v0.11.0", command: [sh, -c, "%s"], %s}'
    gpus = "resources: {limits: {nvidia.com/gpu: 8}}"
    leader = one % (f"{script}; vllm serve /m -tp 16", gpus)
    worker = one % ("ray start --address=$(LWS_LEADER_ADDRESS):6379 --block", gpus)
    assert found(text % (leader, worker), "CONF022") == ()
    assert found(text % (leader.replace(script, "/prepare.sh"), worker), "CONF022")


@pytest.mark.parametrize(("flag", "levels"), [("--tensor-parallel-size", ["error"]), ("--tp", [])])
def test_arguments_that_only_vllm_takes_tell_it_of_an_image_by_any_name(
    flag: str, levels: list[str]
) -> None:
    text = DEPLOYMENT % (1, "r.io/serve:3", "[]")
    text = text.replace("[--model, /models/m]", f'[--model, /models/m, {flag}, "4"]')
    assert [f.level for f in found(text, "CONF001")] == levels


NIM_BEHIND_A_SERVICE = """
image: {repository: nvcr.io/nim/meta/llama-3.1-405b-instruct, tag: 2.0.0}
model: {name: meta/llama-3.1-405b-instruct}
multiNode: {enabled: true, workers: 1, tensorParallelSize: 8, pipelineParallelSize: 2}
resources: {limits: {nvidia.com/gpu: 8}}
---
apiVersion: v1
kind: Service
metadata: {name: api}
spec:
  selector: {app.kubernetes.io/name: nim-llm}
  ports: [{port: 80, targetPort: http-openai}]
"""


def test_a_port_that_nims_chart_names_is_not_missing() -> None:
    assert found(NIM_BEHIND_A_SERVICE, "CONF028") == ()


TWO_WAYS_TO_DEPLOY = """
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: sglang}
spec:
  leaderWorkerTemplate:
    size: 2
    workerTemplate:
      spec:
        containers:
        - name: sglang
          image: lmsysorg/sglang:v0.5.3
          command: [sh, -c, "python3 -m sglang.launch_server --model-path /m --tp 16 --nnodes 2
            --node-rank $LWS_WORKER_INDEX --dist-init-addr $LWS_LEADER_ADDRESS:20000"]
          resources: {limits: {nvidia.com/gpu: 8}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: sglang}
spec:
  serviceName: sglang-headless
  selector: {matchLabels: {app: s}}
  template:
    metadata: {labels: {app: s}}
    spec:
      containers:
      - {name: sglang, image: "lmsysorg/sglang:v0.5.3", resources: {limits: {nvidia.com/gpu: 8}}}
"""


def test_a_leaders_address_is_not_taken_for_a_pod_of_a_stateful_set_of_that_name() -> None:
    assert found(TWO_WAYS_TO_DEPLOY, "CONF020") == ()


ASSERTED = """\
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: nvidia-device-plugin-daemonset}
status:
  (desiredNumberScheduled > `0`): true
  (numberReady == desiredNumberScheduled): true
"""


def test_what_chainsaw_compares_is_no_unknown_field() -> None:
    assert found(ASSERTED, "CONF071") == ()


@pytest.mark.parametrize(("value", "level"), [("{YOUR_FOLDER}", "hint"), ("{a: 1}", "error")])
def test_a_word_in_braces_stands_in_for_what_a_person_is_to_write(value: str, level: str) -> None:
    env = f"[{{name: MODEL, value: {value}}}]"
    findings = found(DEPLOYMENT % (1, "vllm/vllm-openai:v0.11.0", env), "CONF070")
    assert [f.level for f in findings] == [level]


@pytest.mark.parametrize(("name", "count"), [("KVC_PER_TOKEN", 0), ("SUPER_TOKEN", 1)])
def test_a_number_for_each_token_is_no_secret(name: str, count: int) -> None:
    env = f"[{{name: {name}, value: '2'}}]"
    findings = found(DEPLOYMENT % (1, "vllm/vllm-openai:v0.11.0", env), "CONF076")
    assert len(findings) == count


IDLE = """\
apiVersion: v1
kind: Pod
metadata: {name: gpu-pod}
spec:
  containers:
  - {name: c, image: "%s", command: [bash, -c, "%s"], resources: {limits: {nvidia.com/gpu: 2}}}
"""


@pytest.mark.parametrize(
    ("image", "command", "count"),
    [
        ("ubuntu:22.04", "nvidia-smi && sleep 86400", 0),
        ("nvcr.io/nvidia/cuda:12.4.1-base-ubuntu22.04", "sleep infinity", 0),
        ("ubuntu:22.04", "torchrun serve.py", 1),
        ("vllm/vllm-openai:v0.11.0", "sleep infinity", 1),
    ],
)
def test_a_pod_that_only_sleeps_needs_no_shared_memory(
    image: str, command: str, count: int
) -> None:
    assert len(found(IDLE % (image, command), "CONF060")) == count


@pytest.mark.parametrize(("field", "count"), [("requirements", 0), ("contaners", 1)])
def test_a_field_of_a_fragment_is_told_where_it_is_near_one_that_there_is(
    field: str, count: int
) -> None:
    """A node pool of Karpenter has `spec.template.spec`, too."""
    text = f"spec: {{template: {{spec: {{{field}: [{{key: a, operator: In, values: [b]}}]}}}}}}\n"
    assert [f.level for f in found(text, "CONF071")] == ["hint"] * count

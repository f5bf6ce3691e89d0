"""What `kubectl get -o yaml` gives beside a workload, its owner made: it is judged once."""

import pytest
from tests.lint.judge import judged, sure

LWS = """\
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: llm}
spec:
  leaderWorkerTemplate:
    size: 2
    workerTemplate:
      spec: %(spec)s
---
"""
CHILDREN = """\
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: llm
  ownerReferences: [{kind: LeaderWorkerSet, name: llm, controller: true}]
spec:
  serviceName: llm
  selector: {matchLabels: {app: llm}}
  template: {metadata: {labels: {app: llm}}, spec: %(spec)s}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: llm-0
  ownerReferences: [{kind: Pod, name: llm-0, controller: true}]
spec:
  ordinals: {start: 1}
  serviceName: llm
  selector: {matchLabels: {app: llm}}
  template: {metadata: {labels: {app: llm}}, spec: %(spec)s}
---
apiVersion: v1
kind: Pod
metadata:
  name: llm-0
  ownerReferences: [{kind: StatefulSet, name: llm, controller: true}]
spec: %(spec)s
status: {conditions: [{type: Ready, status: true}], phase: 1}
"""
SPEC = {
    "spec": """{containers: [{name: s, image: "lmsysorg/sglang:v0.5.5", command: [python3, -m,
    sglang.launch_server, --model-path=/m, --tp=16, --nnodes=$(LWS_GROUP_SIZE),
    --node-rank=$(LWS_WORKER_INDEX), "--dist-init-addr=$(LWS_LEADER_ADDRESS):5000"],
    resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}},
    volumeMounts: [{name: dshm, mountPath: /dev/shm}]}],
    volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]}"""
}


def test_what_lws_made_is_not_counted_beside_its_leader_worker_set() -> None:
    report = judged((LWS + CHILDREN) % SPEC)
    assert sure(report) == []
    assert [g.partition(",")[0] for g in report.groups] == ["LeaderWorkerSet llm: 2 pods"]
    (note,) = report.not_judged
    assert note.says == (
        "StatefulSet llm is not judged, nor 2 more like it: it is made by LeaderWorkerSet llm,"
        " which is judged"
    )


def test_of_what_lws_made_alone_nothing_is_missing() -> None:
    report = judged(CHILDREN % SPEC)
    assert [f for f in report.findings if f.id == "CONF083"] == []
    assert "which is not in the input" in report.not_judged[0].says


@pytest.mark.parametrize(("owner", "groups"), [("web", 1), ("another", 2)])
def test_pods_are_judged_where_what_made_them_is_not_in_the_input(owner: str, groups: int) -> None:
    pod = "{containers: [{name: v, image: 'vllm/vllm-openai:v0.11.0', args: [--model, /m]}]}"
    text = f"""\
apiVersion: apps/v1
kind: ReplicaSet
metadata: {{name: web}}
spec:
  selector: {{matchLabels: {{app: a}}}}
  template: {{metadata: {{labels: {{app: a}}}}, spec: {pod}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: web-x, ownerReferences: [{{kind: ReplicaSet, name: {owner}, controller: true}}]}}
spec: {pod}
"""
    assert len(judged(text).groups) == groups


def test_an_object_that_owns_itself_is_judged() -> None:
    other, own = "{kind: LeaderWorkerSet, name: llm", "{kind: StatefulSet, name: llm"
    text = (CHILDREN % SPEC).split("---", maxsplit=1)[0].replace(other, own)
    assert own in text
    assert judged(text).judged == 1


_OWNER = """\
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata:
  name: llm
  namespace: a
  ownerReferences: [{%s, name: llm, controller: true, uid: one}]
spec:
  leaderWorkerTemplate:
    size: 2
    workerTemplate:
      spec:
        containers:
        - {name: v, image: "vllm/vllm-openai:v0.11.0",
          command: [vllm, serve, /m, --tensor-parallel-size, "64"],
          resources: {limits: {nvidia.com/gpu: 8}}}
"""
_NAMED = "metadata: {name: llm, namespace: a}"
_RAY_POD = "template: {spec: {containers: [{name: r, image: 'rayproject/ray:2.52.0'}]}}"
_RAY = f"spec: {{rayClusterConfig: {{headGroupSpec: {{rayStartParams: {{}}, {_RAY_POD}}}}}}}"


@pytest.mark.parametrize(
    ("reference", "owner"),
    [
        ("apiVersion: v1, kind: ConfigMap", _NAMED),
        ("apiVersion: argoproj.io/v1alpha1, kind: Application", f"{_NAMED}\nspec: {{a: 1}}"),
        (
            "apiVersion: nvidia.com/v1alpha1, kind: DynamoGraphDeployment",
            f"{_NAMED}\nspec: {{a: 1}}",
        ),
        (
            "apiVersion: serving.kserve.io/v1alpha1, kind: LLMInferenceService",
            f"{_NAMED}\nspec: {{model: {{uri: 'hf://meta-llama/Llama-3.1-70B-Instruct'}}}}",
        ),
        (
            "apiVersion: serving.kserve.io/v1beta1, kind: InferenceService",
            (
                f"{_NAMED}\nspec: {{predictor: {{model: {{modelFormat: {{name: huggingface}},"
                " runtime: own, storageUri: 'hf://a/b'}}}"
            ),
        ),
        ("apiVersion: apps.nvidia.com/v1alpha1, kind: NIMService", f"{_NAMED}\nspec: {{}}"),
        ("apiVersion: ray.io/v1, kind: RayService", f"{_NAMED}\nspec: {{serveConfigV2: x}}"),
        ("apiVersion: ray.io/v1, kind: RayService", _NAMED.replace(": a}", ": b}") + f"\n{_RAY}"),
        (
            "apiVersion: ray.io/v1, kind: RayService",
            _NAMED.replace("}", ", uid: two}") + f"\n{_RAY}",
        ),
    ],
    ids=["map", "app", "dynamo", "llm", "runtime", "nim", "empty", "namespace", "uid"],
)
def test_what_is_made_by_something_that_is_not_judged_whole_is_judged(
    reference: str, owner: str
) -> None:
    text = reference.replace(", kind", "\nkind") + f"\n{owner}\n---\n" + _OWNER % reference
    report = judged(text, only="CONF001")
    assert [f.id for f in report.findings] == ["CONF001"]
    assert not [n for n in report.not_judged if "is made by" in n.says]


@pytest.mark.parametrize(("group", "is_judged"), [("ray.io/v1", False), ("x.example/v1", True)])
def test_an_owner_is_of_the_api_group_that_is_named(group: str, is_judged: bool) -> None:
    ray = f"apiVersion: ray.io/v1\nkind: RayService\n{_NAMED.replace('}', ', uid: one}')}\n{_RAY}"
    report = judged(f"{ray}\n---\n{_OWNER % f'apiVersion: {group}, kind: RayService'}")
    assert ("CONF001" in [f.id for f in report.findings]) is is_judged
    notes = [n.says for n in report.not_judged if "RayService llm, which is judged" in n.says]
    assert len(notes) == (not is_judged)


def test_objects_that_own_each_other_are_judged() -> None:
    one = _OWNER % "apiVersion: leaderworkerset.x-k8s.io/v1, kind: LeaderWorkerSet"
    a = one.replace("name: llm\n", "name: a\n").replace("name: llm,", "name: b,")
    b = one.replace("name: llm\n", "name: b\n").replace("name: llm,", "name: a,")
    report = judged(f"{a}---\n{b}", only="CONF001")
    assert [f.id for f in report.findings] == ["CONF001", "CONF001"]

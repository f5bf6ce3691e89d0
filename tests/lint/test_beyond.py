"""What lint does not judge, it says: other kinds with pods, accelerators that are not counted."""

import pytest
from tests.lint.judge import judged

OF_GROVE = """\
apiVersion: grove.io/v1alpha1
kind: PodCliqueSet
metadata: {name: llm}
spec:
  template:
    cliques: [{spec: {podSpec: {containers: [{resources: {%s: {%s: 4}}}]}}}]
"""
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: vllm}
spec:
  containers:
  - name: vllm
    image: vllm/vllm-openai:v0.11.0
    args: [--model, /m, --tensor-parallel-size, "16"]
    resources: {limits: {%s: 8, memory: 400Gi}}
"""


@pytest.mark.parametrize("name", ["nvidia.com/gpu", "nvidia.com/mig-1g.10gb", "habana.ai/gaudi"])
@pytest.mark.parametrize("part", ["limits", "requests"])
def test_pods_of_another_kind_that_ask_for_accelerators_are_told(part: str, name: str) -> None:
    report = judged(OF_GROVE % (part, name))
    (note,) = report.not_judged
    assert "PodCliqueSet.grove.io" in note.says
    assert (note.line, note.unreadable, report.judged) == (1, False, 0)


def test_an_engines_image_in_another_kind_is_told() -> None:
    text = (
        "apiVersion: grove.io/v1\nkind: PodClique\nspec: {a: [{image: lmsysorg/sglang:v0.5.4}]}\n"
    )
    assert "PodClique" in judged(text).not_judged[0].says


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: karpenter.sh/v1\nkind: NodePool\nspec: {limits: {nvidia.com/gpu: 8}}\n",
        (
            "apiVersion: kueue.x-k8s.io/v1beta1\nkind: ClusterQueue\n"
            "spec: {resourceGroups: [{flavors: [{resources: [{name: nvidia.com/gpu}]}]}]}\n"
        ),
        (
            "apiVersion: serving.knative.dev/v1\nkind: Service\n"
            "spec: {template: {spec: {containers: [{image: nginx}]}}}\n"
        ),
    ],
)
def test_other_kinds_without_such_pods_are_not_worth_a_word(text: str) -> None:
    assert judged(text).not_judged == ()


def test_of_many_objects_of_one_kind_the_first_is_told() -> None:
    assert len(judged("---\n".join([OF_GROVE % ("limits", "nvidia.com/gpu")] * 3)).not_judged) == 1


def test_gpus_of_others_are_said_not_to_be_counted() -> None:
    report = judged(POD % "amd.com/gpu")
    assert "not counted" in report.not_judged[0].says
    assert not [f for f in report.findings if f.id == "CONF001"]
    assert judged(POD % "nvidia.com/gpu").not_judged == ()


@pytest.mark.parametrize(
    ("version", "kind", "meant"),
    [
        ("leaderworkerset.x-k8s.io/v1", "LeaderWorkerset", "LeaderWorkerSet"),
        ("apps/v1", "Deploymnet", "Deployment"),
        ("ray.io/v1", "Rayservice", "RayService"),
        ("kubeflow.org/v1", "PyTorchJob", ""),
        ("example.com/v1", "RayServices", ""),
    ],
)
def test_a_kind_that_is_nearly_one_of_its_api_is_named(version: str, kind: str, meant: str) -> None:
    body = POD.replace("v1\n", f"{version}\n", 1).replace("kind: Pod", f"kind: {kind}")
    report = judged(body % "nvidia.com/gpu")
    (note,) = report.not_judged
    assert (f"did you mean {meant}?" in note.says) == bool(meant)
    assert report.findings == ()


def test_a_component_of_dynamo_is_told() -> None:
    image = "nvcr.io/nvidia/ai-dynamo/sglang-runtime:0.6.0"
    text = (
        "apiVersion: nvidia.com/v1alpha1\nkind: DynamoComponentDeployment\nmetadata: {name: g}\n"
        f"spec: {{extraPodSpec: {{mainContainer: {{image: '{image}'}}}}}}\n"
    )
    (note,) = judged(text).not_judged
    assert "DynamoComponentDeployment.nvidia.com" in note.says


SERVICE = """\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: llm}
spec:
  predictor:
    model: {modelFormat: {name: %s}%s, storageUri: "pvc://llm/hf"}
%s"""
NODES = "    workerSpec: {pipelineParallelSize: 2, tensorParallelSize: 4}\n"


@pytest.mark.parametrize(
    ("form", "runtime", "nodes", "says"),
    [
        ("huggingface", "", NODES, "the runtime that KServe picks for huggingface is not"),
        ("huggingface", ", runtime: own", NODES, "runtime own is not in the input"),
        ("pytorch", ", runtime: own-vllm", "", "runtime own-vllm is not in the input"),
        ("sklearn", ", runtime: own", "", ""),
    ],
)
def test_an_inference_service_of_an_llm_without_its_runtime_is_told(
    form: str, runtime: str, nodes: str, says: str
) -> None:
    told = judged(SERVICE % (form, runtime, nodes)).not_judged
    assert [says in n.says and "its sizes are not judged" in n.says for n in told] == [True] * bool(
        says
    )


@pytest.mark.parametrize("image", ["a:1", "kserve/huggingfaceserver:v0.16.0"])
@pytest.mark.parametrize("nodes", ["", NODES])
def test_a_runtime_that_is_in_the_input_is_not_missed(nodes: str, image: str) -> None:
    runtime = (
        "---\napiVersion: serving.kserve.io/v1alpha1\nkind: ServingRuntime\n"
        "metadata: {name: own}\nspec:\n"
        f"  containers: [{{name: kserve-container, image: '{image}'}}]\n"
        "  workerSpec: {containers: [{name: worker-container, image: 'a:1'}]}\n"
    )
    assert judged(SERVICE % ("huggingface", ", runtime: own", nodes) + runtime).not_judged == ()


@pytest.mark.parametrize(
    ("one", "told"),
    [
        ("{kind: ServingRuntime, spec: {containers: [{image: $(image)}]}}", 1),
        ("{kind: Deployment, spec: {template: {spec: {containers: [{image: nginx}]}}}}", 0),
    ],
)
def test_an_openshift_template_of_servers_is_told_to_be_processed(one: str, told: int) -> None:
    text = f"apiVersion: template.openshift.io/v1\nkind: Template\nobjects:\n- {one}\n"
    assert ["oc process" in n.says for n in judged(text).not_judged] == [True] * told

"""KServe's objects are parts of pods: what they say is judged, what is added to them is not."""

import pytest
from tests.lint.judge import found, judged, sure

from distcheck.agent.manifests.lint import Asked
from distcheck.agent.manifests.lint import judged as judged_with_edits
from distcheck.checks.manifest.rules import rules

SERVICE = """\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: llm}
spec:
  predictor:
    model:
      modelFormat: {name: vLLM}
      runtime: vllm
      args: [--tensor-parallel-size=%s]
      resources: {limits: {nvidia.com/gpu: %s}}
"""
RUNTIME = """\
---
apiVersion: serving.kserve.io/v1alpha1
kind: ServingRuntime
metadata: {name: vllm}
spec:
  containers:
  - name: kserve-container
    image: vllm/vllm-openai:v0.11.0
    args: [--model=/mnt/models%s]
    env: [{name: HF_TOKEN, value: %s}]
"""
NODES = """\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: llm, annotations: {serving.kserve.io/autoscalerClass: "none"}}
spec:
  predictor:
    model: {modelFormat: {name: vLLM}, runtime: vllm, storageUri: "pvc://a/b"%s}
    workerSpec: {pipelineParallelSize: 4, tensorParallelSize: 2%s}
---
apiVersion: serving.kserve.io/v1alpha1
kind: ServingRuntime
metadata: {name: vllm}
spec:
  annotations: {multinode/executor-backend: %s}
  containers:
  - {name: kserve-container, image: "vllm/vllm-openai:v0.11.0", command: [bash, /start.sh]}
  workerSpec:
    containers:
    - {name: worker-container, image: "vllm/vllm-openai:v0.11.0", command: [bash, /join.sh]}
"""
MANY = """\
apiVersion: serving.kserve.io/v1alpha2
kind: LLMInferenceService
metadata: {name: llm}
spec:
  model: {uri: "hf://meta-llama/Llama-3.1-8B-Instruct"}
  parallelism: {%s}
  template: {containers: [{name: main, resources: {limits: {nvidia.com/gpu: %s}}}]}
  worker: {containers: [{name: main, resources: {limits: {nvidia.com/gpu: %s}}}]}
"""


def test_without_its_runtime_too_few_gpus_are_an_error_and_idle_ones_are_not_told() -> None:
    (short,) = judged(SERVICE % (8, 4)).findings
    assert (short.id, short.level, short.at.line) == ("CONF001", "error", 9)
    assert judged(SERVICE % (2, 4)).findings == ()


def test_with_its_runtime_it_is_a_whole_pod() -> None:
    text = SERVICE % (2, 4) + RUNTIME % (", --enforce-eager", '""')
    (idle, shm) = (f for f in judged(text).open if f.level != "hint")
    assert (idle.id, idle.at.line, shm.id, shm.at.line) == ("CONF001", 9, "CONF060", 17)


def test_arguments_of_the_service_stand_behind_those_of_the_runtime() -> None:
    report = judged(SERVICE % (4, 4) + RUNTIME % (", --tensor-parallel-size=8", '""'))
    assert not [f for f in report.findings if f.id == "CONF001"]
    assert report.groups == ("InferenceService llm: 1 pod, 4 GPUs, TP=4, model /mnt/models",)


def test_a_token_in_a_runtime_is_told_once_where_it_stands() -> None:
    text = SERVICE % (4, 4) + RUNTIME % ("", "hf_0123456789abcdefghijABCDEFGHIJ0123")
    (with_service,) = found(text, "CONF076")
    assert "hf_0" not in repr(judged(text))
    (alone,) = found(text.partition("---\n")[2], "CONF076")
    assert (with_service.at.line, with_service.at.object) == (20, "ServingRuntime/vllm")
    assert alone.at.line == 9


def test_sizes_of_a_runtime_alone_are_not_judged() -> None:
    runtime = (RUNTIME % (", --tensor-parallel-size=8", '""')).partition("---\n")[2]
    report = judged(runtime)
    assert report.groups == ()
    assert sure(report) == []


def test_a_runtime_of_another_namespace_is_not_its_own() -> None:
    text = (SERVICE % (2, 4)).replace("{name: llm}", "{name: llm, namespace: a}")
    runtime = (RUNTIME % ("", '""')).replace("{name: vllm}", "{name: vllm, namespace: %s}")
    assert sure(judged(text + runtime % "b")) == []
    assert sure(judged(text + runtime % "a"))
    cluster = (runtime % "b").replace("ServingRuntime", "ClusterServingRuntime")
    assert sure(judged(text + cluster))


@pytest.mark.parametrize(
    ("head", "worker", "way", "pods"),
    [
        ("", "", "ray", "8 pods, 8 GPUs"),
        ("", ", containers: [{name: worker-container, resources: {requests: {nvidia.com/gpu: 2}}}]",
         "ray", "4 pods, 8 GPUs"),
        (", resources: {requests: {nvidia.com/gpu: 4}}", "", "ray", "5 pods, 8 GPUs"),
        (", resources: {requests: {nvidia.com/gpu: 8}}",
         ", containers: [{name: worker-container, resources: {requests: {nvidia.com/gpu: 2}}}]",
         "ray", "1 pod, 8 GPUs"),
        ("", "", "mp", "4 pods, 8 GPUs"),
        (", resources: {limits: {nvidia.com/gpu: 4}}",
         ", containers: [{name: worker-container, resources: {limits: {nvidia.com/gpu: 4}}}]",
         "ray", "8 pods, 8 GPUs"),
    ],
)  # fmt: skip
def test_kserve_makes_as_many_workers_as_the_sizes_need(
    head: str, worker: str, way: str, pods: str
) -> None:
    (group,) = judged(NODES % (head, worker, way)).groups
    assert group.startswith(f"InferenceService llm: {pods}")


def test_an_llm_without_worker_is_one_pod_and_gets_kserves_shm() -> None:
    text = (MANY % ("tensor: 4", 4, 4)).rpartition("  worker")[0]
    report = judged(text)
    assert report.groups[0].startswith("LLMInferenceService llm: 1 pod, 4 GPUs, TP=4")
    assert report.findings == ()
    (short,) = judged(text.replace("tensor: 4", "tensor: 8")).findings
    assert (short.id, short.at.source[short.at.column - 1]) == ("CONF001", "8")


def test_copies_of_an_llm_are_counted_by_its_sizes() -> None:
    right = judged(MANY % ("tensor: 2, data: 8, dataLocal: 4", 8, 8))
    assert right.groups[0].startswith("LLMInferenceService llm: 2 pods, 16 GPUs, TP=2, DP=8")
    assert sure(right) == []
    wrong = judged(MANY % ("tensor: 2, data: 8, dataLocal: 4", 4, 4))
    assert {f.id for f in wrong.open if f.level == "error"} == {"CONF001", "CONF015"}


def test_stages_of_an_llm_are_its_pods() -> None:
    (group,) = judged(MANY % ("tensor: 8, pipeline: 2", 8, 8)).groups
    assert group.startswith("LLMInferenceService llm: 2 pods, 16 GPUs, TP=8, PP=2")


def test_a_configuration_that_is_not_in_the_input_may_tell_the_sizes() -> None:
    text = (MANY % ("expert: false", 4, 4)).rpartition("  worker")[0]
    assert [f.id for f in judged(text).findings] == ["CONF007"]
    based = text + "  baseRefs: [{name: sizes}]\n"
    assert judged(based).findings == ()
    sizes = "---\napiVersion: serving.kserve.io/v1alpha2\nkind: LLMInferenceServiceConfig\n"
    sizes += "metadata: {name: sizes}\nspec: {parallelism: {tensor: 8}}\n"
    (short,) = judged(based + sizes).findings
    assert (short.id, short.at.object) == ("CONF001", "LLMInferenceServiceConfig/sizes")


def test_a_kind_of_that_name_in_another_group_is_not_kserves() -> None:
    text = (SERVICE % (8, 4)).replace("serving.kserve.io/v1beta1", "example.com/v1")
    assert judged(text).groups == ()


def test_a_spec_alone_is_judged_as_a_fragment() -> None:
    spec = (SERVICE % (8, 4)).partition("spec:\n")[2].replace("\n  ", "\n")[2:]
    (short,) = judged(spec).findings
    assert (short.id, short.at.line) == ("CONF001", 5)


def test_shm_is_mended_in_the_runtime_that_lacks_it() -> None:
    text = SERVICE % (4, 4) + RUNTIME % ("", '""')
    read = [("a.yaml", text)]
    report = judged_with_edits(read, Asked(rules()))
    mended = report.mended["a.yaml"]
    runtime = mended.partition("---\n")[2]
    assert "mountPath: /dev/shm" in runtime
    assert not [f for f in judged(mended).findings if f.id == "CONF060"]


def test_workers_without_their_runtime_are_counted_by_nobody() -> None:
    text = (NODES % ("", "", "ray")).partition("---\n")[0]
    report = judged(text)
    assert report.findings == ()


@pytest.mark.parametrize("field", ["storageUri", "modelFormat", "runtime"])
def test_a_misspelt_field_of_the_model_is_an_error(field: str) -> None:
    text = SERVICE.replace("runtime:", "storageUri: pvc://a/b\n      runtime:") % (4, 4)
    (one,) = found(text.replace(f"{field}:", f"{field.lower()}x:"), "CONF071")
    assert (one.level, one.fix) == ("error", f"Write {field}.")


def test_words_that_kserves_shell_cuts_are_no_fault_and_those_of_an_own_command_are() -> None:
    text = (MANY % ("tensor: 1", 4, 4)).rpartition("  worker")[0]
    folded = text.replace("{name: main,", '{name: main, args: ["--tensor-parallel-size 4"],')
    assert judged(folded.replace("{tensor: 1}", "{expert: false}")).findings == ()
    own = folded.replace("args: [", "command: [vllm, serve, /m], args: [")
    assert "CONF074" in {f.id for f in judged(own).findings}


def test_containers_without_an_image_are_a_part_for_kustomize() -> None:
    container = "{name: kserve-container, %sresources: {limits: {nvidia.com/gpu: 8}}}"
    text = f"{SERVICE.partition('    model')[0]}    containers: [{container}]\n"
    assert judged(text % "").findings == ()
    assert {f.id for f in judged(text % "image: vllm/vllm-openai:v0.11.0, ").open} == {"CONF060"}


def test_the_hugging_face_server_hands_its_sizes_to_vllm() -> None:
    text = SERVICE.replace("vLLM", "huggingface") % (8, 4) + RUNTIME % ("", '""')
    text = text.replace("vllm/vllm-openai:v0.11.0", "kserve/huggingfaceserver:v0.15.2-gpu")
    (short,) = judged(text).findings
    assert (short.id, short.at.line) == ("CONF001", 9)


@pytest.mark.parametrize("size", [0, -1])
def test_sizes_below_1_are_refused_and_nothing_is_counted_by_them(size: int) -> None:
    (refused,) = sure(judged(MANY % (f"tensor: 1, pipeline: {size}", 8, 8)))
    assert f"parallelism.pipeline is {size}: KServe takes 1 and more" in refused


def test_a_worker_of_no_stages_is_refused() -> None:
    text = NODES.replace("pipelineParallelSize: 4", "pipelineParallelSize: 0")
    (one,) = found(text % ("", "", "ray"), "CONF108")
    assert one.says == "workerSpec.pipelineParallelSize is 0: KServe takes 1 and more"


def test_a_large_size_is_still_a_whole_number() -> None:
    assert found(MANY % ("tensor: 1, pipeline: 1600000000", 8, 8), "CONF117") == ()


SHIPPED = """\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: llm}
spec:
  predictor:
    model:
      modelFormat: {name: huggingface}
      runtime: %s
      storageUri: pvc://llm/hf
      resources: {%s: {nvidia.com/gpu: 4}}
    workerSpec: {pipelineParallelSize: 2, tensorParallelSize: %s}
"""


@pytest.mark.parametrize(
    ("runtime", "part", "tensor", "count"),
    [
        ("kserve-huggingfaceserver-multinode", "limits", 4, 1),
        ("kserve-huggingfaceserver-multinode", "requests", 4, 0),
        ("kserve-huggingfaceserver-multinode", "limits", 1, 0),
        ("our-own", "limits", 4, 0),
    ],
)
def test_kserve_counts_requested_gpus_and_gives_one_to_each_pod_without(
    runtime: str, part: str, tensor: int, count: int
) -> None:
    held = found(SHIPPED % (runtime, part, tensor), "CONF120")
    assert [(f.level, "whatever the limits are" in f.says) for f in held] == [
        ("hint", True)
    ] * count


@pytest.mark.parametrize(
    ("told", "level"),
    [
        ("none", ""),
        ("external", "hint"),
        ("hpa", "error"),
        ("keda", "error"),
        ("", "error"),
        ('"${CLASS}"', "hint"),
    ],
)
def test_nodes_of_one_model_are_not_scaled(told: str, level: str) -> None:
    text = NODES % ("", "", "ray")
    key = "serving.kserve.io/autoscalerClass"
    text = text.replace(f'{key}: "none"', f"{key}: {told}" if told else "a: b")
    assert [f.level for f in found(text, "CONF108")] == [level] * bool(level)


CLAIM = """\
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: a}
spec: {accessModes: [%s], resources: {requests: {storage: 1Ti}}}
"""


@pytest.mark.parametrize(
    ("modes", "tensor", "count"),
    [
        ("ReadWriteOnce", 8, 1),
        ("ReadWriteMany", 8, 0),
        ("ReadWriteOnce, ReadWriteMany", 8, 0),
        ("ReadWriteOnce", 2, 0),
    ],
)
def test_nodes_of_one_model_mount_its_claim_together(modes: str, tensor: int, count: int) -> None:
    text = NODES.replace("tensorParallelSize: 2", f"tensorParallelSize: {tensor}")
    assert len(found(text % ("", "", "ray") + CLAIM % modes, "CONF108")) == count


@pytest.mark.parametrize(
    ("mode", "storage", "level"),
    [
        ("ReadWriteOnce", "gp3", "error"),
        ("ReadWriteOnce", "nfs-client", "hint"),
        ("ReadWriteOncePod", "nfs-client", "error"),
    ],
)
def test_a_network_file_system_may_let_several_nodes_in(
    mode: str, storage: str, level: str
) -> None:
    text = NODES.replace("tensorParallelSize: 2", "tensorParallelSize: 8") % ("", "", "ray")
    claim = (CLAIM % mode).replace("resources:", f"storageClassName: {storage}, resources:")
    assert [f.level for f in found(text + claim, "CONF108")] == [level]


@pytest.mark.parametrize(
    ("mode", "field", "count"),
    [
        ("Serverless", "hostIPC: true", 1),
        ("Knative", "hostNetwork: true", 1),
        ("Standard", "hostIPC: true", 0),
        ("Serverless", "hostIPC: false", 0),
    ],
)
def test_knative_takes_no_host_namespaces_unless_it_is_told_to(
    mode: str, field: str, count: int
) -> None:
    notes = f"{{name: llm, annotations: {{serving.kserve.io/deploymentMode: {mode}}}}}"
    text = SERVICE.replace("{name: llm}", notes).replace(
        "  predictor:", f"  predictor:\n    {field}"
    )
    assert [f.level for f in found(text % (4, 4), "CONF108")] == ["hint"] * count


@pytest.mark.parametrize(
    ("parallelism", "extra", "says"),
    [
        ("pipeline: 2", "", "pipeline with a worker needs"),
        ("data: 2, dataLocal: 1", "", ""),
        ("pipeline: 2", "with one of its own", ""),
    ],
)
def test_kserve_ships_no_configuration_of_stages(parallelism: str, extra: str, says: str) -> None:
    config = "---\napiVersion: serving.kserve.io/v1alpha2\nkind: LLMInferenceServiceConfig\n"
    config += "metadata: {name: kserve-config-llm-worker-pipeline-parallel}\nspec: {}\n"
    held = found(MANY % (parallelism, 4, 4) + (config if extra else ""), "CONF108")
    assert [f.level for f in held] == ["hint"] * bool(says)
    assert all(f.says.startswith(says) for f in held)


@pytest.mark.parametrize(
    ("args", "count"),
    [("", 1), (", args: [--pipeline-parallel-size, '2']", 0)],
)
def test_stages_without_workers_are_read_by_nobody(args: str, count: int) -> None:
    text = (MANY % ("pipeline: 2", 4, 4)).rpartition("  worker")[0]
    held = found(text.replace("{name: main", f"{{name: main{args}"), "CONF108")
    assert len(held) == count


@pytest.mark.parametrize(
    ("resources", "count"),
    [
        ("requests: {cpu: 8, nvidia.com/gpu: 4}, limits: {nvidia.com/gpu: 4}", 1),
        ("requests: {cpu: 8, memory: 90Gi}, limits: {nvidia.com/gpu: 4}", 2),
        ("requests: {cpu: 8}, limits: {cpu: 8, nvidia.com/gpu: 4}", 0),
        ("requests: {cpu: 500m, memory: 1Gi}, limits: {nvidia.com/gpu: 4}", 0),
        ('requests: {cpu: "${CPUS}"}, limits: {nvidia.com/gpu: 4}', 0),
    ],
)
def test_requests_above_kserves_default_limits_may_be_refused(resources: str, count: int) -> None:
    text = SERVICE.replace("vLLM", "huggingface").replace("      runtime: vllm\n", "")
    text = text.partition("      resources")[0] % 4 + f"      resources: {{{resources}}}\n"
    assert [f.level for f in found(text, "CONF108")] == ["hint"] * count
    assert found(text.replace("huggingface", "vLLM"), "CONF108") == ()


NIM = """\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: nim}
spec:
  predictor:
    model:
      modelFormat: {name: nim}
      runtime: nim
      storageUri: pvc://nim/
      resources: {limits: {nvidia.com/gpu: 4}}
---
apiVersion: serving.kserve.io/v1alpha1
kind: ClusterServingRuntime
metadata: {name: nim}
spec:
  containers:
  - name: kserve-container
    image: nvcr.io/nim/meta/llama3-70b-instruct:1.0.0
    env: [{name: NIM_CACHE_PATH, value: %s}]
    volumeMounts: [{name: dshm, mountPath: /dev/shm}%s]
  volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 16Gi}}, {name: c, emptyDir: {}}]
"""


@pytest.mark.parametrize(
    ("path", "mount", "count"),
    [
        ("/opt/nim/.cache", "", 1),
        ("/mnt/models/cache", "", 0),
        ("/mnt/models/", "", 0),
        ("/mnt/models2", "", 1),
        ("/opt/nim/.cache", ", {name: c, mountPath: /opt/nim}", 0),
        ('"${CACHE}"', "", 0),
    ],
)
def test_nims_cache_is_where_kserve_mounts_the_claim(path: str, mount: str, count: int) -> None:
    assert [f.level for f in found(NIM % (path, mount), "CONF108")] == ["warning"] * count

"""Values of NVIDIA's NIM charts: what 1.x and 2.x mean by the same key."""

from pathlib import Path

import pytest
from tests.lint.judge import found, judged, sure

VALUES = """\
image: {repository: nvcr.io/nim/meta/llama-3.1-405b-instruct, tag: %s}
model: {jsonLogging: %s, ngcAPISecret: ngc-api}
multiNode: {enabled: true, workers: %d, %s}
resources: {limits: {nvidia.com/gpu: 8}}
"""
TWO = "tensorParallelSize: 8, pipelineParallelSize: 2"


def test_json_logging_of_several_nodes_is_found_in_values_of_chart_2() -> None:
    (one,) = found(VALUES % ("2.0.1", "true", 1, TWO), "CONF110")
    assert one.level == "warning"
    assert one.at.line == 2


def test_json_logging_of_release_1_is_left_alone() -> None:
    assert found(VALUES % ("1.8.0", "true", 2, "gpusPerNode: 8"), "CONF110") == ()


def test_json_logging_that_is_off_is_right() -> None:
    assert found(VALUES % ("2.0.1", "false", 1, TWO), "CONF110") == ()


def test_workers_of_chart_2_that_count_the_leader_leave_a_node_idle() -> None:
    (one,) = found(VALUES % ("2.0.1", "false", 2, TWO), "CONF001")
    assert "8 stand idle" in one.says


def test_workers_of_chart_1_count_the_leader() -> None:
    assert sure(judged(VALUES % ("1.8.0", "false", 2, "gpusPerNode: 8"))) == []


def test_more_ranks_in_a_pod_than_it_has_gpus_is_found_in_values_of_chart_1() -> None:
    (one,) = found(VALUES % ("1.8.0", "false", 2, "gpusPerNode: 16"), "CONF009")
    assert one.level == "error"


def test_tensor_parallelism_over_nodes_cannot_be_told_to_the_nim_operator() -> None:
    service = """\
apiVersion: apps.nvidia.com/v1alpha1
kind: NIMService
metadata: {name: nim}
spec:
  image: {repository: nvcr.io/nim/meta/llama-3.1-405b-instruct, tag: 1.8.0}
  authSecret: ngc
  multiNode: {parallelism: {tensor: 16, pipeline: 1}}
  resources: {limits: {nvidia.com/gpu: 8}}
"""
    (one,) = found(service, "CONF001")
    assert one.level == "error"


def test_a_nimservice_bounds_shm_by_a_field_of_its_own() -> None:
    service = """\
apiVersion: apps.nvidia.com/v1alpha1
kind: NIMService
metadata: {name: nim}
spec:
  image: {repository: nvcr.io/nim/meta/llama-3.1-8b-instruct, tag: 1.8.0}
  authSecret: ngc
  resources: {limits: {nvidia.com/gpu: 1}}
"""
    (one,) = found(service, "CONF062")
    assert "storage.sharedMemorySizeLimit" in one.fix
    storage = "  storage: {sharedMemorySizeLimit: 8Gi}\n"
    assert found(service.replace("  resources", f"{storage}  resources"), "CONF062") == ()


NIM_MPI = Path(__file__).parents[1] / "cluster/manifests/nim1-mpijob/manifest.yaml"


def test_a_launcher_without_gpus_is_no_node_of_nim() -> None:
    assert found(NIM_MPI.read_text(), "CONF009") == ()


def test_a_launcher_that_is_counted_as_a_node_is_found() -> None:
    one, _ = found(NIM_MPI.read_text().replace('value: "2"', 'value: "3"'), "CONF009")
    assert one.level == "error"
    assert one.says.endswith("is 3, and MPIJob nim-mpi has 2 pods with GPUs")


def test_json_logging_that_is_on_by_default_is_a_hint() -> None:
    text = (VALUES % ("2.0.1", "true", 1, TWO)).replace("jsonLogging: true, ", "")
    (one,) = found(text, "CONF110")
    assert (one.level, one.at.line) == ("hint", 3)
    assert found(text.replace("2.0.1", "1.8.0"), "CONF110") == ()


def test_sizes_of_values_are_told_at_their_own_keys() -> None:
    (two,) = found(VALUES % ("2.0.1", "false", 2, TWO), "CONF001")
    assert two.at.path == "multiNode.workers"
    odd = TWO.replace("8", "6")
    (six,) = found(VALUES % ("2.0.1", "false", 1, odd), "CONF001")
    assert six.at.path == "multiNode.tensorParallelSize"
    assert "no name" not in two.says


MISSPELT = """
image: {repository: nvcr.io/nim/meta/llama, tag: 2.0.0}
model: {jsonLogging: false}
multiNode: {enabled: true, workers: 1, tensorParallelSize: 8, pipelineParallelSize: 2, ownKey: 1}
resources: {limits: {nvidia.com/gpu: 8}}
newKey: {}
"""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("tensorParallelSize", "tensorParallel"),
        ("pipelineParallelSize", "pipeline_parallel_size"),
        ("workers", "worker"),
        ("jsonLogging", "jsonlogging"),
        ("resources", "resource"),
    ],
)
def test_a_misspelt_value_is_told_with_what_it_should_be(right: str, wrong: str) -> None:
    (one,) = found(MISSPELT.replace(f"{right}:", f"{wrong}:"), "CONF071")
    assert (one.level, one.fix) == ("warning", f"Write {right}.")
    assert one.at.source[one.at.column - 1 : one.at.end_column - 1] == wrong


def test_values_of_newer_charts_are_not_told() -> None:
    assert not found(MISSPELT, "CONF071")


@pytest.mark.parametrize(
    "odd", ["resources: [1]", "resources: {limits: [1]}", "env: [a, {name: b}]", "affinity: [1]"]
)
def test_values_of_another_type_than_the_chart_takes_are_read_past(odd: str) -> None:
    text = f"image: {{repository: nvcr.io/nim/meta/llama, tag: 1.8.0}}\nmodel: {{}}\n{odd}\n"
    assert judged(text).judged == 1


RANKS = """\
env:
- {name: NIM_TENSOR_PARALLEL_SIZE, value: "8"}
- {name: NIM_PIPELINE_PARALLEL_SIZE, value: "2"}
"""
ONE = VALUES % ("1.8.0", "false", 2, "gpusPerNode: 8") + RANKS
NO_GPUS = ONE.replace("resources: {limits: {nvidia.com/gpu: 8}}\n", "")


def test_without_a_limit_the_chart_gives_each_pod_one_gpu() -> None:
    (one,) = (f for f in judged(NO_GPUS).findings if f.level == "error")
    assert "has 2 (1 x 1 + 1 x 1, the chart's default)" in one.says
    assert one.fix == "Write `resources: {limits: {nvidia.com/gpu: 8}}`."


def test_what_chart_2_gives_by_default_is_not_known() -> None:
    values = VALUES % ("2.0.1", "false", 1, TWO)
    (one,) = found(values.replace("resources: {limits: {nvidia.com/gpu: 8}}\n", ""), "CONF001")
    assert (one.level, one.unseen) == ("hint", "the defaults of this release of the chart")


@pytest.mark.parametrize("limits", ["{nvidia.com/gpu: 4}", "{memory: 1Ti, nvidia.com/gpu: 4}"])
def test_a_limit_that_is_written_takes_the_place_of_the_default(limits: str) -> None:
    (one,) = found(f"{NO_GPUS}resources: {{limits: {limits}}}\n", "CONF001")
    assert "has 8 (1 x 4 + 1 x 4)" in one.says


def test_other_limits_leave_the_default_as_it_is() -> None:
    (one,) = found(f"{NO_GPUS}resources: {{limits: {{memory: 1Ti}}}}\n", "CONF001")
    assert "the chart's default" in one.says


def test_ranks_of_pods_whose_limit_is_0_have_no_gpu() -> None:
    (one,) = found(f"{NO_GPUS}resources: {{limits: {{nvidia.com/gpu: 0}}}}\n", "CONF010")
    assert one.says == "16 ranks, and no pod of the NIM of these values asks for a GPU"


@pytest.mark.parametrize(
    ("values", "told", "line"),
    [
        (ONE.replace("workers: 2", "workers: 1"), "Write `workers: 2`: chart 1.x counts", 3),
        (
            ONE.replace("enabled: true", "enabled: false"),
            "Write `multiNode: {enabled: true, workers: 2}`: chart 1.x counts",
            3,
        ),
        (VALUES % ("2.0.1", "false", 2, TWO), "Write `workers: 1`: chart 2.x adds", 3),
    ],
)
def test_the_fix_says_what_workers_counts(values: str, told: str, line: int) -> None:
    (one,) = found(values, "CONF001")
    assert (one.fix.startswith(told), one.at.line) == (True, line)


def test_multi_node_that_is_off_is_pointed_at_where_it_is_switched_off() -> None:
    off = ONE.replace("multiNode: {enabled: true", "multiNode:\n  {enabled: false")
    (one,) = found(off, "CONF001")
    assert one.at.path == "multiNode.enabled"


def test_a_claim_for_several_pods_is_read_write_once_by_default() -> None:
    (one,) = found(f"{ONE}persistence: {{enabled: true, size: 1Ti}}\n", "CONF090")
    assert (one.level, one.says.endswith("ReadWriteOnce: the chart's default")) == ("error", True)


@pytest.mark.parametrize(
    "persistence",
    [
        "{enabled: true, accessMode: ReadWriteMany}",
        "{enabled: true, existingClaim: models}",
        "{enabled: true, accessMode: []}",
        "{enabled: false}",
        "{size: 1Ti}",
    ],
)
def test_other_claims_of_the_chart_are_right(persistence: str) -> None:
    assert found(f"{ONE}persistence: {persistence}\n", "CONF090") == ()


def test_one_pod_may_have_a_claim_of_its_own() -> None:
    one_pod = "image: {repository: nvcr.io/nim/a/b, tag: 1.8.0}\npersistence: {enabled: true}\n"
    assert found(one_pod, "CONF090") == ()


def test_workers_in_quotes_are_refused_by_the_schema_of_chart_1() -> None:
    quoted = ONE.replace("workers: 2", 'workers: "2"')
    (one,) = (f for f in judged(quoted).findings if f.level == "error")
    assert (one.id, one.fix) == ("CONF070", "Write the number without quotes.")
    assert one.says == "multiNode.workers must be a whole number, and is the text '2'"


def test_what_a_tool_fills_in_later_has_no_type_yet() -> None:
    (one,) = found(ONE.replace("workers: 2", 'workers: "${NODES}"'), "CONF070")
    assert one.level == "hint"


def test_the_schema_of_chart_2_is_not_known() -> None:
    values = VALUES % ("2.0.1", "false", 1, TWO)
    assert found(values.replace("workers: 1", 'workers: "1"'), "CONF070") == ()


SERVICE = """\
apiVersion: apps.nvidia.com/v1alpha1
kind: NIMService
metadata: {name: nim}
spec:
  image: {repository: nvcr.io/nim/meta/llama-3.1-405b-instruct, tag: 1.8.0}
  multiNode: {parallelism: {tensor: 8, pipeline: 2}}
  %s
"""


@pytest.mark.parametrize(("size", "wrong"), [(2, 0), (1, 1)])
def test_operators_before_3_have_as_many_pods_as_their_size(size: int, wrong: int) -> None:
    env = "env: [{name: NIM_TENSOR_PARALLEL_SIZE, value: '8'}, "
    env += "{name: NIM_PIPELINE_PARALLEL_SIZE, value: '2'}]"
    many = f"multiNode: {{size: {size}, gpusPerPod: 8, mpi: {{mpiStartTimeout: 600}}}}"
    text = SERVICE.replace("multiNode: {parallelism: {tensor: 8, pipeline: 2}}", many)
    text %= f"{env}\n  resources: {{limits: {{nvidia.com/gpu: 8}}}}"
    assert len(found(text, "CONF001")) == wrong
    assert found(text, "CONF071") == ()


def test_the_operator_gives_no_gpus_without_a_cache() -> None:
    (one,) = found(SERVICE % "storage: {pvc: {create: true, size: 1Ti}}", "CONF010")
    assert one.says == "16 ranks, and no pod of NIMService nim asks for a GPU"


@pytest.mark.parametrize("field", ["storage: {nimCache: {name: c}}", "draResources: [{}]"])
def test_gpus_that_the_operator_may_give_are_not_missed(field: str) -> None:
    assert found(SERVICE % field, "CONF010") == ()


@pytest.mark.parametrize(
    "probe",
    [
        "{probe: {httpGet: {path: /v1/health/ready, port: api}}}",
        "{probe: {httpGet: {path: /v1/health/ready, port: 8000}}}",
        "{enabled: false, probe: {httpGet: {path: /v1/health/ready, port: 9000}}}",
        "{probe: {httpGet: {path: /a, port: 9000}}}\n  expose: {service: {metricsPort: 9000}}",
        "{probe: {httpGet: {port: 9000}}}\n  env: [{name: NIM_SERVER_PORT, value: '9000'}]",
    ],
)
def test_probes_of_a_nim_service_that_its_server_answers(probe: str) -> None:
    text = SERVICE % f"resources: {{limits: {{nvidia.com/gpu: 8}}}}\n  startupProbe: {probe}"
    assert found(text, "CONF080") + found(text, "CONF087") == ()

"""Values of NVIDIA's NIM charts: what 1.x and 2.x mean by the same key."""

from pathlib import Path

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


NIM_MPI = Path(__file__).parents[1] / "cluster/manifests/nim1-mpijob/manifest.yaml"


def test_a_launcher_without_gpus_is_no_node_of_nim() -> None:
    assert found(NIM_MPI.read_text(), "CONF009") == ()


def test_a_launcher_that_is_counted_as_a_node_is_found() -> None:
    one, _ = found(NIM_MPI.read_text().replace('value: "2"', 'value: "3"'), "CONF009")
    assert one.level == "error"
    assert one.says.endswith("is 3, and MPIJob nim-mpi has 2 pods with GPUs")

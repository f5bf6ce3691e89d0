"""Places that ask: arguments, variables, custom resources, ConfigMaps, and a script's defaults."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distcheck.agent.cluster.api import Api
from distcheck.agent.cluster.errors import NotFound, Refused
from distcheck.agent.cluster.intent.beside import Beside, read_beside
from distcheck.agent.cluster.intent.declared import declared_intent
from distcheck.agent.cluster.intent.resources import asked_by, gpu_nodes
from distcheck.checks.evidence import Conflict, Intent
from tests.cluster.manifests.build import container, obj, pod

Object = dict[str, Any]
NIM = "nvcr.io/nim/meta/llama-3.1-405b-instruct:2.0.2"


def env(**values: str) -> list[Object]:
    return [{"name": k, "value": v} for k, v in values.items()]


def asks(script: str, beside: Beside | None = None, meta: Object | None = None,
         volumes: list[Object] | None = None, **more: Any) -> Intent:  # fmt: skip
    """The intent of one pod `a-0` whose container runs `script`."""
    one = container(script, **more)
    raw = pod("a-0", "n", "10.0.0.1", one, meta=meta or {}, volumes=volumes or [])
    return declared_intent([raw], beside, ())


def starts(*args: str, **more: Any) -> Intent:
    """The intent of one pod `a-0` whose image is started with `args`."""
    one = {"name": "c", "args": list(args), "resources": {"limits": {"nvidia.com/gpu": 8}}, **more}
    return declared_intent([pod("a-0", "n", "10.0.0.1", one)], None, ())


def test_a_variable_of_the_container_is_put_into_its_script() -> None:
    found = asks("vllm serve m -tp $((NODES * 8))", env=env(NODES="2"))
    assert (found.tp, found.sources["tp"]) == (16, "args of a-0")


def test_a_field_of_the_pod_is_put_into_its_script() -> None:
    label = {"fieldRef": {"fieldPath": "metadata.labels['size']"}}
    found = asks("vllm serve m -tp $SIZE", meta={"labels": {"size": "4"}},
                 env=[{"name": "SIZE", "valueFrom": label}])  # fmt: skip
    assert found.tp == 4


def test_a_secret_is_not_known_and_says_so() -> None:
    secret = {"secretKeyRef": {"name": "s", "key": "tp"}}
    found = asks("vllm serve m -tp $TP", env=[{"name": "TP", "valueFrom": secret}])
    assert found.tp is None
    assert found.unread == {"tp": "args of a-0: --tensor-parallel-size $TP is not known here"}


def test_a_default_of_the_script_is_only_assumed() -> None:
    found = asks("vllm serve m -tp ${TP:-8}")
    assert (found.tp, found.assumed) == (8, ("tp",))
    assert found.sources["tp"] == "default in the args of a-0"
    assert found.unread == {}


@pytest.mark.parametrize(
    "more",
    [
        {"env": [{"name": "TP", "valueFrom": {"secretKeyRef": {"name": "s", "key": "tp"}}}]},
        {"env": [{"name": "TP", "valueFrom": {"configMapKeyRef": {"name": "gone", "key": "tp"}}}]},
        {"envFrom": [{"secretRef": {"name": "s"}}]},
        {"envFrom": [{"configMapRef": {"name": "gone"}}]},
    ],
)
def test_a_default_is_not_assumed_where_the_variable_is_or_may_be_set(more: Object) -> None:
    found = asks("vllm serve m -tp ${TP:-8}", **more)
    assert (found.tp, found.assumed) == (None, ())
    assert "${TP:-8}" in found.unread["tp"]


def test_words_that_may_be_any_flags_are_named() -> None:
    found = asks("vllm serve m -tp 8 --host $IP $EXTRA_ARGS")
    assert found.tp == 8
    assert found.unread == {"arguments": "args of a-0: the argument $EXTRA_ARGS is not known here"}
    array = asks(
        'ARGS=(m -tp 8); if [ -n "$FOO" ]; then ARGS+=(-pp 2); fi; vllm serve "${ARGS[@]}"'
    )
    assert (array.tp, array.pp, set(array.unread)) == (None, None, {"model", "arguments"})


def test_a_script_that_overrides_a_variable_of_its_container_is_no_conflict() -> None:
    found = asks("export NCCL_NET=IB; vllm serve m -tp 8", env=env(NCCL_NET="Socket"))
    assert (found.nccl, found.conflicts) == ({"NCCL_NET": "IB"}, ())


def test_a_resource_is_stronger_than_a_default_and_nobody_quarrels_with_one() -> None:
    nim = obj("apps.nvidia.com/v1alpha1", "NIMService", "big",
              spec={"multiNode": {"parallelism": {"tensor": 16, "pipeline": 1}}})  # fmt: skip
    found = asks("vllm serve m -tp ${TP:-8}", Beside({}, (nim,)))
    assert (found.tp, found.assumed, found.conflicts) == (16, (), ())


def test_the_image_of_vllm_needs_no_command() -> None:
    found = starts("--model", "m", "--tensor-parallel-size=8", image="vllm/vllm-openai:v0.9.0")
    assert (found.engine, found.model, found.tp) == ("vllm", "m", 8)


def test_arguments_without_a_known_image_are_nobodys() -> None:
    assert starts("--tensor-parallel-size=8", image="example.com/tool").tp is None


def test_a_place_of_nim_that_a_stronger_one_overrides_as_documented_is_no_conflict() -> None:
    found = starts("nim-serve", "--tensor-parallel-size", "4", image=NIM, env=env(
        NIM_PASSTHROUGH_ARGS="--tensor-parallel-size 8", NIM_TENSOR_PARALLEL_SIZE="16",
        NIM_MODEL_PROFILE="vllm-bf16-tp2-pp2"))  # fmt: skip
    assert (found.engine, found.tp, found.pp) == ("nim", 4, 2)
    assert found.model == "meta/llama-3.1-405b-instruct"
    assert found.conflicts == ()
    alone = starts(image=NIM, env=env(
        NIM_TENSOR_PARALLEL_SIZE="16", NIM_MODEL_PROFILE="vllm-bf16-tp8-pp2"))  # fmt: skip
    assert (alone.tp, alone.pp, alone.conflicts) == (16, 2, ())


def test_nim_pods_that_ask_for_different_degrees_are_a_conflict() -> None:
    one = [{"name": "c", "image": NIM, "env": env(NIM_TENSOR_PARALLEL_SIZE=n)} for n in "48"]
    pods = [pod(f"a-{n}", "n", "10.0.0.1", c) for n, c in enumerate(one)]
    assert declared_intent(pods).conflicts == (Conflict("tp", "8", "environment of a-1"),)


def test_a_profile_that_is_a_hash_says_nothing_and_why() -> None:
    found = starts(image=NIM, env=env(NIM_MODEL_PROFILE="0f" * 32))
    assert found.tp is None
    assert "is a hash" in found.unread["tp"]


def test_bare_arguments_of_a_nim_are_its_strongest() -> None:
    found = starts("--pipeline-parallel-size=2", image=NIM, env=env(NIM_TENSOR_PARALLEL_SIZE="8"))
    assert (found.tp, found.pp) == (8, 2)


def test_nccl_settings_are_the_leaders_from_its_script_and_its_variables() -> None:
    found = asks("export NCCL_IB_HCA=mlx5; vllm serve m -tp 8",
                 env=env(NCCL_NET="IB", NCCL_API_TOKEN="x"))  # fmt: skip
    assert found.nccl == {"NCCL_IB_HCA": "mlx5", "NCCL_NET": "IB"}
    assert found.sources["nccl.NCCL_NET"] == "environment of a-0"


def test_ranks_that_use_different_networks_are_a_conflict() -> None:
    pods = [pod(f"a-{n}", "n", "10.0.0.1", container("vllm serve m -tp 16", env=env(NCCL_NET=net)))
            for n, net in enumerate(("IB", "Socket"))]  # fmt: skip
    assert declared_intent(pods).conflicts == (
        Conflict("NCCL_NET", "Socket", "environment of a-1"),
    )


def test_a_size_that_differs_from_the_nodes_asked_for_is_a_conflict() -> None:
    meta = {"annotations": {"leaderworkerset.sigs.k8s.io/size": "4"}}
    found = asks("vllm serve m -tp 16 --nnodes 2", meta=meta)
    where = "annotation leaderworkerset.sigs.k8s.io/size of a-0"
    assert found.conflicts == (Conflict("nodes", "4", where),)


def test_pods_that_are_not_there_count_for_what_is_asked() -> None:
    meta = {"annotations": {"leaderworkerset.sigs.k8s.io/size": "3"}}
    found = asks("vllm serve m -tp 24", meta=meta)
    assert (found.gpus, found.nodes) == (24, 3)
    assert found.sources["gpus"] == "GPU limits of the pod, and of 2 not there"
    raw = pod("a-0", "n", "10.0.0.1", container("vllm serve m"))
    assert declared_intent([raw], None, (4,)).gpus == 12


def test_what_another_container_serves_is_not_the_groups() -> None:
    two = [container("vllm serve big -tp 8"), container("vllm serve embed -tp 1", "side", gpus=0)]
    found = declared_intent([pod("a-0", "n", "10.0.0.1", *two)])
    assert (found.model, found.tp, found.conflicts) == ("big", 8, ())


SCRIPTS = {"name": "scripts", "configMap": {"name": "start"}}
MOUNT = {"name": "scripts", "mountPath": "/scripts"}


def test_a_start_script_in_a_config_map_is_read_as_the_container_runs_it() -> None:
    text = 'ARGS=(vllm serve m)\nARGS+=("-tp" "$TP")\nexec "${ARGS[@]}"'
    found = asks("cp /scripts/run.sh /tmp; /tmp/run.sh", Beside({"start": {"run.sh": text}}),
                 volumes=[SCRIPTS], volumeMounts=[MOUNT], env=env(TP="16"))  # fmt: skip
    assert (found.tp, found.sources["tp"]) == (16, "configmap/start run.sh")


def test_a_script_that_nobody_starts_asks_for_nothing() -> None:
    found = asks("sleep infinity", Beside({"start": {"run.sh": "vllm serve m -tp 16"}}),
                 volumes=[SCRIPTS], volumeMounts=[MOUNT])  # fmt: skip
    assert found.tp is None


def test_a_config_file_says_what_the_command_line_does_not() -> None:
    maps = {"start": {"c.yaml": "tensor-parallel-size: 16\npipeline_parallel_size: 4\n"}}
    found = asks("vllm serve m --config /scripts/c.yaml -pp 2", Beside(maps),
                 volumes=[SCRIPTS], volumeMounts=[MOUNT])  # fmt: skip
    assert (found.tp, found.pp, found.conflicts, found.unread) == (16, 2, (), {})
    assert found.sources["tp"] == "configmap/start c.yaml"


def test_a_config_file_that_is_nowhere_to_be_read_is_named() -> None:
    found = asks("vllm serve m --config /models/c.yaml")
    assert found.unread == {"config": "args of a-0: --config /models/c.yaml was not read"}


def test_a_variable_from_a_config_map_only_fills_in() -> None:
    key = {"configMapKeyRef": {"name": "start", "key": "tp"}}
    found = asks("vllm serve m -tp $TP", Beside({"start": {"tp": "16"}}),
                 env=[{"name": "TP", "valueFrom": key}])  # fmt: skip
    assert (found.tp, found.unread) == (16, {})


def served(text: object) -> Object:
    return obj("ray.io/v1", "RayService", "r", spec={"serveConfigV2": text})


def test_two_models_of_one_rayservice_do_not_say_one_layout() -> None:
    models = [f"{{engine_kwargs: {{tensor_parallel_size: {n}, pipeline_parallel_size: 2}}}}"
              for n in (4, 8)]  # fmt: skip
    text = f"applications: [{{args: {{llm_configs: [{', '.join(models)}]}}}}]"
    (asked,) = asked_by(served(text))
    assert asked.values == {"pp": 2}
    assert asked.unread == {"tp": "serveConfigV2 of rayservice/r: its 2 models differ"}


def test_a_serve_config_that_is_no_yaml_says_so() -> None:
    (asked,) = asked_by(served("a: [1"))
    assert asked.unread["serveConfigV2"].startswith("serveConfigV2 of rayservice/r: ")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8),
                    lambda s: st.lists(s, max_size=3) | st.dictionaries(
                        st.sampled_from(["applications", "args", "llm_configs", "engine_kwargs",
                                         "tensor_parallel_size", "spec", "multiNode",
                                         "parallelism", "tensor", "serveConfigV2", "entrypoint"]),
                        s, max_size=4), max_leaves=12),
       st.sampled_from(["RayService", "RayJob", "NIMService", "Other"]))  # fmt: skip
def test_no_custom_resource_raises(spec: object, kind: str) -> None:
    list(asked_by({"kind": kind, "metadata": {"name": "x"}, "spec": spec}))


class Shelf:
    """An API that holds some objects by path, and remembers what was asked for."""

    def __init__(self, **objects: Object) -> None:
        self.objects, self.asked = objects, list[str]()

    def get(self, path: str) -> Object:
        self.asked.append(path)
        name = path.rpartition("/")[2]
        if name == "hidden":
            raise Refused("no rights", 403)
        if name not in self.objects:
            raise NotFound(f"{name} not found")
        return self.objects[name]


def beside(shelf: Shelf, raw: Object) -> Beside:
    api: Api = shelf  # type: ignore[assignment] # only `get` is used
    return read_beside(api, "llm", [raw])


def test_each_config_map_of_the_leader_costs_one_request_and_secrets_none() -> None:
    sources = [{"configMap": {"name": "b"}}, {"secret": {"name": "s"}}]
    volumes = [SCRIPTS, {"name": "p", "projected": {"sources": sources}},
               {"name": "x", "secret": {"secretName": "s"}},
               {"name": "u", "configMap": {"name": "unused"}}]  # fmt: skip
    mounts = [MOUNT, {**MOUNT, "mountPath": "/again"}, {"name": "p", "mountPath": "/p"},
              {"name": "x", "mountPath": "/x"}]  # fmt: skip
    more: Object = {"volumeMounts": mounts, "envFrom": [{"secretRef": {"name": "s"}}]}
    raw = pod("a-0", "n", "10.0.0.1", container("x", **more), volumes=volumes)
    shelf = Shelf(start={"data": {"run.sh": "x"}})
    found = beside(shelf, raw)
    assert shelf.asked == [f"/api/v1/namespaces/llm/configmaps/{n}" for n in ("start", "b")]
    assert found.maps == {"start": {"run.sh": "x"}}
    assert found.unread == {"configmap/b": "b not found"}


def test_a_config_map_that_may_not_be_read_is_part_of_the_answer() -> None:
    volume = {"name": "scripts", "configMap": {"name": "hidden"}}
    raw = pod("a-0", "n", "1", container("x", volumeMounts=[MOUNT]), volumes=[volume])
    found = declared_intent([raw], beside(Shelf(), raw))
    assert found.unread == {"configmap/hidden": "no rights"}


@pytest.mark.parametrize("many", [9, 200])
def test_a_pod_of_many_config_maps_costs_no_more_than_eight(many: int) -> None:
    refs = [{"configMapRef": {"name": f"m{n}"}} for n in range(many)]
    shelf = Shelf()
    beside(shelf, pod("a-0", "n", "1", container("x", envFrom=refs)))
    assert len(shelf.asked) == 8


_TEXT = st.text(max_size=40) | st.sampled_from(
    ["vllm serve m -tp ", "$A", "-tp 8", "--config /scripts/run.sh", "NIM", "${A:-8}", "/run.sh"]
)


@given(_TEXT, _TEXT, _TEXT, st.sampled_from([NIM, "vllm/vllm-openai", "x"]))
def test_no_text_of_a_pod_or_a_config_map_raises(
    script: str, value: str, held: str, image: str
) -> None:
    beside = Beside({"start": {"run.sh": held, "A": value}})
    key = {"configMapKeyRef": {"name": "start", "key": "A"}}
    variables = [*env(NIM_PASSTHROUGH_ARGS=value, NIM_MODEL_PROFILE=held, NCCL_NET=value),
                 {"name": "A", "valueFrom": key}]  # fmt: skip
    asks(f"/scripts/run.sh {script}", beside, volumes=[SCRIPTS], volumeMounts=[MOUNT],
         env=variables, image=image)  # fmt: skip
    found = starts(script, value, image=image, env=variables)
    assert all(isinstance(v, str) for v in found.unread.values())


def test_a_secret_in_a_word_that_cannot_be_read_is_hidden() -> None:
    found = asks("vllm serve https://user:hunter2@host/$X -tp 8")
    assert "hunter2" not in str(found)


def serves(text: str) -> Intent:
    """The intent of one pod that a RayService's `llm_configs` entry deploys."""
    config = f"applications: [{{args: {{llm_configs: [{text}]}}}}]"
    service = obj("ray.io/v1", "RayService", "r", spec={"serveConfigV2": config})
    return asks("ray start --head", Beside({}, (service,)))


@pytest.mark.parametrize(
    ("deployment", "dp"),
    [
        ("num_replicas: 2", 2),
        ("num_replicas: 1", None),
        ("autoscaling_config: {min_replicas: 3, max_replicas: 3}", 3),
        ("autoscaling_config: {min_replicas: 1, max_replicas: 1}", None),
    ],
)
def test_replicas_of_ray_serve_are_copies_of_the_model(deployment: str, dp: int | None) -> None:
    found = serves(f"{{engine_kwargs: {{tensor_parallel_size: 8}}, deployment_config: "
                   f"{{{deployment}}}}}")  # fmt: skip
    assert (found.tp, found.dp, found.unread) == (8, dp, {})


@pytest.mark.parametrize(
    "deployment",
    ["num_replicas: auto", "autoscaling_config: {min_replicas: 1, max_replicas: 4}"],
)
def test_replicas_that_ray_serve_chooses_are_unread(deployment: str) -> None:
    found = serves(f"{{engine_kwargs: {{tensor_parallel_size: 8}}, deployment_config: "
                   f"{{{deployment}}}}}")  # fmt: skip
    assert (found.tp, found.dp) == (8, None)
    assert "Ray Serve itself" in found.unread["dp"]


def test_data_parallel_ranks_of_ray_serve_are_counted_once() -> None:
    found = serves("{engine_kwargs: {tensor_parallel_size: 8, data_parallel_size: 2}, "
                   "deployment_config: {num_replicas: 2}}")  # fmt: skip
    assert found.dp == 2


@pytest.mark.parametrize(
    ("group", "nodes"),
    [
        ({"replicas": 4, "maxReplicas": 2}, 2),
        ({"replicas": 0, "minReplicas": 3}, 3),
        ({"minReplicas": 2, "numOfHosts": 2}, 4),
        ({"replicas": 2, "suspend": True}, None),
        ({"replicas": "2"}, None),
    ],
)
def test_the_pods_of_a_ray_group_stay_between_its_limits(group: Object, nodes: int | None) -> None:
    template = {"spec": {"containers": [container("x")]}}
    cluster = {"spec": {"workerGroupSpecs": [{**group, "template": template}]}}
    assert (gpu_nodes(cluster, lambda one: 8 if one else 0) or (None,))[0] == nodes

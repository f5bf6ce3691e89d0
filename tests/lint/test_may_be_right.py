"""What may be right by something that the input does not show is no error, and often no warning."""

import pytest
from tests.lint.judge import found, judged, sure

LWS = """\
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: vllm}
spec:
  leaderWorkerTemplate:
    size: 2
    workerTemplate:
      spec:
        containers:
        - {name: vllm, image: "%s", resources: {limits: {nvidia.com/gpu: 8}}}
"""
POLICY = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: own}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress: [{to: [{ipBlock: {cidr: %s}}]}]
---
"""
INTERNET = "0.0.0.0/0, except: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16]"


@pytest.mark.parametrize(
    ("block", "level"),
    [
        ("0.0.0.0/0", "hint"),
        ("10.0.0.0/8", "hint"),
        ("fd00::/8", "hint"),
        ("0.0.0.0/0, except: [10.1.0.0/16]", "hint"),
        (INTERNET, "error"),
        ("203.0.113.0/24", "error"),
    ],
)
def test_an_ip_block_that_may_hold_pods_leaves_it_to_the_plugin(block: str, level: str) -> None:
    (one,) = found(POLICY % block + LWS % "vllm/vllm-openai:v0.11.0", "CONF029")
    assert (one.level, "network plugin" in one.unseen) == (level, level == "hint")


BY_NAMESPACE = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: own%s}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  ingress: [{from: [{namespaceSelector: %s}]}]
---
"""
NAMED = "{matchLabels: {kubernetes.io/metadata.name: llm}}"
OTHER = "{matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: [a, b]}]}"
TEAM = "{matchLabels: {team: ml}}"
LABELLED = """\
apiVersion: v1
kind: Namespace
metadata: {name: llm, labels: {team: %s}}
---
"""


@pytest.mark.parametrize(
    ("namespace", "selector", "labels", "level"),
    [
        (", namespace: llm", NAMED, "", ""),
        (", namespace: llm", "{}", "", ""),
        (", namespace: llm", TEAM, LABELLED % "ml", ""),
        (", namespace: llm", TEAM, LABELLED % "web", "error"),
        (", namespace: llm", OTHER, "", "error"),
        (", namespace: llm", TEAM, "", "hint"),
        ("", NAMED, "", "hint"),
    ],
)
def test_what_a_namespace_selector_allows_hangs_on_the_labels_of_the_namespace(
    namespace: str, selector: str, labels: str, level: str
) -> None:
    lws = LWS.replace("{name: vllm}", "{name: vllm" + namespace + "}", 1)
    text = labels + BY_NAMESPACE % (namespace, selector) + lws % "vllm/vllm-openai:v0.11.0"
    told = found(text, "CONF029")
    assert [f.level for f in told] == [level] * bool(level)
    assert all(("labels the namespace has" in f.unseen) == (level == "hint") for f in told)


RAYJOB = """\
apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: llm}
spec:
  headGroupSpec:
    template: {spec: {containers: [{name: h, image: "rayproject/ray:2.46.0"}]}}
  workerGroupSpecs:
  - groupName: g
    template:
      spec:
        containers:
        - {name: w, image: "rayproject/ray:2.46.0", resources: {limits: {nvidia.com/gpu: 1}}}
---
apiVersion: ray.io/v1
kind: RayJob
metadata: {name: job}
spec:
  entrypoint: python /app/batch.py
"""


def test_a_ray_job_may_choose_a_cluster_that_is_there() -> None:
    assert found(RAYJOB, "CONF078")
    assert found(RAYJOB + "  clusterSelector: {ray.io/cluster: llm}\n", "CONF078") == ()


SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: %s}
spec: {selector: {app: %s}, ports: [{port: 80, targetPort: 8000}]}
---
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: vllm}
spec:
  selector: {matchLabels: {app: vllm}}
  template:
    metadata: {labels: {app: vllm}}
    spec:
      containers:
"""
ONE = """\
      - name: %s
        image: %s
        args: %s
        ports: [{containerPort: 8000}]
        resources: {limits: {nvidia.com/gpu: %s}}
"""
VLLM = "vllm/vllm-openai:v0.11.0"


@pytest.mark.parametrize(
    ("service", "app", "level"),
    [("open-webui", "open-webui", "hint"), ("vllm-api", "llm", "error"), ("vllm", "x", "error")],
)
def test_a_service_of_another_application_may_have_its_pods_elsewhere(
    service: str, app: str, level: str
) -> None:
    text = SERVICE % (service, app) + DEPLOYMENT + ONE % ("vllm", VLLM, "[--model, m/x]", 1)
    assert [f.level for f in found(text, "CONF024")] == [level]


TP4 = '[--model, m/x, -tp, "4"]'
EMBED = "r.io/text-embeddings-inference:1.8"


@pytest.mark.parametrize("second", [(VLLM, TP4, 4), (EMBED, "[--model-id, BAAI/bge]", 1)])
def test_gpus_of_another_engine_in_the_pod_stand_not_idle(second: tuple[str, str, int]) -> None:
    image, args, gpus = second
    text = DEPLOYMENT + ONE % ("a", VLLM, TP4, 4) + ONE % ("b", image, args, gpus)
    assert found(text, "CONF001") == ()
    assert found(DEPLOYMENT + ONE % ("a", VLLM, TP4, 8), "CONF001")


@pytest.mark.parametrize("devices", ["", "CUDA_VISIBLE_DEVICES={} "])
def test_two_servers_of_one_script_share_the_gpus(devices: str) -> None:
    one, two = devices.format("0,1,2,3"), devices.format("4,5,6,7")
    script = f"{one}vllm serve m/a -tp 4 & {two}vllm serve m/b -tp 4 --port 8001 & wait"
    text = DEPLOYMENT + ONE % ("a", VLLM, f'["{script}"]\n        command: [sh, -c]', 8)
    assert found(text, "CONF001") == found(text, "CONF093") == ()


def test_workers_behind_a_router_serve_each_by_itself() -> None:
    text = (LWS % VLLM).replace('0", res', f'0", args: {TP4.replace("4", "8")}, res')
    leader = "    leaderTemplate: {spec: {containers: [{name: r, image: 'r.io/router:1'}]}}\n"
    assert found(text, "CONF001")
    assert found(text.replace("size: 2", "size: 3") + leader, "CONF001") == ()


def test_prefill_and_decode_of_one_set_serve_each_by_themselves() -> None:
    one = (LWS % VLLM).replace('0", res', f'0", args: {TP4.replace("4", "8")}, res')
    leader = one[one.index("    workerTemplate") :].replace("workerT", "leaderT")
    assert found(one, "CONF001")
    assert [f.level for f in found(one + leader, "CONF001")] == ["hint"]
    assert found(one + leader.replace("name: vllm", "name: prefill"), "CONF001") == ()


@pytest.mark.parametrize(("mode", "count"), [("Indexed", 0), ("NonIndexed", 1)])
def test_an_indexed_job_is_given_its_index(mode: str, count: int) -> None:
    text = f"""\
apiVersion: batch/v1
kind: Job
metadata: {{name: j}}
spec:
  completionMode: {mode}
  completions: 2
  parallelism: 2
  template:
    spec:
      containers:
      - name: s
        image: lmsysorg/sglang:v0.5.3
        command: [python3, -m, sglang.launch_server, --model-path, m/x, --tp, "16", --nnodes, "2"]
        args: [--node-rank, $(JOB_COMPLETION_INDEX), --dist-init-addr, "j-0.j:20000"]
        resources: {{limits: {{nvidia.com/gpu: 8}}}}
"""
    assert len(found(text, "CONF085")) == count


def test_amounts_of_an_overhead_are_quantities() -> None:
    text = DEPLOYMENT.replace("spec:\n      cont", "spec:\n      overhead: {cpu: 1}\n      cont")
    assert found(text + ONE % ("a", VLLM, "[]", 1), "CONF070") == ()


@pytest.mark.parametrize(
    ("image", "env", "level"),
    [
        (VLLM, "[]", "error"),
        ("r.io/train:1", "[]", "hint"),
        ("r.io/train:1", "[{name: NCCL_DEBUG, value: INFO}]", "warning"),
        ("r.io/train:1", "[]\n          command: [torchrun, train.py]", "error"),
    ],
)
def test_what_nothing_tells_to_use_nccl_may_need_no_shared_memory(
    image: str, env: str, level: str
) -> None:
    flat = LWS % image
    text = flat.replace('{name: vllm, image: "', 'name: vllm\n          image: "').replace(
        ", resources: {limits: {nvidia.com/gpu: 8}}}",
        f"\n          resources: {{limits: {{nvidia.com/gpu: 8}}}}\n          env: {env}",
    )
    (one,) = found(text, "CONF060")
    assert (one.level, "NCCL" in one.unseen) == (level, level == "hint")


def test_triton_that_loads_what_it_is_asked_for_may_need_neither() -> None:
    args = "[tritonserver, --model-repository=/m%s]"
    probe = "        livenessProbe: {httpGet: {path: /v2/health/live, port: 8000}}\n"
    image = "nvcr.io/nvidia/tritonserver:24.10-py3"
    later = DEPLOYMENT + ONE % ("t", image, args % ", --model-control-mode=explicit", 4) + probe
    assert sure(judged(later)) == []
    assert found(later, "CONF081") == ()
    (one,) = found(DEPLOYMENT + ONE % ("t", image, args % "", 4) + probe, "CONF081")
    assert (one.level, "models take to load" in one.unseen) == ("hint", True)


@pytest.mark.parametrize("path", ["dev/shm", "/dev/shm/", "/dev//shm", "/dev/./shm"])
def test_a_mount_is_where_the_runtime_puts_it_however_it_is_written(path: str) -> None:
    mount = f"        volumeMounts: [{{name: s, mountPath: {path}}}]\n"
    volume = "      volumes: [{name: s, emptyDir: {medium: Memory, sizeLimit: 16Gi}}]\n"
    text = DEPLOYMENT + ONE % ("a", VLLM, TP4, 4) + mount + volume
    assert found(text, "CONF060") == found(text, "CONF064") == ()


def test_a_port_in_quotes_is_a_name_that_no_port_may_have() -> None:
    probe = '        livenessProbe: {httpGet: {path: /health, port: "%s"}}\n'
    text = DEPLOYMENT + ONE % ("a", VLLM, "[--model, m/x]", 1) + probe
    (one,) = found(text % 8000, "CONF070")
    assert (one.level, one.fixable) == ("error", True)
    assert found(text % 8000, "CONF080") == found(text % "http", "CONF070") == ()


def test_a_group_of_no_pods_is_refused() -> None:
    (one,) = found((LWS % VLLM).replace("size: 2", "size: 0"), "CONF088")
    assert "size is 0" in one.says


@pytest.mark.parametrize("resources", ["claims: [{name: gpus}]", "limits: {amd.com/gpu: 8}"])
def test_accelerators_that_are_not_counted_are_not_told_as_none(resources: str) -> None:
    text = DEPLOYMENT + ONE % ("vllm", VLLM, TP4, 1)
    report = judged(text.replace("limits: {nvidia.com/gpu: 1}", resources))
    assert report.groups == ("Deployment vllm: 1 pod, GPUs not counted, TP=4, model m/x",)
    assert ["not counted as GPUs" in n.says for n in report.not_judged] == [True]


@pytest.mark.parametrize(("flag", "count"), [("--dcp-size", 0), ("--cp-size", 0), ("--dp-sise", 1)])
def test_another_size_of_a_few_letters_is_a_flag_of_its_own(flag: str, count: int) -> None:
    text = DEPLOYMENT + ONE % (
        "s",
        "lmsysorg/sglang:v0.5.3",
        f'[--model-path, m/x, {flag}, "2"]',
        2,
    )
    command = "        command: [python3, -m, sglang.launch_server]\n"
    assert len(found(text + command, "CONF115")) == count


@pytest.mark.parametrize(
    ("first", "last", "count"),
    [("cmd=(", ")", 0), ("cmd='", "'", 0), ('cmd="', '"', 0), ("", "", 1), ("$(cat <<E", "E)", 0)],
)
def test_lines_of_an_array_or_a_quote_belong_together(first: str, last: str, count: int) -> None:
    script = "\n".join(f"          {w}" for w in (first, "vllm serve m/x", "--port 80", last))
    text = DEPLOYMENT + ONE % ("v", VLLM, f"\n        - |\n{script}", 1)
    assert len(found(text + "        command: [bash, -c]\n", "CONF074")) == count


@pytest.mark.parametrize(("model", "level"), [("m/x", "warning"), ("m/y", "error")])
def test_two_of_vllm_may_share_a_port(model: str, level: str) -> None:
    text = DEPLOYMENT + ONE % ("a", VLLM, TP4, 4) + ONE % ("b", VLLM, TP4.replace("m/x", model), 4)
    assert [f.level for f in found(text, "CONF086")] == [level]


IDLE = """\
apiVersion: v1
kind: Pod
metadata: {name: vllm}
spec:
  containers:
  - name: vllm
    image: vllm/vllm-openai:v0.11.0
    args: [--model, m/x%s]
    resources: {limits: {nvidia.com/gpu: %d}}
"""


@pytest.mark.parametrize(
    ("told", "gpus", "rule", "level"),
    [
        ("", 8, "CONF007", "warning"),
        ("", 6, "CONF007", "hint"),
        (", -tp, '1'", 2, "CONF001", "hint"),
        (", -tp, '2'", 4, "CONF001", "warning"),
    ],
)
def test_gpus_beside_one_rank_may_be_shares_of_one(
    told: str, gpus: int, rule: str, level: str
) -> None:
    (one,) = found(IDLE % (told, gpus), rule)
    assert (one.level, "time-slicing" in one.unseen) == (level, level == "hint")


def rank(name: str, number: int, leader: str, before: str = "") -> str:
    """One node of two of SGLang, as a StatefulSet of one pod."""
    return f"""\
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: {name}}}
spec:
  serviceName: meet
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers:
      - name: sglang
        image: lmsysorg/sglang:v0.5.3
        command:
        - sh
        - -c
        - |
          {before}
          python3 -m sglang.launch_server --model-path /m --tp 16 --nnodes 2 \\
            --node-rank {number} --dist-init-addr {leader}:5000 --port 8000
        resources: {{limits: {{nvidia.com/gpu: 8}}}}
"""


MEET = """\
---
apiVersion: v1
kind: Service
metadata: {name: meet}
spec: {selector: {app: first}, ports: [{port: 5000}, {port: %d}]}
"""


@pytest.mark.parametrize(("number", "level"), [(0, "hint"), (1, "error")])
def test_rank_0_at_127_0_0_1_may_be_asked_by_its_own_address(number: int, level: str) -> None:
    assert [f.level for f in found(rank("a", number, "127.0.0.1"), "CONF034")] == [level]


@pytest.mark.parametrize(("number", "errors"), [(0, 0), (1, 1)])
def test_rank_0_may_meet_the_others_at_every_address_of_its_own(number: int, errors: int) -> None:
    assert len(found(rank("a", number, "0.0.0.0"), "CONF034")) == errors


def test_a_rank_whose_address_a_shell_looks_up_may_be_the_one_that_is_missing() -> None:
    leader = rank("first", 0, "0.0.0.0")
    worker = rank("second", 1, "$IP", "IP=$(getent hosts meet | cut -d' ' -f1)")
    alone, beside = found(leader, "CONF002"), found(leader + worker, "CONF002")
    assert [f.level for f in alone] == ["error"]
    assert {f.level for f in beside} == {"hint"}
    assert beside[0].unseen == "StatefulSet second joins an address that cannot be read"


@pytest.mark.parametrize(("port", "told"), [(5001, 0), (5011, 1)])
def test_ports_behind_that_of_sglangs_leader_are_its_own(port: int, told: int) -> None:
    pods = rank("first", 0, "first-0.meet") + rank("second", 1, "first-0.meet")
    assert len(found(pods + MEET % port, "CONF028")) == told


def test_copies_that_nothing_joins_have_no_head() -> None:
    text = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: vllm}
spec:
  replicas: 2
  selector: {matchLabels: {app: vllm}}
  template:
    metadata: {labels: {app: vllm}}
    spec:
      containers:
      - name: vllm
        image: vllm/vllm-openai:v0.11.0
        args: [--model, m/x, -tp, "2"]
        resources: {limits: {nvidia.com/gpu: 1}}
"""
    assert [f.id for f in judged(text).open if f.level == "error"] == ["CONF035"]


@pytest.mark.parametrize(
    "values",
    [
        "containers: {train: 'nvcr.io/nvidia/nemo:25.04'}",
        "headGroupSpec: {rayStartParams: {}, resources: {limits: {cpu: 1}}}",
    ],
)
def test_values_with_the_name_of_a_field_make_no_pod(values: str) -> None:
    report = judged(f"executor: local\n{values}\n")
    assert not report.findings
    assert not report.objects


@pytest.mark.parametrize(("device", "errors"), [("nvidia.com/gpu", 1), ("google.com/tpu", 0)])
def test_blocks_of_weights_are_asked_of_nvidias_kernels_alone(device: str, errors: int) -> None:
    text = (IDLE % ("", 8)).replace("m/x", "Qwen/Qwen3-235B-A22B-FP8, -tp, '8'")
    assert len(found(text.replace("nvidia.com/gpu", device), "CONF012")) == errors


BUILT = """\
apiVersion: v1
kind: Pod
metadata: {name: triton}
spec:
  initContainers:
  - name: build
    image: r.io/ours/triton:1
    command: [python3, build.py]
    volumeMounts: [{name: dshm, mountPath: /dev/shm}]
    resources: {limits: {nvidia.com/gpu: %d}}
  containers:
  - name: triton
    image: nvcr.io/nvidia/tritonserver:24.08-trtllm-python-py3
    command: [mpirun, -np, "2", tritonserver, --model-repository=/m]
    resources: {limits: {nvidia.com/gpu: 2}}
  volumes: [{name: dshm, emptyDir: {medium: Memory}}]
"""


@pytest.mark.parametrize(("gpus", "level"), [(0, "error"), (2, "hint")])
def test_an_init_container_with_gpus_may_be_what_the_volume_is_for(gpus: int, level: str) -> None:
    (one,) = found(BUILT % gpus, "CONF064")
    assert (one.level, one.says.rpartition(": ")[2]) == (level, "only build mounts it")


LINKED = """\
apiVersion: v1
kind: Service
metadata: {name: vllm}
spec: {type: %s, externalName: a.example, selector: {app: v}, ports: [{port: 8000}]}
---
apiVersion: v1
kind: Pod
metadata: {name: p, labels: {app: v}}
spec:
  containers:
  - name: v
    image: vllm/vllm-openai:v0.11.0
    %s
    resources: {limits: {nvidia.com/gpu: 1}}
"""
ARGS = "args: [--model, /m]"


@pytest.mark.parametrize(
    ("kind", "own", "levels"),
    [
        ("ClusterIP", ARGS, ["warning"]),
        ("ExternalName", ARGS, []),
        ("ClusterIP", 'command: [sh, -c, "unset VLLM_PORT; exec vllm serve /m"]', []),
        ("ClusterIP", 'command: [sh, -c, "VLLM_PORT=5000 vllm serve /m"]', []),
        ("ClusterIP", f"envFrom: [{{secretRef: {{name: x}}}}]\n    {ARGS}", ["hint"]),
    ],
)
def test_a_service_called_vllm_harms_who_is_told_of_no_other_port(
    kind: str, own: str, levels: list[str]
) -> None:
    assert [f.level for f in found(LINKED % (kind, own), "CONF030")] == levels

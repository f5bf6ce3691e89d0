"""AIBrix's RayClusterFleet and StormService make pods, which are judged like any others."""

from tests.lint.judge import found, judged, sure

FLEET = """\
apiVersion: orchestration.aibrix.ai/v1alpha1
kind: RayClusterFleet
metadata: {name: qwen}
spec:
  replicas: 1
  selector: {matchLabels: {model.aibrix.ai/name: qwen}}
  template:
    metadata:
      labels: {model.aibrix.ai/name: qwen}
      annotations: {ray.io/overwrite-container-cmd: "true"}
    spec:
      headGroupSpec:
        rayStartParams: {dashboard-host: 0.0.0.0}
        template:
          metadata: {labels: {app: qwen}}
          spec:
            containers:
            - name: ray-head
              image: vllm/vllm-openai:v0.11.0
              command: [bash, -c]
              args:
              - |
                eval "$KUBERAY_GEN_RAY_START_CMD" &
                sleep 30
                vllm serve /m -tp 2 --distributed-executor-backend ray
              ports: [{containerPort: 8000}]
              resources: {limits: {nvidia.com/gpu: 1}}
      workerGroupSpecs:
      - groupName: gpu
        replicas: 1
        rayStartParams: {}
        template:
          metadata: {labels: {app: qwen}}
          spec:
            containers:
            - name: ray-worker
              image: vllm/vllm-openai:v0.11.0
              command: [bash, -c]
              args: ["ulimit -n 65536; $KUBERAY_GEN_RAY_START_CMD"]
              resources: {limits: {nvidia.com/gpu: 1}}
"""
SERVICE = """\
---
apiVersion: v1
kind: Service
metadata: {name: qwen}
spec:
  selector: {%s}
  ports: [{port: 8000}]
"""
HEAD = "ray.io/node-type: head, app: qwen"
STORM = """\
apiVersion: orchestration.aibrix.ai/v1alpha1
kind: StormService
metadata: {name: pd}
spec:
  replicas: 1
  selector: {matchLabels: {app: pd}}
  template:
    metadata: {labels: {app: pd}}
    spec:
      roles:
      - name: decode
        replicas: 1
        podGroupSize: %d
        template:
          spec:
            containers:
            - name: vllm
              image: vllm/vllm-openai:v0.12.0
              command: [sh, -c]
              args: ["vllm serve /m -tp 8 %s"]
              resources: {limits: {nvidia.com/gpu: 8}}
              volumeMounts: [{name: shm, mountPath: /dev/shm}]
            volumes: [{name: shm, emptyDir: {medium: Memory}}]
"""
RANKS = "-pp 2 --nnodes 2 --node-rank $POD_GROUP_INDEX --master-addr $PODSET_NAME-0.pd --headless"


def test_a_whole_fleet_is_judged_and_healthy() -> None:
    report = judged(FLEET)
    assert not sure(report)
    assert not report.not_judged


def test_ranks_of_a_fleet_are_counted() -> None:
    (finding,) = found(FLEET.replace("-tp 2", "-tp 4"), "CONF001")
    assert finding.level == "error"


def test_a_fleet_has_the_labels_of_its_clusters() -> None:
    other = FLEET.replace("      labels: {model.aibrix.ai/name: qwen}", "      labels: {a: b}")
    (finding,) = found(other, "CONF079")
    assert "the clusters have no label model.aibrix.ai/name" in finding.says
    assert not found(FLEET, "CONF079")


def test_a_service_over_head_and_workers_sends_requests_to_workers() -> None:
    (finding,) = found(FLEET + SERVICE % "app: qwen", "CONF118")
    assert finding.level == "warning"
    assert not found(FLEET + SERVICE % HEAD, "CONF118")


def test_whether_a_fleets_ray_blocks_is_its_own_operators_affair() -> None:
    behind = FLEET.replace('eval "$KUBERAY_GEN_RAY_START_CMD" &', "$KUBERAY_GEN_RAY_START_CMD")
    assert [f.level for f in found(behind, "CONF032")] == ["warning"]
    told = behind.replace("0.0.0.0}", '0.0.0.0, block: "false"}')
    assert [f.level for f in found(told, "CONF032")] == ["hint"]


def test_each_pod_of_a_storm_group_has_a_share_of_the_ranks() -> None:
    (finding,) = found(STORM % (2, "-pp 4"), "CONF001")
    assert finding.level == "error"
    assert not found(STORM % (1, ""), "CONF001")


def test_a_storm_groups_index_is_a_rank() -> None:
    assert not sure(judged(STORM % (2, RANKS)))

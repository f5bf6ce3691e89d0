"""`items` of a volume choose among a ConfigMap's keys."""

from tests.lint.judge import found

POD = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: s}
data: {run.sh: "source /s/env.sh\\nexec vllm serve /m\\n", env.sh: "export A=1"}
---
apiVersion: v1
kind: Pod
metadata: {name: one}
spec:
  containers:
  - name: vllm
    image: vllm/vllm-openai:v0.11.0
    command: [bash, /s/run.sh]
    resources: {limits: {nvidia.com/gpu: 1}}
    volumeMounts: [{name: v, mountPath: /s}]
  volumes: [{name: v, configMap: {name: s, items: [{key: run.sh, path: run.sh}]}}]
"""


def test_a_key_that_items_leave_out_is_told_as_left_out() -> None:
    (one,) = found(POD, "CONF101")
    assert one.says.endswith("`items` of volume v leave out key env.sh of ConfigMap s")
    assert one.fix == "Add `{key: env.sh, path: env.sh}` to `items` of volume v."

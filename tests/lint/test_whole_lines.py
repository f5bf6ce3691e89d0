"""A command line in one item: nothing but a shell cuts it into words."""

import pytest
from tests.lint.judge import found

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: llm}
spec:
  containers:
  - name: llm
    image: r.io/ours/serve:1
    command: %s
    resources: {limits: {nvidia.com/gpu: 2}}
"""


@pytest.mark.parametrize(
    "line",
    [
        "text-generation-launcher --model-id m --num-shard 2",
        "trtllm-serve /m --tp_size 2",
        "trtllm-llmapi-launch trtllm-serve /m --tp_size 2",
        "lmdeploy serve api_server /m --tp 2",
        "tritonserver --model-repository=/m",
        "mpirun -np 2 tritonserver --model-repository=/m",
        "/usr/local/bin/vllm serve /m",
        "/opt/venv/bin/python3.12 -m sglang.launch_server --model-path /m",
    ],
)
def test_a_line_of_any_engine_is_no_program(line: str) -> None:
    assert [f.level for f in found(POD % f'["{line}"]', "CONF074")] == ["error"]
    assert [f.level for f in found(POD % f'[bash, "{line}"]', "CONF074")] == ["error"]
    assert found(POD % f'[bash, -c, "{line}"]', "CONF074") == ()
    assert found(POD % f"[{', '.join(line.split())}]", "CONF074") == ()


def test_a_value_that_mpirun_cuts_itself_is_one_word() -> None:
    words = '[mpirun, --mca, plm_rsh_args, "-p 2222", -np, "16", trtllm-serve, /m]'
    assert found(POD % words, "CONF074") == ()

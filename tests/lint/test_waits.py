"""Loops of workers that end when the leader's server answers, and what only looks like one."""

import pytest
from tests.lint.judge import found

GROUP = """\
apiVersion: v1
kind: Service
metadata: {name: front}
spec: {selector: {role: leader}, ports: [{port: 8000}]}
---
apiVersion: v1
kind: Service
metadata: {name: model-cache}
spec: {selector: {app: cache}, ports: [{port: 8000}]}
---
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: v}
spec:
  leaderWorkerTemplate:
    size: 2
    leaderTemplate:
      metadata: {labels: {role: leader}}
      spec:
        containers:
        - name: vllm
          image: vllm/vllm-openai:v0.11.0
          command: [bash, -c]
          args: ["ray start --head; vllm serve /m -tp 8 -pp 2 --distributed-executor-backend ray"]
          resources: {limits: {nvidia.com/gpu: 8}}
    workerTemplate:
      spec:
        containers:
        - name: vllm
          image: vllm/vllm-openai:v0.11.0
          env:
          - {name: OWN, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
          - {name: HEAD, valueFrom: {configMapKeyRef: {name: c, key: head}}}
          command: [bash, -c]
          args:
          - |
            SCRIPT
            ray start --address=$LWS_LEADER_ADDRESS:6379 --block
          resources: {limits: {nvidia.com/gpu: 8}}
"""


CALL = "curl -sf http://$LWS_LEADER_ADDRESS:8000/health"
CODE = "[ \"$(curl -s -o /dev/null -w '%{http_code}' http://front:8000/health)\""
SLEEPS = "; do sleep 5; done"


def levels(script: str) -> list[str]:
    script = script.replace("\n", "\n" + " " * 12)
    return [f.level for f in found(GROUP.replace("SCRIPT", script), "CONF055")]


@pytest.mark.parametrize(
    "asks",
    [
        "curl -sf $LWS_LEADER_ADDRESS:8000/health",
        "wget -qO- ${LWS_LEADER_ADDRESS}:8000/v1/models",
        "curl -sf --connect-timeout 5 'http://v-0.v:8000/health' 2>&1 >/dev/null",
        "curl -sf http://front:8000/health && true",
        "curl -sf http://FRONT.default.svc:8000/health",
    ],
)
def test_a_loop_that_waits_for_the_leaders_server_is_a_deadlock(asks: str) -> None:
    assert levels(f"until {asks}; do sleep 5; done 2>&1 && echo there") == ["error"]


@pytest.mark.parametrize(
    "script",
    [
        "until curl -sf http://model-cache:8000/health; do sleep 5; done",
        "until curl -sf http://cache.example.com:8000/health; do sleep 5; done",
        "until curl -sf http://$OWN:8000/health; do sleep 5; done",
        "(until curl -sf http://front:8000/health; do sleep 5; done; echo warm) &",
        "until curl -sf http://front:8000/health; do sleep 5; done &",
        "# until curl http://front:8000/health answers: that is a deadlock",
        "n=0; while [ $n -lt 9 ] && ! curl -sf http://front:8000/health; do n=$((n + 1)); done",
        "until curl -sf http://front:8000/health; do [ $((n += 1)) = 9 ] && break; done",
        "timeout 60 bash -c 'until curl -sf http://front:8000/health; do sleep 5; done'",
    ],
)
def test_what_waits_for_another_or_not_for_ever_is_no_deadlock(script: str) -> None:
    assert levels(script) == []


def test_a_host_that_cannot_be_read_is_a_hint() -> None:
    assert levels("until curl -sf http://$HEAD:8000/health; do sleep 5; done") == ["hint"]


@pytest.mark.parametrize(
    "script",
    [
        f"while ! {CALL}{SLEEPS}",
        f"until {CALL} | grep -q ok{SLEEPS}",
        f"until {CODE} = 200 ]{SLEEPS}",
        f"while [{CODE} != '200' ]]{SLEEPS}",
        f"cd /tmp && until {CALL}; do echo 'not yet'; sleep 5; done",
        f"if [ -f /x ]; then echo x; fi; until \\\n{CALL}\ndo sleep 5\ndone",
        f"f() {{ echo x; }}\ncat > /x <<EOF\nexit\nEOF\nuntil {CALL}{SLEEPS}",
        f"[ $LWS_WORKER_INDEX = 0 ] || until {CALL}{SLEEPS}",
    ],
)
def test_every_spelling_of_a_wait_in_the_scripts_own_flow_is_a_deadlock(script: str) -> None:
    assert levels(script) == ["error"]


@pytest.mark.parametrize(
    "script",
    [
        f"ready() {{\n  until {CALL}{SLEEPS}\n}}",
        f"ready() ( until {CALL}{SLEEPS} )",
        f"drain() {{\n  while ! {CALL}{SLEEPS}\n}}\ntrap drain TERM",
        f"trap 'until {CALL}{SLEEPS}' TERM",
        f"cat > /ready.sh <<'EOF'\nuntil {CALL}{SLEEPS}\nEOF",
        f"echo 'run: until {CALL}{SLEEPS}'",
        f"echo run until {CALL}{SLEEPS}",
    ],
)
def test_a_loop_that_is_not_run_where_it_is_written_is_no_wait(script: str) -> None:
    assert levels(script) == []


@pytest.mark.parametrize(
    "loop",
    [
        f"while {CALL}{SLEEPS}",
        f"until ! {CALL}{SLEEPS}",
        f"until {CODE} = 000 ]{SLEEPS}",
        f"while {CODE} = 200 ]{SLEEPS}",
        f"until {CALL} || nc -z front 6379{SLEEPS}",
        f"until nc -z front 6379 || {CALL}{SLEEPS}",
        f"while ! {CALL} && [ -f /wait ]{SLEEPS}",
        f"until {CALL} | grep -vq ok{SLEEPS}",
        f"until {CALL}; do ray start --address=front:6379; sleep 5; done",
        f"until {CALL}; do n=$((n + 1)); if [ $n = 9 ]; then exit; fi; done",
    ],
)
def test_a_loop_that_ends_without_an_answer_is_no_wait_for_one(loop: str) -> None:
    assert levels(loop) == []


@pytest.mark.parametrize(
    "script",
    [
        f"if [ $WAIT = 1 ]; then until {CALL}{SLEEPS}; fi",
        f"if [ $WAIT = 1 ]; then\n  until {CALL}{SLEEPS}\nfi",
        f"[ $WAIT = 1 ] && until {CALL}{SLEEPS}",
        f"[ $WAIT = 1 ] ||\nuntil {CALL}{SLEEPS}",
        f"case $WAIT in 1) until {CALL}{SLEEPS};; esac",
        f"[ $WAIT = 1 ] || exec /start.sh; until {CALL}{SLEEPS}",
        f"/start.sh & until {CALL}{SLEEPS}",
        f"until {CALL}; do /start.sh; sleep 5; done",
    ],
)
def test_a_wait_that_may_not_be_come_to_is_a_hint(script: str) -> None:
    assert levels(script) == ["hint"]

"""Names of variables that are a letter from another: found, and as fast among thousands."""

import sys
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.lint.judge import found

from distcheck.checks.knowledge.spelling import OneLetterOff, letters_apart

NAMES = st.text("ABC", min_size=1, max_size=5)


@given(st.sets(NAMES, max_size=6), NAMES)
def test_the_one_name_that_is_a_letter_away_is_found(known: set[str], name: str) -> None:
    known -= {name}
    near = [n for n in known if letters_apart(n, name, 2) <= 1]
    assert OneLetterOff(known).only(name) == (near[0] if len(near) == 1 else "")


def pod(count: int) -> str:
    reads = "".join(f"\n      echo $PART_{n}_OF_MANY" for n in range(1000, 1000 + count))
    sets = "".join(
        f"\n    - {{name: PART_{n}_AF_MANY, value: a}}" for n in range(1000, 1000 + count)
    )
    return f"""\
apiVersion: v1
kind: Pod
metadata: {{name: p}}
spec:
  containers:
  - name: vllm
    image: vllm/vllm-openai:v0.11.0
    command: [bash, -c]
    args:
    - |{reads}
      vllm serve /m
    env:{sets}
"""


def calls(count: int) -> int:
    """Calls that judging takes, of Python's functions and of C's."""
    made = 0

    def note(_frame: object, _event: str, _arg: Any) -> None:
        nonlocal made
        made += 1

    sys.setprofile(note)
    try:
        findings = found(pod(count), "CONF085")
    finally:
        sys.setprofile(None)
    assert len(findings) == count
    return made


def test_four_times_as_many_names_are_no_more_than_about_four_times_the_work() -> None:
    calls(1)
    assert calls(160) < 6 * calls(40)

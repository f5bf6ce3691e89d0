"""A name that a script reads and something sets, or that it does without, is spelt as meant."""

import json

import pytest
from tests.lint.judge import judged
from tests.lint.test_right_but_unusual import of_pod


def told(script: str, idle: str = "{name: NODES_, value: a}", shell: str = "-c") -> int:
    """Findings about a script that has no use for the variable `idle`."""
    line = f"command: [bash, {shell}]\n    args: [{json.dumps(script)}]"
    text = of_pod(f"{line}\n    env: [{idle}]")
    return len([f for f in judged(text, only="CONF085").findings if f.level != "hint"])


@pytest.mark.parametrize(
    "script",
    [
        *("echo $NODES", 'vllm serve "${NODES}"', "echo ${NODES##*-}", "echo ${NODES:?}"),
        *("echo $NODES-1", "echo '$A' $NODES", "# it's\necho $NODES", 'echo "it\'s" $NODES'),
        *("echo \"'$NODES'\"", '[ "$NODES" = 2 ] || exit 1', "cat <<E\nit's\nE\necho $NODES"),
        *("export A=1; echo $NODES", "source=1; echo $NODES", 'export A="$NODES"'),
    ],
)
def test_a_name_that_nothing_sets_is_told(script: str) -> None:
    assert told(script) == 1


@pytest.mark.parametrize(
    "set_by",
    [
        *("NODES=1", "NODES+=1", "NODES[0]=b", "let NODES=1", "((NODES++))", "for NODES in a; do"),
        *(': "${NODES:=1}"', ": ${NODES=1}", "mapfile -t NODES < x", "readarray NODES < x"),
        *("read -r -a NODES <<< a", "while IFS== read -r K NODES; do", "printf -v NODES %s 1"),
        *("select NODES in a b; do", "while getopts a: NODES; do", "coproc NODES { cat; }"),
        *("typeset -i NODES", "f() { local A NODES; }", "declare -a NODES", "readonly NODES=3"),
        *("export $(cat /etc/nodes)", "export A=1 $(grep -v x .env)", 'declare "$A=1"'),
        *('eval "$(cat /a)"', "eval `cat /a`", ". /etc/a", "source ~/a", 'read -r "$A"'),
        *('printf -v "$A" 1', "exec bash -lc x", "bash --login"),
    ],
)
def test_whatever_sets_a_name_in_a_script_is_seen(set_by: str) -> None:
    assert told(f"{set_by}\necho $NODES") == 0


@pytest.mark.parametrize(
    "script",
    [
        *("# $NODES", "true # of $NODES", "envsubst '$NODES' < /a", "awk '{print $NODES}'"),
        *("cat <<'E'\n$NODES\nE", 'cat <<-"E"\n$NODES\nE', "cat <<\\E\n$NODES\nE"),
        *('ssh h "echo \\$NODES"', "#!/usr/bin/perl\nprint $NODES"),
    ],
)
def test_a_name_that_the_shell_does_not_put_in_is_not_read(script: str) -> None:
    assert told(script) == 0


@pytest.mark.parametrize(
    "script",
    [
        *("${NODES:-1}", "${NODES-1}", "${NODES:+x}", "${NODES:-1}; echo $NODES"),
        *('[ -n "$NODES" ] && echo $NODES', "test -z $NODES || echo $NODES"),
        *("[[ -v NODES ]] && echo $NODES", '[[ "$NODES" ]] && echo $NODES'),
        *('[ "x$NODES" = x ] || echo $NODES', 'if [ "$NODES" != "" ]; then echo $NODES; fi'),
    ],
)
def test_a_name_that_the_script_does_without_may_be_unset(script: str) -> None:
    assert told(f"echo {script}" if script[0] == "$" else script) == 0


@pytest.mark.parametrize(
    ("name", "idle"),
    [
        *(("HOSTNAME", "HOST_NAME"), ("USER", "USERS"), ("PATH", "PATHS"), ("SECONDS", "SECOND")),
        *(("EUID", "EUIDS"), ("RANDOM", "RANDOMS"), ("BASH_SOURCE", "BASH_SOURCES")),
        *(("CUDA_HOME", "CUDAHOME"), ("LD_LIBRARY_PATH", "LD_LIBRARY_PATHS")),
        *(("KUBERNETES_PORT", "KUBERNETES_PORTS"), ("PYTHONPATH", "PYTHON_PATH")),
    ],
)
def test_shells_and_images_set_names_of_their_own(name: str, idle: str) -> None:
    assert told(f"echo ${name}", f"{{name: {idle}, value: a}}") == 0


def test_a_login_shell_reads_profiles_which_may_set_any_name() -> None:
    assert told("echo $NODES", shell="-lc") == 0


@pytest.mark.parametrize(
    "used",
    [
        "lifecycle: {preStop: {exec: {command: [sh, -c, echo $NODES_]}}}",
        "startupProbe: {exec: {command: [sh, -c, 'test $NODES_ = 1']}}",
    ],
)
def test_a_variable_that_something_else_takes_is_in_use(used: str) -> None:
    env = "env: [{name: NODES_, value: a}]"
    text = of_pod(f"command: [bash, -c, echo $NODES]\n    {env}\n    {used}")
    assert not [f for f in judged(text, only="CONF085").findings if f.level != "hint"]


def test_a_variable_that_another_is_made_of_is_in_use() -> None:
    made = "{name: NODES_, value: a}, {name: LIST, value: $(NODES_)/x}"
    assert told("echo $NODES", made) == 0

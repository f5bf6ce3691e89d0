"""CONF037: addresses that the program which joins by them cannot read."""

from collections.abc import Iterator

from distcheck.checks.manifest.container import Command
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.stand_in import filled_later, is_open
from distcheck.checks.manifest.template import Template

_SGLANG = ("--dist-init-addr", "--dist_init_addr", "--nccl-init-addr")
_VLLM = ("--master-addr", "--master_addr", "--data-parallel-address", "-dpa")
_OWN = frozenset({"auto", "local", ""})


@rule("CONF037", level="error")
def addresses_have_a_form(template: Template) -> Iterator[Finding]:
    """An address that nodes join by is written as its program reads it.

    What:
        `ray start --address` or SGLang's `--dist-init-addr` has no port, or has `http://` or
        `tcp://` before it; or vLLM's `--master-addr` or `--data-parallel-address` has a port.

    Why:
        Ray and SGLang take HOST:PORT as it is, and put their own scheme before it: the node ends
        at once, or looks for a host of that name. vLLM has a flag of its own for the port.

    Fix:
        Write HOST:PORT for Ray and SGLang, and for vLLM the host, with `--master-port` or
        `--data-parallel-rpc-port`.

    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: worker}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            command: [ray, start, --address=vllm-head, --block]
            resources: {limits: {nvidia.com/gpu: 8}}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: sglang}
        spec:
          containers:
          - name: sglang
            image: lmsysorg/sglang:v0.5.3
            command: [python3, -m, sglang.launch_server, --model-path, /m, --tp, "16", --nnodes,
              "2", --node-rank, "1", --dist-init-addr, "tcp://sglang-0.sglang:20000"]
            resources: {limits: {nvidia.com/gpu: 8}}

    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: worker}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            command: [ray, start, "--address=vllm-head:6379", --block]
            resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
            volumeMounts: [{name: dshm, mountPath: /dev/shm}]
          volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]

    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: worker}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            command: [sh, -c, "ray start --address=$HEAD --block"]
            resources: {limits: {nvidia.com/gpu: 8}}

    Source:
        Ray python/ray/_private/services.py (canonicalize_bootstrap_address; tried with 2.40 and
        2.60); SGLang python/sglang/srt/server_args.py (PortArgs); vLLM vllm/config/parallel.py and
        vllm/utils/network_utils.py (get_tcp_uri puts the port behind the host, 0.13).
    """
    for container in template.containers:
        for command in container.commands:
            for flag, address, why in _judged(command):
                says = f"{flag} {address}: {why}"
                spot = container.spot_of(f"{flag}={address}", address, flag)
                yield Finding(spot, says, f"Write `{flag} {_mended(flag, address)}`.")


def _mended(flag: str, address: str) -> str:
    """The address as it is to be, with the port that is usual where it has none."""
    address = address.rpartition("://")[2].removesuffix("/")
    if flag in _VLLM:
        return address.rpartition(":")[0]
    return address if ":" in address else f"{address}:{6379 if flag == '--address' else 20000}"


def _judged(command: Command) -> Iterator[tuple[str, str, str]]:
    """(flag, address, what is wrong with it)."""
    words = command.words
    ray = words[:2] == ("ray", "start") and "--head" not in words
    both = (("Ray", ("--address",), ray), ("SGLang", _SGLANG, any("sglang" in w for w in words)))
    for reader, flags, mine in both:
        for flag, address in _given(command, flags) if mine else ():
            if why := _of_host_and_port(address, reader):
                yield flag, address, why
    for flag, address in _given(command, _VLLM) if any("vllm" in w for w in words) else ():
        host, colon, port = address.rpartition(":")
        if colon and port.isdigit() and host.count(":") == 0:
            yield flag, address, "vLLM takes a host here, without a port"


def _given(command: Command, flags: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    return ((flag, address) for flag in flags for address in command.values(flag))


def _of_host_and_port(address: str, reader: str) -> str:
    if address in _OWN:
        return ""
    scheme = address.partition("://")
    if scheme[1]:
        return f"{reader} takes HOST:PORT, without {scheme[0]}://"
    if ":" not in address and not is_open(address) and not filled_later(address):
        return f"{reader} takes HOST:PORT, and no port is here"
    return ""

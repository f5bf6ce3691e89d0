"""A kubelet's pod-resources service: a real gRPC server on a unix socket."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc

from distcheck.agent.probes.kubelet_proto import podresources_pb2 as pb

Answer = Callable[[Any], bytes]
LIST = "/v1.PodResourcesLister/List"


class _Handler(grpc.GenericRpcHandler):
    def __init__(self, answer: Answer, method: str) -> None:
        self._answer, self._method = answer, method

    def service(self, handler_call_details: Any) -> Any:
        if handler_call_details.method != self._method:
            return None
        return grpc.unary_unary_rpc_method_handler(lambda _request, context: self._answer(context))


@contextmanager
def kubelet(folder: Path, answer: Answer | bytes, method: str = LIST) -> Iterator[Path]:
    """The folder with its socket, while it runs."""
    says = (lambda _context: answer) if isinstance(answer, bytes) else answer
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((_Handler(says, method),))
    server.add_insecure_port(f"unix:{folder / 'kubelet.sock'}")
    server.start()
    try:
        yield folder
    finally:
        server.stop(grace=None).wait()


def pod(name: str, *containers: pb.ContainerResources, namespace: str = "llm") -> pb.PodResources:
    return pb.PodResources(name=name, namespace=namespace, containers=containers)


def container(name: str, *claims: pb.Claim, **devices: list[str]) -> pb.ContainerResources:
    """Resources by keyword, with `__` for `/` and `_` for `.`: `nvidia_com__gpu=[...]`."""
    given = [
        pb.Devices(resource=resource.replace("__", "/").replace("_", "."), ids=ids)
        for resource, ids in devices.items()
    ]
    return pb.ContainerResources(name=name, devices=given, claims=claims)


def claim(*devices: tuple[str, str, str]) -> pb.Claim:
    """A claim of `(driver, pool, device)`."""
    return pb.Claim(
        name="gpus",
        namespace="llm",
        devices=[pb.ClaimedDevice(driver=d, pool=p, device=n) for d, p, n in devices],
    )


def reply(*pods: pb.PodResources) -> bytes:
    return pb.ListReply(pods=pods).SerializeToString()

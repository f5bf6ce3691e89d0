"""Records what a real Ray answers, for `distcheck lab`: two nodes alive, then one killed.

Needs Ray in this interpreter. Fields that distcheck does not read are dropped, host names
are the lab's: a recording tells nothing of the machine that it was made on.
"""

import json
import sys
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import Message

from distcheck.agent.probes.ray_proto import gcs_pb2 as pb
from distcheck.agent.probes.ray_proto import tables
from distcheck.lab.ray import RealRay

FOLDER = Path(__file__).parent.parent / "src/distcheck/lab/recordings"
KINDS: dict[str, Callable[[], Message]] = {
    tables.CHECK_ALIVE: pb.CheckAliveReply,
    tables.CLUSTER_ID: pb.GetClusterIdReply,
    tables.NODES: pb.GetAllNodeInfoReply,
    tables.AVAILABLE: pb.GetAllAvailableResourcesReply,
    tables.GROUPS: pb.GetAllPlacementGroupReply,
    tables.ACTORS: pb.GetAllActorInfoReply,
}


def main() -> int:
    """Start, record, kill one raylet, record again, write the file."""
    ray = RealRay([("127.77.9.2", 8), ("127.77.9.3", 8)])
    ray.start()
    try:
        alive = record(ray.address)
        ray.kill_raylet("127.77.9.3")
        while len(ray.alive()) > 1:
            time.sleep(0.1)
        states = {"alive": alive, "dead": record(ray.address)}
    finally:
        ray.stop()
    version = pb.CheckAliveReply.FromString(alive[tables.CHECK_ALIVE]).ray_version
    path = FOLDER / f"ray-{version}.json"
    text = {name: encoded(replies) for name, replies in states.items()}
    path.write_text(json.dumps({"ray": version, "states": text}, indent=1) + "\n")
    sys.stdout.write(f"{path}\n")
    return 0


def record(address: str) -> dict[str, bytes]:
    """Every method's reply, without what distcheck does not read."""
    channel: Any = grpc.insecure_channel(address, options=(("grpc.enable_http_proxy", 0),))
    with channel:
        raw = {m: channel.unary_unary(f"/ray.rpc.{m}")(b"", timeout=5) for m in tables.METHODS}
    return {method: scrubbed(method, reply) for method, reply in raw.items()}


def scrubbed(method: str, reply: bytes) -> bytes:
    """The reply with known fields only, and the lab's host names."""
    message = KINDS[method]()
    message.ParseFromString(reply)
    message.DiscardUnknownFields()
    if isinstance(message, pb.GetAllNodeInfoReply):
        for row in message.nodes:
            row.hostname = "vllm-head-0" if row.is_head_node else "vllm-worker-0"
    return message.SerializeToString()


def encoded(replies: dict[str, bytes]) -> dict[str, str]:
    """Base64, for JSON."""
    return {method: b64encode(reply).decode() for method, reply in replies.items()}


if __name__ == "__main__":
    raise SystemExit(main())

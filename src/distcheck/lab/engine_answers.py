"""The HTTP API of the lab's engine: what a vLLM server answers to harmless questions."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from distcheck.lab.layout import VLLM, Layout, Member
from distcheck.lab.memory import BLOCK, kv_tokens
from distcheck.lab.model import model_of
from distcheck.lab.scenario import Engine, Scene

FILE = "engine-http.json"
_PORT, _WAIT_SECONDS = 8000, 60.0


def write_answers(layout: Layout, member: Member) -> None:
    """`engine-http.json` of the node where an engine has started its API server."""
    here = (e for e in layout.world.engines if e.nodes[0] == member.node)
    engine = next((e for e in here if e.progress == "serving" and e.runs), None)
    if engine is None or not layout.world.engine_answers:
        return
    told = {"address": [member.ip, _PORT], "answers": _answers(layout.world, engine)}
    unfinished = member.folder / f"{FILE}.part"
    unfinished.write_text(json.dumps(told))
    unfinished.rename(member.folder / FILE)


def serves_at(member: Member) -> tuple[int, str] | None:
    """The port and address of the API server on the member's node; None where none has started."""
    file = member.folder / FILE
    if not file.exists():
        return None
    address, port = json.loads(file.read_text())["address"]
    return port, address


def _answers(scene: Scene, engine: Engine) -> dict[str, str]:
    return {
        "/version": json.dumps({"version": VLLM}),
        "/v1/models": json.dumps({"object": "list", "data": _models(scene)}),
        "/metrics": "# TYPE vllm:cache_config_info gauge\n"
        + "".join(_metrics(scene, engine, copy) for copy in range(engine.dp)),
    }


def _models(scene: Scene) -> list[dict[str, object]]:
    path = model_of(scene).path
    served: list[dict[str, object]] = [
        {"id": path, "root": path, "parent": None, "max_model_len": 32768}
    ]
    modules = [word.partition("=") for word in scene.flags if "=/" in word]
    for name, _, root in modules:
        served.append({"id": name, "root": root, "parent": path})
    return served


def _metrics(scene: Scene, engine: Engine, copy: int) -> str:
    labels = {
        "block_size": str(BLOCK),
        "cache_dtype": "auto",
        "engine": str(copy),
        "gpu_memory_utilization": "0.92",
        "num_gpu_blocks": str(kv_tokens(scene, engine) // BLOCK),
    }
    info = ",".join(f'{name}="{value}"' for name, value in labels.items())
    who = f'engine="{copy}",model_name="{model_of(scene).path}"'
    return f"vllm:cache_config_info{{{info}}} 1.0\nvllm:kv_cache_usage_perc{{{who}}} 0.0\n"


def serve_answers(root: Path) -> None:
    """Answer in a thread of this process, once the node has such a file; it may never have one."""
    threading.Thread(target=_serve_once_there, args=(root / FILE,), daemon=True).start()


def _serve_once_there(file: Path) -> None:
    """The lab writes a node while its agent starts."""
    end = time.monotonic() + _WAIT_SECONDS
    while not file.exists():
        if time.monotonic() > end:
            return
        time.sleep(0.05)
    told = json.loads(file.read_text())
    ThreadingHTTPServer(tuple(told["address"]), _handler(told["answers"])).serve_forever()


def _handler(answers: dict[str, str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answers.get(self.path, "").encode()
            self.send_response(200 if self.path in answers else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the lab's own output clean."""

    return Handler

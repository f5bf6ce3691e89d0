"""The HTTP API of the lab's engine: what a vLLM server answers to harmless questions."""

import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from distcheck.lab.layout import MODEL_PATH, VLLM, Layout, Member
from distcheck.lab.scenario import Engine
from distcheck.lab.vllm_text import kv_tokens

FILE = "engine-http.json"
_PORT = 8000
_BLOCK = 16


def write_answers(layout: Layout, member: Member) -> None:
    """`engine-http.json` of the node where an engine has started its API server."""
    here = (e for e in layout.world.engines if e.nodes[0] == member.node)
    engine = next((e for e in here if e.progress == "serving"), None)
    if engine is None or not layout.world.engine_answers:
        return
    told = {"address": [member.ip, _PORT], "answers": _answers(engine)}
    (member.folder / FILE).write_text(json.dumps(told))


def _answers(engine: Engine) -> dict[str, str]:
    model = {"id": MODEL_PATH, "root": MODEL_PATH, "parent": None, "max_model_len": 32768}
    labels = {
        "block_size": str(_BLOCK),
        "cache_dtype": "auto",
        "engine": "0",
        "gpu_memory_utilization": "0.92",
        "num_gpu_blocks": str(kv_tokens(engine) // _BLOCK),
    }
    info = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return {
        "/version": json.dumps({"version": VLLM}),
        "/v1/models": json.dumps({"object": "list", "data": [model]}),
        "/metrics": (
            "# TYPE vllm:cache_config_info gauge\n"
            f"vllm:cache_config_info{{{info}}} 1.0\n"
            f'vllm:kv_cache_usage_perc{{engine="0",model_name="{MODEL_PATH}"}} 0.0\n'
        ),
    }


def serve_answers(root: Path) -> None:
    """Answer in a thread of this process, where the node has such a file; else do nothing."""
    with suppress(FileNotFoundError):
        told = json.loads((root / FILE).read_text())
        server = ThreadingHTTPServer(tuple(told["address"]), _handler(told["answers"]))
        threading.Thread(target=server.serve_forever, daemon=True).start()


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

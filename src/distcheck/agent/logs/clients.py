"""What of a log line is the program's own, and not what a client sent or was answered."""

_REQUEST = (
    *("Received request ", "Generated response ", "prompt: '", 'prompt: "', "output: '"),
    *('output: "', "Receive: obj=", "Finish: obj=", "GenerateReqIn", "EmbeddingReqIn"),
    *('"request.received"', '"request.finished"', '"prompt"', '"messages"', '"content"'),
    *("ErrorInfo(", "ErrorResponse(", '"GET /', '"POST /', '"PUT /', '"HEAD /', '"DELETE /'),
)
"""What stands before a client's words: vLLM's `log_inputs`, `log_outputs` and error answers,
SGLang's request logger in both of its forms, a body in JSON, and an access log's path."""

_PROGRAM = (" NCCL ", "non-default args", "engine (v", "args: Namespace(", "server_args=")
"""What only the program writes, and which may itself quote such words: a chat template."""


def own_words(text: str) -> str:
    """`text` up to where a client's words begin: they are no evidence, and private.

    Engines write what a client sent as one line (Python's `repr`). Of a program that prints
    it raw over several lines, only the first can be told.
    """
    if '"' not in text and "'" not in text and "equest" not in text and "obj=" not in text:
        return text
    found = [at for words in _REQUEST if (at := text.find(words)) >= 0]
    if not found:
        return text
    first = min(found)
    return text if any(text.find(words, 0, first) >= 0 for words in _PROGRAM) else text[:first]

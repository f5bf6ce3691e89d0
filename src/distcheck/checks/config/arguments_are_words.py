"""CONF074: a command line that is one word."""

from collections.abc import Iterator

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_FLAGS = pattern(r"\s--?[a-z][\w-]*[\s=]")
_LINE = pattern(
    r"\A(?:/[\w./-]*/)?(?:vllm serve|python[\d.]* -m|ray start|sglang |mpirun |mpiexec |torchrun "
    r"|trtllm-serve |trtllm-llmapi-launch |lmdeploy |text-generation-launcher |tritonserver )"
)
_PAIR = pattern(r"\A--?[a-z][\w-]*\s+[^\s-]\S*\s*\Z")
_PROGRAMS = frozenset(
    {
        *("vllm", "python", "python3", "sglang", "ray", "trtllm-serve", "tritonserver"),
        *("torchrun", "lmdeploy", "text-generation-launcher"),
    }
)
_SHELLS = frozenset({"sh", "bash", "ash", "dash", "zsh"})


@rule("CONF074", level="error")
def arguments_are_words(template: Template) -> Iterator[Finding]:
    """Each word of a command line is an item of its own, or a shell is told to cut it.

    What:
        A whole command line stands in one item of `command` or `args`, and no shell with `-c`
        reads it; a flag and its value stand in one item; after a shell's `-c` each word is an
        item of its own; a script's line of flags is cut off from its command; or two of its
        lines are one, as YAML's `>` folds them: then a backslash glues a blank to the next flag.
    Why:
        Nothing cuts it: the kernel looks for a program of that whole name, and an engine gets
        one argument with blanks in it. A line that begins with a flag is a command of its own: a
        backslash continues a line only where nothing, not a blank, follows it.
    Fix:
        Write each word as an item of its own, or `command: [bash, -c]` with the whole line as the
        only item of `args`.
    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: ["--model /models/m --tensor-parallel-size 8"]
            resources: {limits: {nvidia.com/gpu: 8}}
    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /models/m, --tensor-parallel-size, "8"]
            resources: {limits: {nvidia.com/gpu: 8}}
    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: r.io/ours/serve:1
            args: ["--model /m --tensor-parallel-size 8"]
            resources: {limits: {nvidia.com/gpu: 8}}
    Source:
        Kubernetes: Define a Command and Arguments for a Container.
    """
    for container in template.every:
        yield from _by_shell(container)
        yield from _cut_off(container)
        yield from _glued(container)
        yield from _run_together(container)
        items = [*container.place.each("command"), *container.place.each("args")]
        has_command = any(True for _ in container.place.each("command"))
        if any(_shell(item) for item in items) or (not has_command and not container.engine_image):
            continue
        for number, item in enumerate(items):
            text = item.text()
            before = items[number - 1].text() if number else ""
            flags = text.startswith("-")
            model = before == "serve" and " -" in text
            folded = model or (_FLAGS.search(f"{text} ") and (flags or _LINE.match(text)))
            pair = _PAIR.match(text) and _reads_flags(container)
            first = number == 0 and _LINE.match(text)
            one_line = flags or "\n" not in text.strip()
            if (folded or pair or first) and not before.endswith("-c") and one_line:
                says = f"container {container.name}: nothing splits this line into words"
                yield Finding(item.spot, says, "" if folded or first else _PAIRED)


_PAIRED = "Write the flag and its value as two items, or as one with `=` between them."


def _shell(item: Place) -> bool:
    return item.text().rpartition("/")[2] in _SHELLS


def _reads_flags(container: Container) -> bool:
    """Whether the program takes its arguments as they are; a script may cut them again."""
    command = [c.text() for c in container.place.each("command")]
    return not command or command[0].rpartition("/")[2] in _PROGRAMS


def _by_shell(container: Container) -> Iterator[Finding]:
    """A shell that is given a line without `-c`, or a word of it at a time."""
    items = [*container.place.each("command"), *container.place.each("args")]
    if not items or not _shell(items[0]):
        return
    at = next((n for n, item in enumerate(items) if n and item.text()[:1] not in "-+"), None)
    if at is None:
        return
    flags = [i.text() for i in items[1:at]]
    says = ""
    if not any("c" in f.partition("-")[2] for f in flags if not f.startswith("--")):
        if _LINE.match(items[at].text()) and " " in items[at].text().strip():
            says = "without -c the shell looks for a file of this name"
    elif _is_one_word(items[at].text()) and len(items) > at + 1:
        says = f"the shell runs {items[at].text()} alone: only the first item after -c is run"
    if says:
        yield Finding(items[at].spot, f"container {container.name}: {says}")


def _is_one_word(text: str) -> bool:
    """Whether a shell's script is a program without arguments, that reads none of the items."""
    return text in _PROGRAMS | _SHELLS or (text.startswith("/") and not set(" \n\t$`") & set(text))


def _cut_off(container: Container) -> Iterator[Finding]:
    """Flags that a script runs as a command, or not at all behind `exec`."""
    for text in container.texts:
        if "\n" in text.text and (cut := _cut_flag(text.text)):
            flag, line = cut
            why, fix = _why_cut(line)
            says = f"container {container.name}: {flag} is cut off from its command: {why}"
            yield Finding(text.spot.within(flag), says, fix)


def _why_cut(line: str) -> tuple[str, str]:
    """What ended the command, by the line before the flag, and what mends it."""
    if line.lstrip()[:1] == "#":
        return "a comment stands between", "Take the comment out of the command."
    if line[-1:] == "\\":
        return "an empty line stands between", "Take the empty line out of the command."
    if line.rstrip()[-1:] == "\\":
        return (
            "a blank follows the backslash before it",
            "Take out what stands behind the backslash.",
        )
    return _NO_BACKSLASH, "End that line with a backslash, and nothing behind it."


_NO_BACKSLASH = "the line before it does not end with a backslash"


def _glued(container: Container) -> Iterator[Finding]:
    """Flags with a blank before them: a backslash in one line keeps it from parting words."""
    for command in container.commands if not container.nim else ():
        flag = next((w[1:] for w in command.words if _BLANK_FLAG.match(w)), "")
        escaped = f"\\ {flag}"
        if flag and any(escaped in t.text for t in container.texts) and _serves(command.words):
            says = f"container {container.name}: the backslash before {flag} makes a blank part of"
            says = f"{says} it: no line ends there"
            fix = "Write the script behind `|`, which keeps its lines, or take the backslashes out."
            yield Finding(container.spot_of(escaped), says, fix)
            return


def _serves(words: tuple[str, ...]) -> bool:
    return any(_SERVER.search(" ".join(words[n : n + 3])) for n in range(len(words)))


_BLANK_FLAG = pattern(r" --?[a-z][\w-]*(?:=|\Z)")


def _run_together(container: Container) -> Iterator[Finding]:
    """Lines that YAML's `>` folded into one: the next command became words of `ray start`."""
    for command in container.commands:
        more = command.words[2:] if command.words[:2] == ("ray", "start") else ()
        if word := next((w for w in more if w in _BEGIN), ""):
            says = f"container {container.name}: {word} is a word of `ray start` here: nothing ends"
            fix = "Write the script behind `|`, which keeps its lines, or put `;` between."
            yield Finding(container.spot_of("ray start"), f"{says} the command before it", fix)


_BEGIN = frozenset({"until", "while", "do", "then", "vllm", "python3", "python", "ray", "export"})


def _cut_flag(script: str) -> tuple[str, str] | None:
    """The flag that begins a line of its own behind a server's command, and the line before."""
    continues = server = False
    before = last = ""
    for line in script.split("\n"):
        said = line.strip()
        if not continues and server and (flag := _FLAG.match(said)) and _is_closed(before):
            return flag[1], last
        before, last = f"{before}{line}\n", line if said else last
        if not continues and said and said[0] != "#":
            found = _SERVER.search(said)
            server = found is not None and '="' not in said[: found.start() + 1]
        remark = said[:1] == "#" or (" #" in line and not {"'", '"'} & set(line))
        continues = line.endswith("\\") and not remark
    return None


def _is_closed(before: str) -> bool:
    """Whether no quote, no array and no text for a file is open behind these lines."""
    quoted = before.count('"') % 2 or before.count("'") % 2
    return not quoted and "<<" not in before and not _ARRAY.search(before)


_ARRAY = pattern(r"=\([^)]*\Z")
_FLAG = pattern(r"(--[a-z][\w-]*)(?:[=\s]|\Z)")
_SERVER = pattern(r"(?:\A|[\s;&\"'/])(?:vllm serve|sglang serve|python3? -m (?:vllm|sglang)\.)")

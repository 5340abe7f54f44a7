"""Copy-paste snippets for the first trace, one for each thing that applications speak.

The key stands as a placeholder: the page's script puts a fresh, write-only, expiring key there on copying.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PLACEHOLDER: Final = "aip_YOUR_KEY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """One way in."""

    key: str
    name: str
    file: str
    code: str
    scopes: tuple[str, ...] = ("traces.write",)
    """What the key inside may do."""


def snippets(url: str, project_id: str, model: str | None) -> tuple[Snippet, ...]:
    """Every snippet, for an address and a project.

    Args:
        url: Address that clients use.
        project_id: Project that the spans go to.
        model: A deployment to ask, where one is ready; else a placeholder name.
    """
    return (
        Snippet(
            key="python",
            name="Python",
            file="answer.py",
            code=f'''# pip install aiplatform
import aiplatform as aip

aip.init(url="{url}", api_key="{PLACEHOLDER}", project="{project_id}")

@aip.trace(kind="agent")
def answer(question: str) -> str:
    with aip.span("search", kind="retriever"):
        return "Defaults are evaluated once, when the function is defined."

answer("Why are default values shared between objects?")
''',
        ),
        Snippet(
            key="openai",
            name="OpenAI SDK",
            file="ask.py",
            scopes=("traces.write", "inference.call"),
            code=f'''# pip install aiplatform openai
import aiplatform as aip
import openai

aip.init(url="{url}", api_key="{PLACEHOLDER}", project="{project_id}")
aip.autotrace()                      # openai found

client = openai.OpenAI(base_url=aip.openai_url(), api_key=aip.api_key())
reply = client.chat.completions.create(model="{model or "docs-assistant"}", messages=[
    {{"role": "user", "content": "Why are default values shared between objects?"}}])
print(reply.choices[0].message.content)
''',
        ),
        Snippet(
            key="otel",
            name="OpenTelemetry",
            file=".env",
            code=f'''# any OpenTelemetry exporter that speaks OTLP over HTTP
export OTEL_EXPORTER_OTLP_ENDPOINT="{url}"
export OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf"
export OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer {PLACEHOLDER},x-aiplatform-project={project_id}"
''',
        ),
        Snippet(
            key="langchain",
            name="LangChain, LlamaIndex",
            file="app.py",
            code=f'''# pip install aiplatform openinference-instrumentation-langchain
import aiplatform as aip
from openinference.instrumentation.langchain import LangChainInstrumentor

aip.init(url="{url}", api_key="{PLACEHOLDER}", project="{project_id}")
LangChainInstrumentor().instrument()   # LlamaIndex: LlamaIndexInstrumentor
''',
        ),
        Snippet(
            key="curl",
            name="curl",
            file="terminal",
            scopes=("traces.write", "inference.call"),
            code=f"""curl {url}/v1/chat/completions \\
  -H "Authorization: Bearer {PLACEHOLDER}" \\
  -H "x-aiplatform-project: {project_id}" \\
  -H "Content-Type: application/json" \\
  -d '{{"model": "{model or "docs-assistant"}", "messages": [{{"role": "user", "content": "What is a GIL?"}}]}}'
""",
        ),
    )


def try_snippets(url: str, project_id: str, model: str) -> tuple[Snippet, ...]:
    """How to ask a deployment that chats."""
    scopes = ("inference.call",)
    return (
        Snippet(
            key="openai",
            name="OpenAI SDK",
            file="ask.py",
            scopes=scopes,
            code=f'''import openai

client = openai.OpenAI(
    base_url="{url}/v1",
    api_key="{PLACEHOLDER}",
    default_headers={{"x-aiplatform-project": "{project_id}"}},
)
question = "Why are default values shared between objects?"
stream = client.chat.completions.create(
    model="{model}",
    messages=[{{"role": "user", "content": question}}],
    stream=True,
)
for chunk in stream:
    print(chunk.choices[0].delta.content or "", end="")
''',
        ),
        Snippet(
            key="curl",
            name="curl",
            file="terminal",
            scopes=scopes,
            code=f"""curl {url}/v1/chat/completions \\
  -H "Authorization: Bearer {PLACEHOLDER}" \\
  -H "x-aiplatform-project: {project_id}" \\
  -H "Content-Type: application/json" \\
  -d '{{"model": "{model}", "messages": [{{"role": "user", "content": "What is a GIL?"}}]}}'
""",
        ),
    )


def infer_snippet(url: str, project_id: str, model: str) -> Snippet:
    """How to ask a deployment by the Open Inference Protocol."""
    return Snippet(
        key="infer",
        name="Open Inference Protocol",
        file="terminal",
        scopes=("inference.call",),
        code=f"""curl {url}/v2/models/{model}/infer \\
  -H "Authorization: Bearer {PLACEHOLDER}" \\
  -H "x-aiplatform-project: {project_id}" \\
  -H "Content-Type: application/json" \\
  -d '{{"inputs": [{{"name": "input", "shape": [1, 4], "datatype": "FP32", "data": [0, 1, 2, 3]}}]}}'
""",
    )

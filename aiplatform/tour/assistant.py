"""The documentation assistant: search, rewrite, open the page, then answer with a quotation or say that it cannot.

No language model is asked: answers are quotations ("extractive, no LLM"). Where `OPENAI_BASE_URL` is set, the model
there rewrites and phrases instead, and the same passage is quoted as its source.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from aiplatform.core.errors import NotFoundError
from aiplatform.core.i18n import N_, translate
from aiplatform.tour.bm25 import terms
from aiplatform.tour.bundle import Bundle, read
from aiplatform.tour.extract import quotation
from aiplatform.tour.language import language_of
from aiplatform.tour.model import CHINESE, Encoder, Found, Hit
from aiplatform.tour.pages import PageOpener, Pages, named_page
from aiplatform.tour.rewrite import keywords, standalone
from aiplatform.tracing.sdk import span

NAME: Final = "docs-assistant"
EXTRACTIVE: Final = "extractive, no LLM"
NUM_HITS: Final = 10
NUM_SHOWN: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the assistant came to."""

    text: str
    language: str
    abstained: bool
    confidence: float
    retrieved: tuple[str, ...]
    """Passage ids, best first."""

    citations: tuple[str, ...]
    """Passages that the text quotes."""

    generator: str
    """`extractive, no LLM`, or the language model's name."""

    input_tokens: int
    output_tokens: int

    def as_output(self) -> dict[str, Any]:
        """What an evaluation scores."""
        return {
            "answer": self.text,
            "retrieved": list(self.retrieved),
            "confidence": self.confidence,
            "citations": list(self.citations),
            "abstained": self.abstained,
            "generator": self.generator,
        }


class Writer(Protocol):
    """Rewrites questions and phrases answers."""

    name: str

    def rewrite(self, question: str) -> str:
        """The question, better to search with."""
        ...

    def answer(self, question: str, hit: Hit, context: str) -> str:
        """The answer's text, quoting the passage."""
        ...


class Extractive:
    """No language model: keywords to search with, and a quotation as the answer."""

    name = EXTRACTIVE

    def rewrite(self, question: str) -> str:
        """The question without the words that only make it one."""
        return keywords(question)

    def answer(self, question: str, hit: Hit, context: str) -> str:
        """The stretch of the passage that fits best, with its source."""
        quoted = quotation(question, hit.passage.text)
        dash = "——" if hit.passage.language == CHINESE else "—"
        return f"“{quoted}”\n\n{dash} {hit.passage.title}, {hit.passage.url}"


class Assistant:
    """One version of the assistant, ready to be asked. Thread safe."""

    def __init__(
        self,
        model_path: str | Path,
        *,
        threshold: float | None = None,
        pages: PageOpener | None = None,
        encoder: Callable[[], Encoder] | None = None,
        writer: Writer | None = None,
    ) -> None:
        """Load a registered version.

        Args:
            model_path: Folder of its files.
            threshold: Confidence from which on it answers; by default the one it was registered with.
            pages: Opens pages; by default a Ray task does, so that whoever serves stays free.
            encoder: Makes what embeds questions; by default the shipped model.
            writer: By default none but quotations, or the language model at `OPENAI_BASE_URL`.
        """
        self._bundle: Bundle = read(Path(model_path))
        self._retriever = self._bundle.retriever(encoder or _shipped_encoder)
        self._threshold = self._bundle.threshold if threshold is None else threshold
        self._pages = pages or _ray_pages()
        self._writer = writer or _writer_of_environment()

    def chat(self, messages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """OpenAI's chat: the answer as a message, what it rests on in its `aiplatform` field."""
        answer = self.ask(standalone(messages), messages=messages)
        output = answer.as_output()
        output.pop("answer")
        usage = {"prompt_tokens": answer.input_tokens, "completion_tokens": answer.output_tokens}
        return {"content": answer.text, "aiplatform": output, "usage": usage}

    def ask(self, question: str, *, messages: Sequence[Mapping[str, Any]] | None = None) -> Answer:
        """Answer one question, or abstain."""
        with span(NAME, kind="agent") as agent:
            agent.set_messages(input=list(messages or [{"role": "user", "content": question}]))
            agent.set_attributes(
                {"aiplatform.tour.version": self._bundle.version.name, "aiplatform.tour.generator": self._writer.name}
            )
            language = language_of(question)
            found = self._find(question, language)
            if found.hits and found.confidence >= self._threshold:
                answer = self._answer(question, found, language)
            else:
                answer = self._abstain(found, language)
            agent.set_messages(output=[{"role": "assistant", "content": answer.text}])
            agent.set_attribute("aiplatform.tour.confidence", answer.confidence)
            agent.set_attribute("aiplatform.tour.abstained", answer.abstained)
            return answer

    def _find(self, question: str, language: str) -> Found:
        """Search as asked and as rewritten; the surer of the two."""
        asked = self._search(question, language)
        with span("rewrite", kind="chain", input=question) as opened:
            rewritten = self._writer.rewrite(question)
            opened.set_output(rewritten)
        if rewritten == question:
            return asked
        again = self._search(rewritten, language)
        return again if again.confidence > asked.confidence else asked

    def _search(self, query: str, language: str) -> Found:
        with span("search", kind="retriever", input=query) as opened:
            found = self._retriever.search(query, language, NUM_HITS)
            opened.set_passages([_document(hit) for hit in found.hits[:NUM_SHOWN]], query=query)
            opened.set_attribute("aiplatform.tour.confidence", found.confidence)
            return found

    def _open_page(self, question: str, hit: Hit) -> str:
        """The page that the question names, where there is one; else the page of the passage."""
        wanted = named_page(question)
        if wanted is not None and wanted != hit.passage.page:
            try:
                return self._open(wanted)
            except NotFoundError:  # the failed call stays in the trace; the page that was found is opened instead
                return self._open(hit.passage.page)
        return self._open(hit.passage.page)

    def _open(self, page: str) -> str:
        with span("open_page", kind="tool") as opened:
            opened.set_tool("open_page", arguments={"page": page})
            text = self._pages.open(page)
            opened.set_tool("open_page", result=text)
            return text

    def _answer(self, question: str, found: Found, language: str) -> Answer:
        best = found.hits[0]
        context = self._open_page(question, best)
        with span("answer", kind="llm") as opened:
            opened.set_model(self._writer.name)
            opened.set_messages(input=[{"role": "user", "content": f"{question}\n\n{best.passage.text}"}])
            text = self._writer.answer(question, best, context)
            tokens_in, tokens_out = len(terms(question)) + len(terms(best.passage.text)), len(terms(text))
            opened.set_messages(output=[{"role": "assistant", "content": text}])
            opened.set_tokens(input=tokens_in, output=tokens_out)
        return Answer(
            text=text,
            language=language,
            abstained=False,
            confidence=found.confidence,
            retrieved=tuple(hit.passage.passage_id for hit in found.hits),
            citations=(best.passage.passage_id,),
            generator=self._writer.name,
            input_tokens=tokens_in,
            output_tokens=tokens_out,
        )

    def _abstain(self, found: Found, language: str) -> Answer:
        locale = "zh_CN" if language == CHINESE else "en"
        text = translate(N_("The documentation does not seem to answer this."), locale)
        with span("abstain", kind="decision", input={"confidence": found.confidence, "threshold": self._threshold}):
            return Answer(
                text=text,
                language=language,
                abstained=True,
                confidence=found.confidence,
                retrieved=tuple(hit.passage.passage_id for hit in found.hits),
                citations=(),
                generator=self._writer.name,
                input_tokens=len(terms(found.query)),
                output_tokens=len(terms(text)),
            )


class Asked:
    """A registered version as an evaluation asks it: question in, output out. Loads when the first question comes.

    Args:
        reference: `docs-assistant@3`.
        known: Ray reference to vectors of questions that were embedded already.
    """

    def __init__(self, reference: str, *, known: Any = None) -> None:
        self._reference = reference
        self._known = known
        self._assistant: Assistant | None = None

    def __call__(self, question: str) -> dict[str, Any]:
        """What the version comes to."""
        self._assistant = self._assistant or self._load()
        return self._assistant.ask(question).as_output()

    def __getstate__(self) -> dict[str, Any]:
        return {"_reference": self._reference, "_known": self._known, "_assistant": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def _load(self) -> Assistant:
        import ray

        from aiplatform.registry import models_api  # noqa: PLC0415 - only where a version must be fetched
        from aiplatform.tour.vectors import KnownVectors  # noqa: PLC0415

        known = ray.get(self._known) if self._known is not None else {}
        # Everything is read at once, so the files go right away: whoever ends this worker later cleans up nothing.
        with tempfile.TemporaryDirectory(prefix="aiplatform-assistant-") as folder:
            models_api.download(self._reference, folder)
            pages = Pages(read(Path(folder)).passages)
            return Assistant(Path(folder), pages=pages, encoder=lambda: KnownVectors(known, _shipped_encoder))


def _document(hit: Hit) -> dict[str, Any]:
    passage = hit.passage
    return {
        "id": passage.passage_id,
        "content": passage.text,
        "score": hit.score,
        "metadata": {"title": passage.title, "url": passage.url},
    }


def _shipped_encoder() -> Encoder:
    from aiplatform.eval.embeddings import MiniLM  # noqa: PLC0415 - torch, and only for methods that embed

    return MiniLM()


def _ray_pages() -> PageOpener:
    from aiplatform.tour.ray_app import RayPages  # noqa: PLC0415 - Ray, and only where it is deployed

    return RayPages()


def _writer_of_environment() -> Writer:
    if not os.environ.get("OPENAI_BASE_URL"):
        return Extractive()
    from aiplatform.tour.llm import LanguageModel  # noqa: PLC0415 - the openai client, and only where one is set

    return LanguageModel()

"""The steps of the tour, each by the public interface and each repeatable: what was done is found, not done again."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

import aiplatform as aip
from aiplatform.client.http import Client
from aiplatform.core.errors import ConflictError, NotFoundError, RemoteError
from aiplatform.core.i18n import N_
from aiplatform.eval.model import Comparison
from aiplatform.registry.model import CHAMPION, ModelVersion
from aiplatform.tour import bundle
from aiplatform.tour.assistant import NAME, Asked
from aiplatform.tour.bundle import VERSIONS, Bundle, Version
from aiplatform.tour.corpus import DATA, PASSAGES_FILE, QUESTIONS_FILE, load_passages, load_questions
from aiplatform.tour.pairs import heading_of, pair_rows, training_passages
from aiplatform.tour.progress import Progress, Step
from aiplatform.tour.questions import SAMPLE_QUESTIONS, ask
from aiplatform.tour.result import TourResult, fingerprint, keep
from aiplatform.tour.rewrite import keywords
from aiplatform.tour.thresholds import choose_threshold
from aiplatform.tour.vectors import KnownVectors

LICENCE: Final = "PSF-2.0 AND LicenseRef-Debian-FAQ"
BASELINE: Final = "v2"
SCORERS: Final = ("hit@1", "hit@5", "mrr", "abstention", "citation")
GATE: Final = 'better_than(baseline, "hit@1") and not worse_than(baseline, "abstention_auc", 0.05)'
ADAPTER_SPEC: Final = DATA.parent / "adapter.yaml"
MODEL_CPUS: Final = 0.2
READY_TIMEOUT_S: Final = 180.0
MAX_ATTEMPTS: Final = 20

Say = Callable[[Progress], None]


@dataclass(slots=True)
class State:
    """What earlier steps left for later ones."""

    datasets: dict[str, str] = field(default_factory=dict)
    vectors: Mapping[str, np.ndarray[Any, Any]] = field(default_factory=dict)
    adapter: ModelVersion | None = None
    versions: dict[str, ModelVersion] = field(default_factory=dict)
    runs: dict[str, str] = field(default_factory=dict)
    comparison: Comparison | None = None
    champion: str = BASELINE
    seconds: dict[str, float] = field(default_factory=dict)


class Tour:
    """One walk through the whole loop, in the Ray that this process is connected to."""

    def __init__(self, client: Client | None = None, *, say: Say | None = None) -> None:
        self._client = client or Client()
        self._say = say or (lambda line: print(line, flush=True))  # noqa: T201 - a job's log is its output
        self._began = time.monotonic()
        self._key = f"tour-{fingerprint()}"
        self._passages = load_passages()
        self._questions = load_questions()
        self.state = State()

    def run(self) -> TourResult:
        """Walk every step, and keep what came of them."""
        self.register_data()
        self.embed()
        self.train()
        self.register_versions()
        self.evaluate()
        self.compare()
        self.deploy()
        asked = self.ask()
        state = self.state
        assert state.comparison is not None  # noqa: S101 - `compare` has set it
        assert state.adapter is not None  # noqa: S101 - `train` has set it
        result = TourResult(
            fingerprint=fingerprint(),
            comparison_id=state.comparison.comparison_id,
            runs=state.runs,
            versions={name: version.reference for name, version in state.versions.items()},
            datasets=state.datasets,
            adapter=state.adapter.reference,
            champion=state.champion,
            refused=_refused(state.comparison),
            asked=asked,
            seconds=state.seconds,
        )
        keep(result, self._client)
        return result

    def register_data(self) -> None:
        """Register passages and questions as data set versions."""
        with self._step(Step.DATA, 2) as said:
            sources = {
                "docs-passages": (PASSAGES_FILE, "Passages of the Python documentation and the Debian FAQ in Chinese."),
                "docs-questions": (QUESTIONS_FILE, "Questions that people wrote, with the passages of their answers."),
            }
            for number, (name, (file, description)) in enumerate(sources.items(), 1):
                handle = aip.datasets.create(
                    name,
                    file,
                    licence=LICENCE,
                    source="Debian 12: python3.11-doc, debian-faq-zh-cn, debian-faq, sqlite3-doc",
                    description=description,
                    client=self._client,
                )
                self.state.datasets[name] = handle.reference
                said(number, f"{handle.reference}, {handle.num_rows:,} rows")

    def embed(self) -> None:
        """Embed passages, questions and headings on Ray Data, and register the training pairs."""
        from aiplatform.tour import compute  # noqa: PLC0415 - torch, once the data stand

        texts = [passage.text for passage in self._passages]
        for question in self._questions:
            texts += [question.question, keywords(question.question)]
        texts += [heading_of(passage) for passage in training_passages(self._passages)]
        with self._step(Step.EMBED, len(set(texts))) as said:
            self.state.vectors = compute.embed(texts, told=lambda done, _total: said(done, "texts"))
            pairs = aip.datasets.create(
                "docs-pairs",
                pair_rows(self._passages, self.state.vectors),
                licence=LICENCE,
                description="Headings beside passages of their sections, both embedded; no FAQ is among them.",
                client=self._client,
            )
            self.state.datasets["docs-pairs"] = pairs.reference

    def train(self) -> None:
        """Train the adapter on Ray Train, two workers; log it to MLflow, register it with its lineage."""
        from aiplatform.train.driver import Driver  # noqa: PLC0415 - Ray Train, once the pairs stand
        from aiplatform.train.spec import parse_spec, read_spec  # noqa: PLC0415

        with self._step(Step.TRAIN, 1) as said:
            run_id, known = self._attempt(
                "adapter", lambda name: self._client.get(f"/api/v1/training-runs/{name}"), "state"
            )
            if known is None:
                document = read_spec(ADAPTER_SPEC).document()
                document["datasets"] = {"pairs": self.state.datasets["docs-pairs"]}
                said(0, "two workers, DDP")
                known = Driver(parse_spec(document), run_id=run_id, client=self._client).run()
            self.state.adapter = aip.models.get(known["model"], client=self._client)
            metrics = ", ".join(f"{name} {value:.3f}" for name, value in sorted(known["metrics"].items()))
            said(1, f"{self.state.adapter.reference}: {metrics}")

    def register_versions(self) -> None:
        """Register the five versions of the assistant; the second is the champion to beat."""
        with self._step(Step.REGISTER, len(VERSIONS)) as said, tempfile.TemporaryDirectory() as folder:
            vectors = np.stack([self.state.vectors[passage.text] for passage in self._passages]).astype(np.float32)
            adapter = self._adapter_weights(Path(folder))
            for number, version in enumerate(VERSIONS, 1):
                made = self._bundle(version, vectors, adapter)
                registered = self._register(made, Path(folder) / version.name)
                self.state.versions[version.name] = registered
                said(number, f"{registered.reference} {version.label}, answers from {made.threshold:.3f} on")
            if self._champion() is None:
                aip.models.promote(self.state.versions[BASELINE], alias=CHAMPION, client=self._client)

    def evaluate(self) -> None:
        """Evaluate every version on every question, on Ray Data; each row leads to its trace."""
        import ray

        total = len(VERSIONS) * len(self._questions)
        with self._step(Step.EVALUATE, total) as said:
            known = ray.put(dict(self.state.vectors))
            for number, version in enumerate(VERSIONS):
                run_id, _ = self._attempt(version.name, self._evaluation, "status")
                reference = self.state.versions[version.name].reference
                run = aip.evaluations.run(
                    self.state.datasets["docs-questions"],
                    Asked(reference, known=known),
                    scorers=list(SCORERS),
                    name=version.name,
                    label=version.label,
                    version=reference,
                    slices=["language"],
                    primary="hit@1",
                    columns={"input": "question", "id": "question_id"},
                    run_id=run_id,
                    client=self._client,
                    say=lambda _line: None,
                )
                self.state.runs[version.name] = run.run_id
                hit = run.metrics["hit@1"].value
                said((number + 1) * len(self._questions), f"{version.name} {version.label}: hit@1 {hit or 0:.3f}")

    def compare(self) -> None:
        """Compare the versions with the champion, ask the gate, promote what passes."""
        with self._step(Step.COMPARE, 1) as said:
            runs = self.state.runs
            candidates = [runs[version.name] for version in VERSIONS if version.name != BASELINE]
            comparison = (
                self._known_comparison(runs[BASELINE], candidates)
                or aip.evaluations.compare(
                    runs[BASELINE],
                    *candidates,
                    on="hit@1",
                    metrics=["abstention_auc"],
                    gate=GATE,
                    name=NAME,
                    client=self._client,
                ).comparison
            )
            self.state.comparison = comparison
            passed = comparison.verdict.promote
            if passed is not None:
                name = next(name for name, run_id in runs.items() if run_id == passed)
                aip.models.promote(self.state.versions[name], alias=CHAMPION, client=self._client)
                self.state.champion = name
            said(1, comparison.verdict.headline_text())

    def deploy(self) -> None:
        """Deploy the champion on Ray Serve, and wait until it answers."""
        with self._step(Step.DEPLOY, 1) as said:
            version = self.state.versions[self.state.champion]
            handle = aip.deployments.apply(
                NAME,
                version=version,
                num_cpus=MODEL_CPUS,
                description="Answers from the documentation with quotations; extractive, no LLM.",
                client=self._client,
            ).wait(READY_TIMEOUT_S)
            said(1, f"{handle.name} runs {version.reference}")

    def ask(self) -> Any:
        """Ask the deployed assistant through the stock OpenAI client; each question is a trace across processes."""
        with self._step(Step.ASK, len(SAMPLE_QUESTIONS)) as said:
            return tuple(
                ask(question, self._client, told=partial(said, number))
                for number, question in enumerate(SAMPLE_QUESTIONS, 1)
            )

    def _bundle(self, version: Version, vectors: Any, adapter: Any) -> Bundle:
        draft = Bundle(version=version, threshold=0.0, passages=self._passages, vectors=vectors, adapter=adapter)
        retriever = draft.retriever(lambda: KnownVectors(self.state.vectors, _no_encoder))
        return Bundle(
            version=version,
            threshold=choose_threshold(retriever, self._questions),
            passages=self._passages,
            vectors=vectors if version.has_vectors else None,
            adapter=adapter if version.has_adapter else None,
        )

    def _register(self, made: Bundle, folder: Path) -> ModelVersion:
        version = made.version
        parents = [self.state.adapter.reference] if version.has_adapter and self.state.adapter is not None else []
        return aip.models.register(
            bundle.write(made, folder, PASSAGES_FILE),
            name=NAME,
            loader="aiplatform.tour.assistant:Assistant",
            description=f"{version.name}: {version.label}",
            signature={"takes": "messages", "gives": "a message with a quotation, or an abstention"},
            metrics={"threshold": made.threshold},
            tags={"version": version.name, "method": str(version.method), "generator": "extractive, no LLM"},
            datasets=[self.state.datasets["docs-passages"], self.state.datasets["docs-questions"]],
            parent_models=parents,
            idempotency_key=f"{self._key}-{version.name}",
            client=self._client,
        )

    def _adapter_weights(self, folder: Path) -> Any:
        assert self.state.adapter is not None  # noqa: S101 - `train` comes before
        fetched = aip.models.download(self.state.adapter, folder / "adapter", client=self._client)
        (file,) = fetched.rglob(bundle.ADAPTER)
        return np.load(file)

    def _champion(self) -> ModelVersion | None:
        try:
            return aip.models.get(f"{NAME}@{CHAMPION}", client=self._client)
        except NotFoundError:
            return None

    def _evaluation(self, run_id: str) -> Any:
        return self._client.get(f"/api/v1/evaluations/{run_id}")

    def _known_comparison(self, baseline: str, candidates: list[str]) -> Comparison | None:
        for handle in aip.evaluations.comparisons(client=self._client):
            found = handle.comparison
            ids = [version.run_id for version in found.candidates]
            if found.baseline.run_id == baseline and ids == candidates and found.options.gate == GATE:
                return found
        return None

    def _attempt(self, what: str, get: Callable[[str], Any], state: str) -> tuple[str, Any]:
        """The id of the first attempt that did not fail, and the attempt itself where it has succeeded."""
        for number in range(1, MAX_ATTEMPTS + 1):
            name = f"{self._key}-{what}" if number == 1 else f"{self._key}-{what}-{number}"
            try:
                known = get(name)
            except NotFoundError:
                return name, None
            if known[state] in {"succeeded", "completed"}:
                return name, known
            if known[state] not in {"failed", "stopped", "cancelled"}:
                continue  # another process may still be at it, or died at it: leave it alone
        raise ConflictError(
            N_("{what!r} of the tour was tried {attempts} times, and none succeeded."),
            hint=N_("`aiplatform jobs list` shows the runs; their logs say why."),
            reason="tour.attempts",
            what=what,
            attempts=MAX_ATTEMPTS,
        )

    @contextmanager
    def _step(self, step: Step, total: int) -> Iterator[Callable[[int, str], None]]:
        began = time.monotonic()

        def said(done: int, text: str = "") -> None:
            elapsed_s = time.monotonic() - self._began
            self._say(Progress(step=step, done=done, total=total, text=text, elapsed_s=elapsed_s))

        said(0)
        yield said
        self.state.seconds[step] = round(time.monotonic() - began, 1)
        said(total, f"in {self.state.seconds[step]:.1f} s")


def _refused(comparison: Comparison) -> dict[str, str]:
    stopped = {gate.name: gate.stopped_by for gate in comparison.gates}
    return {name: str(condition.detail) for name, condition in stopped.items() if condition is not None}


def _no_encoder() -> Any:
    raise RemoteError(N_("A question was not embedded before it was searched."), reason="tour.not_embedded")

"""What is done with many traces of the list at once: added to a data set, erased. Each on a page of its own."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.status import HTTP_303_SEE_OTHER

from aiplatform.core.errors import AIPlatformError, InvalidError
from aiplatform.core.i18n import N_
from aiplatform.registry.from_traces import MAX_TRACES, Added, Chosen, TraceChoice
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import Routes
from aiplatform.tracing.erasure import Subject
from aiplatform.tracing.examples import Example
from aiplatform.tracing.model import Score
from aiplatform.ui.site import BASE, Problem, Site, Visit, problem_of
from aiplatform.ui.views.timerange import time_range

NUM_SHOWN: Final = 5
MAX_ERASED: Final = 100
"""Traces that are erased at once: as many as a page of the list has, and some."""

Picks = Annotated[list[str] | None, Form()]
Text = Annotated[str, Form()]


def add_trace_actions(routes: Routes, site: Site) -> None:
    """Pages and forms of what is done with several traces."""

    @routes.get(f"{BASE}/traces/to-dataset", permission=Permission.DATASETS_WRITE)
    def ask_dataset(request: Request) -> Response:
        """What would be added, and to what."""
        visit = site.visit(request, "traces")
        picks = request.query_params.getlist("pick")
        times = {name: visit.param(name) or "" for name in ("last", "from", "to")}
        return _dataset_page(site, visit, picks, visit.param("q") or "", times)

    @routes.post(f"{BASE}/traces/to-dataset", permission=Permission.DATASETS_WRITE)
    def add_to_dataset(
        request: Request,
        pick: Picks = None,
        q: Text = "",
        last: Text = "",
        from_ms: Annotated[str, Form(alias="from")] = "",
        to_ms: Annotated[str, Form(alias="to")] = "",
        name: Text = "",
        expected: Text = "",
        description: Text = "",
    ) -> Response:
        """Add them, and say what came of it."""
        visit = site.visit(request, "traces")
        picks, times = pick or [], {"last": last, "from": from_ms, "to": to_ms}
        choice = _choice(visit, picks, q, times)
        try:
            added = site.services.collector.add(
                visit.caller, name.strip(), choice, expected=expected or None, description=description.strip()
            )
        except AIPlatformError as error:
            form = {"name": name, "expected": expected, "description": description}
            problem = problem_of(error, visit.locale)
            return _dataset_page(site, visit, picks, q, times, problem=problem, form=form, status=error.http_status)
        return _dataset_page(site, visit, picks, q, times, added=added, status=201)

    @routes.get(f"{BASE}/traces/erase", permission=Permission.TRACES_DELETE)
    def ask_erasure(request: Request) -> Response:
        """What would go."""
        return _erase_page(site, site.visit(request, "traces"), request.query_params.getlist("pick"))

    @routes.post(f"{BASE}/traces/erase", permission=Permission.TRACES_DELETE)
    def erase(request: Request, pick: Picks = None, word: Text = "") -> Response:
        """Erase them for good."""
        visit = site.visit(request, "traces")
        picks = list(dict.fromkeys(pick or []))
        try:
            _check_erasure(visit, picks, word)
            for trace_id in picks:
                site.services.traces.erasure.erase(visit.caller, Subject(trace_id=trace_id))
        except AIPlatformError as error:
            problem = problem_of(error, visit.locale)
            return _erase_page(site, visit, picks, problem=problem, status=error.http_status)
        return RedirectResponse(f"{visit.base}/traces", HTTP_303_SEE_OTHER)


def _choice(visit: Visit, picks: list[str], query: str, times: dict[str, str]) -> TraceChoice:
    """The ticked traces; where none is ticked, all that the list finds."""
    if picks:
        return TraceChoice(trace_ids=tuple(picks))
    span = time_range(times["last"], times["from"], times["to"], visit.frame.now_ns)
    return TraceChoice(query=query, from_ns=span.from_ns, to_ns=span.to_ns)


def _dataset_page(
    site: Site,
    visit: Visit,
    picks: list[str],
    query: str,
    times: dict[str, str],
    *,
    added: Added | None = None,
    problem: Problem | None = None,
    form: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    services, scope = site.services, visit.caller.scope
    choice = _choice(visit, picks, query, times)
    chosen = Chosen(trace_ids=(), is_bounded=False)
    examples: list[Example] = []
    scores: Sequence[Score] = ()
    try:
        chosen = services.collector.choose(visit.caller, choice)
        examples = [*services.traces.examples.of(scope, chosen.trace_ids[-NUM_SHOWN:])]
        scores = services.traces.scores(scope, trace_ids=chosen.trace_ids) if chosen.trace_ids else ()
    except AIPlatformError as error:
        status = error.http_status if problem is None else status
        problem = problem or problem_of(error, visit.locale)
    view: dict[str, Any] = {
        "picks": picks,
        "state": {} if picks else _state(query, times),
        "num_traces": len(chosen.trace_ids),
        "is_bounded": chosen.is_bounded,
        "max_traces": MAX_TRACES,
        "examples": examples,
        "score_names": sorted({score.name for score in scores}),
        "datasets": services.datasets.list(visit.caller) if visit.caller.may(Permission.DATASETS_READ) else (),
        "added": added,
        "problem": problem,
        "form": form or {"name": "", "expected": "", "description": ""},
        "back": _back(visit, query, times),
        "ways": _dataset_ways(visit, picks, query, times, (form or {}).get("name") or "my-examples"),
    }
    return visit.page("pages/traces_to_dataset.html", view, status=status)


def _dataset_ways(
    visit: Visit, picks: list[str], query: str, times: dict[str, str], name: str
) -> list[tuple[str, str]]:
    """The same as a link, a command and a line of Python."""
    state = [("pick", pick) for pick in picks] or [*_state(query, times).items()]
    link = f"{visit.base}/traces/to-dataset" + (f"?{urlencode(state)}" if state else "")
    command = f"aiplatform datasets add-traces {quote(name)}"
    if picks:
        named = "".join(f" --trace {quote(pick)}" for pick in picks)
        return visit.ways(link, command + named, f"aip.datasets.add_traces({name!r}, {picks!r})")
    asked = f" {quote(query)}" if query else ""
    return visit.ways(link, command + asked, f"aip.datasets.add_traces({name!r}, query={query!r})")


def _erase_page(
    site: Site, visit: Visit, picks: list[str], *, problem: Problem | None = None, status: int = 200
) -> Response:
    picks = list(dict.fromkeys(picks))
    erasure = site.services.traces.erasure
    counts, count_problem = visit.attempt(
        lambda: [erasure.count(visit.caller, Subject(trace_id=trace_id)) for trace_id in picks[:MAX_ERASED]]
    )
    found = [trace_id for trace_id, count in zip(picks, counts or [], strict=False) if count.num_traces]
    view: dict[str, Any] = {
        "picks": found,
        "num_spans": sum(count.num_spans for count in counts or []),
        "word": visit.caller.project_id,
        "problem": problem or count_problem,
        "back": f"{visit.base}/traces",
    }
    return visit.page("pages/traces_erase.html", view, status=status)


def _check_erasure(visit: Visit, picks: list[str], word: str) -> None:
    if not 1 <= len(picks) <= MAX_ERASED:
        raise InvalidError(
            N_("{number} traces cannot be erased at once."), hint=N_("Choose 1 to {limit} of them."),
            number=len(picks), limit=MAX_ERASED,
        )  # fmt: skip
    if word.strip() != visit.caller.project_id:
        raise InvalidError(
            N_("{word!r} is not the project's name, so nothing was erased."),
            hint=N_("Type {project} to go on."),
            word=word,
            project=visit.caller.project_id,
        )


def _back(visit: Visit, query: str, times: dict[str, str]) -> str:
    """The list that it was done from."""
    state = _state(query, times)
    return f"{visit.base}/traces" + (f"?{urlencode(state)}" if state else "")


def _state(query: str, times: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in {"q": query, **times}.items() if value}

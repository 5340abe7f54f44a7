"""Scores of a trace and its spans, given, corrected and deleted in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from fastapi import Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.status import HTTP_303_SEE_OTHER

from aiplatform.core.errors import AIPlatformError
from aiplatform.core.i18n import N_
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import Routes
from aiplatform.tracing.model import SCORE_SOURCE_NAMES, Score, ScoreSource, ScoreType
from aiplatform.tracing.scoring import author_of, may_change, value_of
from aiplatform.ui.address import Address
from aiplatform.ui.rendering import is_fragment
from aiplatform.ui.site import BASE, Problem, Site, Visit, problem_of

MAX_SHOWN: Final = 100
TYPE_NAMES: Final = {
    ScoreType.NUMERIC: N_("Number"),
    ScoreType.BOOLEAN: N_("Yes or no"),
    ScoreType.LABEL: N_("Label"),
    ScoreType.TEXT: N_("Text"),
}
EMPTY_FORM: Final[Mapping[str, str]] = {
    "score_id": "", "name": "", "type": "numeric", "numeric": "", "boolean": "", "label": "", "text": "",
    "comment": "", "about": "span",
}  # fmt: skip


def add_trace_scores(routes: Routes, site: Site) -> None:
    """What a form on the page of a trace sends."""

    @routes.post(f"{BASE}/traces/{{trace_id}}/scores", permission=Permission.SCORES_WRITE)
    def give(
        request: Request,
        trace_id: str,
        name: Annotated[str, Form(max_length=1_000)] = "",
        type: Annotated[ScoreType, Form()] = ScoreType.NUMERIC,  # noqa: A002 - the field's name
        numeric: Annotated[str, Form(max_length=100)] = "",
        boolean: Annotated[str, Form(max_length=10)] = "",
        label: Annotated[str, Form(max_length=1_000)] = "",
        text: Annotated[str, Form(max_length=10_000)] = "",
        comment: Annotated[str, Form(max_length=10_000)] = "",
        about: Annotated[str, Form(max_length=10)] = "",
        span: Annotated[str, Form(max_length=40)] = "",
        part: Annotated[str, Form(max_length=20)] = "",
        score_id: Annotated[str, Form(max_length=64)] = "",
    ) -> Response:
        """Give a score, or correct the one that is named."""
        visit = site.visit(request, "traces")
        summary = site.services.traces.outline(visit.caller.scope, trace_id).summary
        sent = {
            "score_id": score_id, "name": name, "type": str(type), "numeric": numeric, "boolean": boolean,
            "label": label, "text": text, "comment": comment, "about": about,
        }  # fmt: skip
        try:
            score = _kept(site, visit, summary.trace_id, sent, span if about == "span" else None)
        except AIPlatformError as error:
            return _answer(
                site, visit, summary.trace_id, span, part, form=sent, problem=problem_of(error, visit.locale),
                status=error.http_status if not is_fragment(request) else 422,
            )  # fmt: skip
        told = visit.text(N_("The score {name} is kept.")).format(name=score.name)
        return _answer(site, visit, summary.trace_id, span, part, told=told)

    @routes.post(f"{BASE}/traces/{{trace_id}}/scores/{{score_id}}/delete", permission=Permission.SCORES_WRITE)
    def delete(
        request: Request,
        trace_id: str,
        score_id: str,
        span: Annotated[str, Form(max_length=40)] = "",
        part: Annotated[str, Form(max_length=20)] = "",
    ) -> Response:
        """Take a score away."""
        visit = site.visit(request, "traces")
        trace_id = site.services.traces.outline(visit.caller.scope, trace_id).summary.trace_id
        gone = site.services.traces.scoring.delete(visit.caller, score_id, trace_id=trace_id)
        told = visit.text(N_("The score {name} is deleted.")).format(name=gone.name)
        return _answer(site, visit, trace_id, span, part, told=told)


def scores_view(
    site: Site,
    visit: Visit,
    trace_id: str,
    span_id: str | None,
    scores: Sequence[Score],
    *,
    edit: str | None = None,
    form: Mapping[str, str] | None = None,
    problem: Problem | None = None,
    told: str | None = None,
) -> dict[str, Any]:
    """What `pages/trace_scores.html` shows: the scores of a trace and one span of it, and the form.

    Args:
        site: The services.
        visit: Who looks.
        trace_id: Of which trace.
        span_id: The chosen span.
        scores: All scores of the trace.
        edit: The score that the form corrects.
        form: What was sent and not kept.
        problem: Why it was not kept.
        told: What was done just now.
    """
    may_give = visit.caller.may(Permission.SCORES_WRITE)
    shown = [score for score in scores if score.span_id in {None, span_id}]
    edited = next((score for score in shown if score.score_id == edit and may_change(visit.caller, score)), None)
    part = visit.param("part")
    return {
        "score_action": f"{visit.base}/traces/{trace_id}/scores",
        "score_part": part or "",
        "score_address": Address(path=f"{visit.base}/traces/{trace_id}", query=_place(span_id, part)),
        "scores": [(score, may_change(visit.caller, score)) for score in shown[:MAX_SHOWN]],
        "num_scores": len(shown),
        "all_scores": scores,
        "may_score": may_give,
        "score_names": site.services.traces.scoring.names(visit.caller.scope) if may_give else (),
        "score_form": form or (_form_of(edited) if edited else EMPTY_FORM),
        "score_problem": problem,
        "score_told": told,
        "type_names": TYPE_NAMES,
        "source_names": SCORE_SOURCE_NAMES,
        "span_id": span_id,
    }


def _kept(site: Site, visit: Visit, trace_id: str, sent: Mapping[str, str], span_id: str | None) -> Score:
    traces, caller = site.services.traces, visit.caller
    type_ = ScoreType(sent["type"])
    value = value_of(sent[sent["type"]], type_)
    comment = sent["comment"].strip() or None
    if sent["score_id"]:
        score = traces.scoring.get(caller.scope, sent["score_id"], trace_id=trace_id)
        return traces.scoring.correct(caller, score, name=sent["name"], type_=type_, value=value, comment=comment)
    return traces.add_score(
        caller.scope,
        trace_id=trace_id,
        span_id=span_id or None,
        name=sent["name"],
        type=type_,
        value=value,
        source=ScoreSource.HUMAN,
        principal=author_of(caller),
        comment=comment,
    )


def _answer(
    site: Site, visit: Visit, trace_id: str, span_id: str, part: str, *, status: int = 200, **more: Any
) -> Response:
    """The part of the page again; without scripts, the page at the address it was sent from."""
    if not is_fragment(visit.request) and more.get("problem") is None:
        target = Address(path=f"{visit.base}/traces/{trace_id}", query=_place(span_id, part))
        return RedirectResponse(f"{target}#scores", HTTP_303_SEE_OTHER)
    scores = site.services.traces.scores(visit.caller.scope, trace_ids=[trace_id])
    view = scores_view(site, visit, trace_id, span_id or None, scores, **more)
    view["score_part"] = part
    view["score_address"] = Address(path=f"{visit.base}/traces/{trace_id}", query=_place(span_id, part))
    template = "pages/trace_scores_again.html" if is_fragment(visit.request) else "pages/trace_scores_alone.html"
    return visit.page(template, view, status=status)


def _place(span_id: str | None, part: str | None) -> dict[str, str]:
    return {name: value for name, value in (("span", span_id), ("part", part)) if value}


def _form_of(score: Score) -> dict[str, str]:
    text = str(score.value).lower() if isinstance(score.value, bool) else str(score.value)
    return {
        **EMPTY_FORM,
        "score_id": score.score_id,
        "name": score.name,
        "type": str(score.type),
        str(score.type): text,
        "comment": score.comment or "",
        "about": "span" if score.span_id else "trace",
    }

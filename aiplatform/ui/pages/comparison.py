"""A comparison: the verdict first, then why."""

from __future__ import annotations

from dataclasses import replace
from shlex import quote
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from aiplatform.eval.model import CHANGE_NAMES, OUTCOME_NAMES, STATE_NAMES, STATUS_NAMES, Change, Comparison
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import Routes
from aiplatform.ui.address import Tab
from aiplatform.ui.site import BASE, Site, Visit
from aiplatform.ui.views.comparison import OUTCOME_ICONS, OUTCOME_TONES, ComparisonView, view_of

STATE: Final = ("metric", "version", "change", "slice", "after")
ROWS_A_PAGE: Final = 10
CHANGES: Final = (Change.WORSE, Change.BETTER, Change.SAME, Change.MISSING)
SIDE_TONES: Final = {
    (False, Change.WORSE): "better",
    (True, Change.WORSE): "worse",
    (False, Change.BETTER): "worse",
    (True, Change.BETTER): "better",
}
"""(whether it is the candidate's side, change) -> tone of its value."""


def add_comparison(routes: Routes, site: Site) -> None:
    """The page of one comparison."""

    @routes.get(f"{BASE}/comparisons/{{comparison_id}}", permission=Permission.EVALUATIONS_READ)
    def comparison_page(request: Request, comparison_id: str) -> Response:
        visit = site.visit(request, "evaluations")
        comparison = site.services.evaluations.comparison(visit.caller, comparison_id)
        view = view_of(comparison, metric=visit.param("metric"), candidate=visit.param("version"))
        return visit.page(
            "pages/comparison.html",
            {
                "comparison": comparison,
                "view": view,
                "address": visit.address(*STATE),
                "row_address": replace(visit.address(*STATE), path=f"{request.url.path}/row"),
                "level": round(comparison.options.level * 100),
                "how": ("" if visit.locale.startswith("zh") else " ").join(
                    note.localized(visit.locale) for note in comparison.notes
                ),
                "status_names": STATUS_NAMES,
                "outcome_names": OUTCOME_NAMES,
                "outcome_tones": OUTCOME_TONES,
                "outcome_icons": OUTCOME_ICONS,
                "state_names": STATE_NAMES,
                "side_tones": SIDE_TONES,
                "ways": _ways(visit, comparison),
                **_tabs(visit, comparison, view),
                **_rows(site, visit, comparison, view),
            },
        )


def _tabs(visit: Visit, comparison: Comparison, view: ComparisonView) -> dict[str, Any]:
    address = visit.address(*STATE)
    primary = comparison.primary.name
    metrics = [primary, *(metric.name for metric in comparison.metrics if metric.name != primary)]
    default = comparison.verdict.promote or comparison.candidates[0].run_id
    versions = sorted(comparison.candidates, key=lambda version: version.run_id != default)
    return {
        "metric_tabs": address.tabs("metric", [(name, name) for name in metrics], view.forest.metric.name),
        "candidate_tabs": address.tabs(
            "version",
            [(version.run_id, version.name) for version in versions],
            view.candidate_id,
            after=None,
            slice=None,
        ),
    }


def _rows(site: Site, visit: Visit, comparison: Comparison, view: ComparisonView) -> dict[str, Any]:
    address = visit.address(*STATE)
    asked = visit.param("change")
    change = Change(asked) if asked in set(Change) else Change.WORSE
    chosen_slice = visit.param("slice")
    changes, problem = visit.attempt(
        lambda: site.services.evaluations.comparison_rows(
            visit.caller,
            comparison.comparison_id,
            candidate=view.candidate_id,
            change=change,
            in_slice=chosen_slice,
            limit=ROWS_A_PAGE,
            after=visit.param("after"),
        )
    )
    counts = changes.counts if changes else view.counts
    return {
        "changes": changes,
        "rows_error": problem,
        "chosen_slice": chosen_slice,
        "change_tabs": tuple(
            Tab(
                name=f"{visit.text(CHANGE_NAMES[each])} {getattr(counts, each) if counts else ''}".strip(),
                href=address.to(change=None if each is Change.WORSE else str(each), after=None),
                is_current=each is change,
            )
            for each in CHANGES
            if each is not Change.MISSING or (counts and counts.missing) or change is Change.MISSING
        ),
    }


def _ways(visit: Visit, comparison: Comparison) -> list[tuple[str, str]]:
    runs = " ".join(version.run_id for version in (comparison.baseline, *comparison.candidates))
    candidates = ", ".join(repr(version.run_id) for version in comparison.candidates)
    options = comparison.options
    command = f"aiplatform evaluations compare {runs} --on {quote(comparison.primary.name)}"
    command += "".join(f" --metric {quote(name)}" for name in options.metrics)
    call = f"{comparison.baseline.run_id!r}, {candidates}, on={comparison.primary.name!r}"
    if options.metrics:
        call += f", metrics={[*options.metrics]!r}"
    if options.gate:
        command += f" --gate {quote(options.gate)}"
        call += f", gate={options.gate!r}"
    return visit.ways(visit.address(*STATE), command, f"aip.evaluations.compare({call})")

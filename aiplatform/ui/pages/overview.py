"""The first page: how to send the first trace, or, once there is one, how things stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from aiplatform.core.i18n import N_
from aiplatform.eval.model import RunStatus
from aiplatform.serve.model import STATUS_NAMES as DEPLOYMENT_NAMES
from aiplatform.serve.model import Status as DeploymentStatus
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import Routes
from aiplatform.tracing.model import TraceFilter
from aiplatform.tracing.tree import add_costs
from aiplatform.ui import formatting
from aiplatform.ui.geometry import sparkline
from aiplatform.ui.pages.deployments import DEPLOYMENT_TONES
from aiplatform.ui.site import BASE, Site, Visit
from aiplatform.ui.views.attention import needs
from aiplatform.ui.views.snippets import PLACEHOLDER, snippets
from aiplatform.ui.views.timerange import RANGES, time_range

RECENT: Final = 8
SAMPLE: Final = 200
NEWEST_RUNS: Final = 50
POINTS: Final = 48
WAIT_S: Final = 2


def add_overview(routes: Routes, site: Site) -> None:
    """The overview, and what its waiting line asks again and again."""

    @routes.get(BASE, permission=Permission.SIGNED_IN)
    def overview(request: Request) -> Response:
        visit = site.visit(request, "overview")
        is_used = visit.caller.may(Permission.TRACES_READ) and bool(
            site.services.traces.list(visit.caller.scope, TraceFilter(), limit=1).items
        )
        if is_used and not visit.param("start"):
            return visit.page("pages/overview.html", _standing(site, visit))
        return visit.page("pages/first.html", {**_first(site, visit), "is_used": is_used})

    @routes.get(f"{BASE}/waiting", permission=Permission.TRACES_READ)
    def waiting(request: Request) -> Response:
        """204 until a trace is there; then the line that leads to it."""
        visit = site.visit(request, "overview")
        newest = site.services.traces.list(visit.caller.scope, TraceFilter(), limit=1).items
        since_ms = visit.param("since") or ""
        since_ns = int(since_ms) * 1_000_000 if since_ms.isdecimal() else 0
        if not newest or newest[0].updated_ns < since_ns:
            return Response(status_code=204)
        return visit.page("parts/arrived.html", trace=newest[0])


def _first(site: Site, visit: Visit) -> dict[str, Any]:
    ready, _ = visit.attempt(lambda: _ready_model(site, visit))
    found = snippets(site.services.url, visit.caller.project_id, ready)
    chosen = next((each for each in found if each.key == visit.param("way")), found[0])
    return {
        "snippets": visit.address("way", "start").tabs("way", [(each.key, each.name) for each in found], chosen.key),
        "chosen": chosen,
        "placeholder": PLACEHOLDER,
        "url": site.services.url,
        "since_ms": visit.frame.now_ns // 1_000_000,
        "wait_s": WAIT_S,
    }


def _ready_model(site: Site, visit: Visit) -> str | None:
    if not visit.caller.may(Permission.DEPLOYMENTS_READ):
        return None
    deployments = site.services.deployments.list(visit.caller.scope)
    return next((one.name for one in deployments if one.state.status is DeploymentStatus.READY), None)


def _standing(site: Site, visit: Visit) -> dict[str, Any]:
    span = time_range(visit.param("last"), None, None, visit.frame.now_ns)
    where = TraceFilter(from_ns=span.from_ns, to_ns=span.to_ns)
    services, caller = site.services, visit.caller
    counts = services.traces.histogram(caller.scope, where, from_ns=span.from_ns, to_ns=span.to_ns, num_buckets=POINTS)
    sample = services.traces.list(caller.scope, where, limit=SAMPLE).items
    total, failed = sum(clean + bad for clean, bad in counts), sum(bad for _, bad in counts)
    durations = sorted(item.duration_ns for item in sample)
    costs = [item.costs for item in sample if item.costs]
    evaluations, evaluations_problem = _may(visit, Permission.EVALUATIONS_READ, lambda: _evaluations(site, visit))
    deployments, deployments_problem = _may(
        visit, Permission.DEPLOYMENTS_READ, lambda: services.deployments.list(caller.scope)
    )
    keys = ["7d", *(key for key in RANGES if key != "7d")]
    return {
        "range_name": visit.text(RANGES[span.key or "7d"][1]),
        "ranges": visit.address("last").tabs(
            "last", [(key, visit.text(RANGES[key][1])) for key in keys], span.key or ""
        ),
        "tiles": _tiles(visit, counts, total, failed, durations, costs, span.length_ns, len(sample)),
        "recent": sample[:RECENT],
        "comparisons": evaluations[0] if evaluations else [],
        "evaluations_problem": evaluations_problem,
        "deployments": deployments or [],
        "deployments_problem": deployments_problem,
        "deployment_tones": DEPLOYMENT_TONES,
        "deployment_names": DEPLOYMENT_NAMES,
        "needs": needs(
            deployments=deployments or [],
            runs=evaluations[1] if evaluations else [],
            failed_traces=failed,
            num_traces=total,
            share=formatting.share(failed / total if total else None, visit.locale),
            last=span.key or "",
            text=visit.text,
        ),
        "the_loop": _loop(site, visit, total, failed, evaluations, deployments),
    }


def _evaluations(site: Site, visit: Visit) -> tuple[list[Any], list[Any]]:
    service = site.services.evaluations
    return list(service.comparisons(visit.caller, limit=3).items), list(
        service.list(visit.caller, limit=NEWEST_RUNS).items
    )


def _may(visit: Visit, permission: Permission, read: Any) -> tuple[Any, Any]:
    return visit.attempt(read) if visit.caller.may(permission) else (None, None)


def _tiles(
    visit: Visit,
    counts: Any,
    total: int,
    failed: int,
    durations: list[int],
    costs: list[Mapping[str, float]],
    length_ns: int,
    num_sampled: int,
) -> list[dict[str, Any]]:
    """The four figures of the first row; each says what it rests on."""
    p95 = durations[min(len(durations) - 1, int(len(durations) * 0.95))] if durations else None
    p50 = durations[len(durations) // 2] if durations else None
    per_day = total / max(1e-9, length_ns / 86_400e9)
    rests_on = visit.text(N_("newest {count}")).format(count=num_sampled)
    return [
        {
            "name": visit.text(N_("Traces")),
            "figure": formatting.number(total),
            "unit": visit.text(N_("{count} a day")).format(count=formatting.number(per_day)),
            "line": sparkline([clean + bad for clean, bad in counts]),
            "tone": "accent",
        },
        {
            "name": visit.text(N_("Error rate")),
            "figure": formatting.share(failed / total if total else None, visit.locale),
            "unit": visit.text(N_("{count} of {total} traces")).format(
                count=formatting.number(failed), total=formatting.number(total)
            ),
            "line": sparkline([bad / (clean + bad) if clean + bad else None for clean, bad in counts]),
            "tone": "worse" if failed else "",
        },
        {
            "name": visit.text(N_("p95 duration")),
            "figure": str(formatting.duration(p95)),
            "unit": f"p50 {formatting.duration(p50)} · {rests_on}",
            "line": "",
            "tone": "",
        },
        {
            "name": visit.text(N_("Cost per trace")),
            "figure": formatting.money({name: amount / len(costs) for name, amount in add_costs(*costs).items()}),
            "unit": rests_on if costs else visit.text(N_("no prices known")),
            "line": "",
            "tone": "",
        },
    ]


def _loop(
    site: Site, visit: Visit, total: int, failed: int, evaluations: Any, deployments: Any
) -> list[dict[str, Any]]:
    """The loop as tiles: how many of each there are; "—" where that cannot be told now."""
    services, caller = site.services, visit.caller
    datasets, _ = _may(visit, Permission.DATASETS_READ, lambda: services.datasets.list(caller))
    models, _ = _may(visit, Permission.MODELS_READ, lambda: services.models.list(caller))
    runs = evaluations[1] if evaluations else None
    running = sum(run.status is RunStatus.RUNNING for run in runs or [])
    ready = sum(one.state.status is DeploymentStatus.READY for one in deployments or [])
    champions = sum(1 for model in models or [] if "champion" in model.aliases)
    errors = visit.text(N_("{share} with errors")).format(
        share=formatting.share(failed / total if total else None, visit.locale)
    )
    return [
        _tile(visit, "traces", N_("Traces"), "list-tree", total, errors),
        _tile(visit, "datasets", N_("Data sets"), "database", _len(datasets), _newest(datasets)),
        _tile(
            visit, "evaluations", N_("Evaluations"), "scale", _len(runs),
            visit.text(N_("{count} running")).format(count=running), more=_len(runs) == NEWEST_RUNS,
        ),
        _tile(
            visit, "models", N_("Models"), "boxes", _len(models),
            visit.text(N_("{count} with a champion")).format(count=champions),
        ),
        _tile(
            visit, "deployments", N_("Deployments"), "rocket", _len(deployments),
            visit.text(N_("{count} ready")).format(count=ready),
        ),
    ]  # fmt: skip


def _tile(
    visit: Visit, page: str, name: str, icon: str, count: int | None, note: str, *, more: bool = False
) -> dict[str, Any]:
    return {
        "name": visit.text(name),
        "icon": icon,
        "href": f"{visit.base}/{page}",
        "figure": formatting.number(count) + ("+" if more else ""),
        "note": visit.text(N_("not known now")) if count is None else note,
    }


def _len(items: Any) -> int | None:
    return None if items is None else len(items)


def _newest(datasets: Any) -> str:
    newest = max(datasets or [], key=lambda one: one.latest.created_ns, default=None)
    return str(newest.latest.reference) if newest else ""

"""Reports of a run or a comparison, as files that the pages offer."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from aiplatform.eval.reporting.content import Report, ReportFormat
from aiplatform.eval.reporting.routes import report_file
from aiplatform.eval.reporting.service import Reports
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import Routes
from aiplatform.ui.site import BASE, Site, Visit


def add_reports(routes: Routes, site: Site) -> None:
    """A report of the project in the reader's language."""
    reports = Reports(site.services.evaluations)

    @routes.get(f"{BASE}/evaluations/{{run_id}}/report", permission=Permission.EVALUATIONS_READ)
    def run_report(request: Request, run_id: str) -> Response:
        visit = site.visit(request, "evaluations")
        return _answer(visit, reports.of_run(visit.caller, run_id), run_id)

    @routes.get(f"{BASE}/comparisons/{{comparison_id}}/report", permission=Permission.EVALUATIONS_READ)
    def comparison_report(request: Request, comparison_id: str) -> Response:
        visit = site.visit(request, "evaluations")
        return _answer(visit, reports.of_comparison(visit.caller, comparison_id), comparison_id)


def _answer(visit: Visit, report: Report, name: str) -> Response:
    asked = visit.param("format")
    form = ReportFormat(asked) if asked in set(ReportFormat) else ReportFormat.HTML
    return report_file(report, form, visit.locale, name)

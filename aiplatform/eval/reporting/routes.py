"""Reports over HTTP, as files to keep: shown within the platform's pages they would miss their own style."""

from __future__ import annotations

import re
from typing import Annotated, Final

from fastapi import Header, Query
from starlette.responses import Response

from aiplatform.core.i18n import negotiate
from aiplatform.eval.reporting.content import MEDIA_TYPES, SUFFIXES, Report, ReportFormat
from aiplatform.eval.reporting.service import Reports, render
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import CallerDep, Routes

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")

GateQuery = Annotated[str, Query(max_length=4000)]
Language = Annotated[str | None, Header(alias="accept-language")]


def add_report_routes(routes: Routes, reports: Reports) -> None:
    """The report of a run and that of a comparison."""

    @routes.get("/api/v1/evaluations/{run_id}/report", permission=Permission.EVALUATIONS_READ)
    def evaluation_report(
        run_id: str,
        caller: CallerDep,
        form: Annotated[ReportFormat, Query(alias="format")] = ReportFormat.HTML,
        lang: str | None = None,
        gate: GateQuery = "",
        baseline: str | None = None,
        accept_language: Language = None,
    ) -> Response:
        """One run as HTML, PDF, Markdown or, with a gate, JUnit XML. `lang` is `en` or `zh`."""
        report = reports.of_run(caller, run_id, gate=gate, baseline=baseline)
        return report_file(report, form, negotiate(lang, accept_language), run_id)

    @routes.get("/api/v1/comparisons/{comparison_id}/report", permission=Permission.EVALUATIONS_READ)
    def comparison_report(
        comparison_id: str,
        caller: CallerDep,
        form: Annotated[ReportFormat, Query(alias="format")] = ReportFormat.HTML,
        lang: str | None = None,
        gate: GateQuery = "",
        accept_language: Language = None,
    ) -> Response:
        """One comparison as HTML, PDF, Markdown or JUnit XML. `lang` is `en` or `zh`; `gate` replaces its own."""
        report = reports.of_comparison(caller, comparison_id, gate=gate)
        return report_file(report, form, negotiate(lang, accept_language), comparison_id)


def report_file(report: Report, form: ReportFormat, locale: str, name: str) -> Response:
    """The answer that a browser keeps as a file named after `name`."""
    content = render(report, form, locale)
    filename = f"{_UNSAFE.sub('-', name)}{SUFFIXES[form]}"
    return Response(
        content,
        media_type=MEDIA_TYPES[form],
        headers={
            "content-disposition": f'attachment; filename="{filename}"',
            "content-language": "zh-CN" if locale == "zh_CN" else "en",
        },
    )

"""The pages of the platform, as routes for the gateway."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from aiplatform.core.clock import Clock
from aiplatform.core.errors import AIPlatformError
from aiplatform.tenancy.responses import ErrorPage
from aiplatform.tenancy.routing import Routes
from aiplatform.tenancy.sign_in import SignInPage
from aiplatform.ui.assets import Assets
from aiplatform.ui.pages.account import add_account, sign_in_page
from aiplatform.ui.pages.admin import add_admin
from aiplatform.ui.pages.attachments import add_attachments
from aiplatform.ui.pages.compare_traces import add_compare_traces
from aiplatform.ui.pages.comparison import add_comparison
from aiplatform.ui.pages.dataset_changes import add_dataset_changes
from aiplatform.ui.pages.datasets import add_datasets
from aiplatform.ui.pages.deployments import add_deployments
from aiplatform.ui.pages.evaluation_rows import add_evaluation_rows
from aiplatform.ui.pages.evaluations import add_evaluations
from aiplatform.ui.pages.experiments import add_experiments
from aiplatform.ui.pages.judges import add_judges
from aiplatform.ui.pages.leaderboard import add_leaderboard
from aiplatform.ui.pages.models import add_models
from aiplatform.ui.pages.overview import add_overview
from aiplatform.ui.pages.reports import add_reports
from aiplatform.ui.pages.reviews import add_reviews
from aiplatform.ui.pages.sessions import add_sessions
from aiplatform.ui.pages.trace import add_trace
from aiplatform.ui.pages.trace_actions import add_trace_actions
from aiplatform.ui.pages.trace_scores import add_trace_scores
from aiplatform.ui.pages.trace_searches import add_trace_searches
from aiplatform.ui.pages.traces import add_traces
from aiplatform.ui.pages.usage import add_usage
from aiplatform.ui.rendering import Renderer
from aiplatform.ui.site import Site, UiServices


@dataclass(frozen=True, slots=True, kw_only=True)
class Ui:
    """What the gateway mounts."""

    routes: Routes
    """All pages and static files. Attach them after the rooms' own routes."""

    error_page: ErrorPage
    """For `tenancy.middleware.secure`: errors as browsers see them."""

    sign_in_page: SignInPage
    """For `tenancy.sign_in.build_sign_in_routes`."""


def build_ui(services: UiServices, *, clock: Clock | None = None) -> Ui:
    """The pages over the rooms' services."""
    site = Site(services, Renderer(Assets(), clock))
    routes = Routes(include_in_schema=False)
    for add in (
        add_account,
        add_overview,
        add_traces,
        add_trace_searches,  # before the page of one trace, as what follows
        add_trace_actions,
        add_compare_traces,  # before the page of one trace, whose address would take it for an id
        add_trace,
        add_trace_scores,
        add_attachments,
        add_sessions,
        add_usage,
        add_evaluations,
        add_comparison,
        add_evaluation_rows,
        add_leaderboard,
        add_reports,
        add_judges,
        add_reviews,
        add_datasets,
        add_dataset_changes,
        add_experiments,
        add_models,
        add_deployments,
        add_admin,
    ):
        add(routes, site)

    def draw_sign_in(request: Request, problem: AIPlatformError | None, target: str) -> Response:
        return sign_in_page(site, request, problem, target)

    return Ui(routes=routes, error_page=site.error_page, sign_in_page=draw_sign_in)

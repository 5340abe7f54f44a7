"""Names of MLflow workspaces."""

import re

from hypothesis import given
from hypothesis import strategies as st

from aiplatform.core.scope import Scope
from aiplatform.registry.workspaces import workspace_name

SLUGS = st.from_regex(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True)


@given(SLUGS, SLUGS)
def test_a_workspace_name_is_one_that_mlflow_takes(tenant: str, project: str) -> None:
    name = workspace_name(Scope(tenant_id=tenant, project_id=project))
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name)
    assert 2 <= len(name) <= 63


@given(SLUGS, SLUGS, SLUGS, SLUGS)
def test_two_projects_never_share_one(tenant: str, project: str, other_tenant: str, other_project: str) -> None:
    one, other = Scope(tenant_id=tenant, project_id=project), Scope(tenant_id=other_tenant, project_id=other_project)
    assert (workspace_name(one) == workspace_name(other)) == (one == other)


def test_hyphens_do_not_make_two_projects_one() -> None:
    one = Scope(tenant_id="a", project_id="b--c")
    other = Scope(tenant_id="a--b", project_id="c")
    assert workspace_name(one) != workspace_name(other)

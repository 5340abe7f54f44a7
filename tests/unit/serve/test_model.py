import pytest

from aiplatform.core.errors import InvalidError
from aiplatform.core.scope import Scope
from aiplatform.serve.model import DeploymentSpec, Protocol, VersionRef, application_name, spec_from


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("models:/qa/3", VersionRef(name="qa", version=3)),
        ("models:/qa@3", VersionRef(name="qa", version=3)),
        ("models:/qa@champion", VersionRef(name="qa", alias="champion")),
    ],
)
def test_version_references_are_read(text: str, ref: VersionRef) -> None:
    assert VersionRef.parse(text) == ref


def test_version_reference_reads_back_what_it_writes() -> None:
    for ref in (VersionRef(name="a", version=12), VersionRef(name="a", alias="champion")):
        assert VersionRef.parse(str(ref)) == ref


@pytest.mark.parametrize("text", ["models:/qa", "models:/qa@", "models:/@a", "qa@1", "models:/a/b/1"])
def test_other_texts_name_no_version(text: str) -> None:
    with pytest.raises(InvalidError, match="model version"):
        VersionRef.parse(text)


def test_spec_comes_back_from_its_json_form() -> None:
    spec = DeploymentSpec(
        name="qa", target="models:/qa/3", engine="a.b:C", params={"k": [1]}, replicas=2, protocol=Protocol.INFER
    )
    assert spec_from(spec.as_dict()) == spec


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "Upper"}, "'Upper'"),
        ({"target": "nothing"}, "'nothing'"),
        ({"target": 3}, "'target'"),
        ({"engine": "no colon"}, "'engine'"),
        ({"replicas": -1}, "'replicas'"),
        ({"replicas": True}, "'replicas'"),
        ({"replicas": 65}, "'replicas'"),
        ({"num_cpus": -0.1}, "'num_cpus'"),
        ({"num_cpus": float("nan")}, "'num_cpus'"),
        ({"num_gpus": "1"}, "'num_gpus'"),
        ({"protocol": "smtp"}, "'protocol'"),
        ({"params": [1]}, "'params'"),
        ({"params": {"a": object()}}, "'params'"),
        ({"params": {"a": "x" * 70_000}}, "'params'"),
        ({"code": 1}, "'code'"),
        ({"description": 1}, "'description'"),
        ({"colour": "red"}, "'colour'"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidError, match=words):
        spec_from({"name": "qa", "target": "a:B", **change})


def test_absent_fields_take_their_defaults() -> None:
    spec = spec_from({"name": "qa", "target": "a.b:C.D", "engine": None})
    assert (spec.replicas, spec.num_cpus, spec.protocol, spec.import_path) == (1, 0.1, Protocol.CHAT, "a.b:C.D")


def test_applications_of_different_projects_never_share_a_name() -> None:
    names = {
        application_name(Scope(tenant_id=tenant, project_id=project), name)
        for tenant, project, name in [("a-b", "c", "d"), ("a", "b-c", "d"), ("a", "b", "c-d")]
    }
    assert len(names) == 3

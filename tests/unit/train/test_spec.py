"""Training specifications."""

from pathlib import Path

import pytest

from aiplatform.core.errors import ConfigError, InvalidError
from aiplatform.train.spec import parse_spec, read_spec

SMALL = {"name": "digits", "entrypoint": "digits:train"}


def test_little_need_be_said() -> None:
    spec = parse_spec(SMALL)
    assert (spec.num_workers, spec.worker.cpus, spec.experiment_name, spec.register_as) == (1, 0.5, "digits", None)


def test_a_specification_survives_the_way_to_the_platform_and_back() -> None:
    spec = parse_spec(
        {
            **SMALL,
            "params": {"lr": 0.1},
            "num_workers": 2,
            "worker": {"cpus": 1},
            "datasets": {"train": "digits@1"},
            "register": {"name": "digits", "alias": "champion", "parent_models": ["base@1"]},
        }
    )
    assert parse_spec(spec.document()) == spec
    assert parse_spec(parse_spec(spec.document()).document()).document() == spec.document()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_workers": 0}, "'num_workers' cannot be 0"),
        ({"worker": {"cpus": -1}}, "'worker.cpus' cannot be -1"),
        ({"learning_rate": 1}, "'learning_rate'"),
        ({"entrypoint": "digits"}, "write `module:function`"),
        ({"entrypoint": "digits:not a name"}, "write `module:function`"),
        ({"name": "../x"}, "'name'"),
        ({"best_is": "most"}, "'best_is'"),
    ],
)
def test_a_wrong_field_is_named_with_its_value(change: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidError, match=words.replace("(", r"\(")):
        parse_spec({**SMALL, **change})


def test_a_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "train.yaml"
    file.write_text("name: digits\nentrypoint: digits.py:train\n")
    assert read_spec(file).entrypoint == "digits.py:train"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere.yaml.*No such file"):
        read_spec(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    ("content", "kind"), [("name: [", ConfigError), ("- a\n- b\n", InvalidError), ("name: x\n", InvalidError)]
)
def test_a_file_that_says_no_specification_is_named(content: str, kind: type[Exception], tmp_path: Path) -> None:
    file = tmp_path / "train.yaml"
    file.write_text(content)
    with pytest.raises(kind, match=r"train\.yaml"):
        read_spec(file)

"""Key files of jobs."""

from pathlib import Path

from aiplatform.jobs.secrets import LocalSecretPlace


def test_a_key_file_is_its_owners_alone_and_can_be_renewed(tmp_path: Path) -> None:
    place = LocalSecretPlace(tmp_path / "jobs")
    file = place.put("job-1", "first")
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("first", 0o600)
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert place.put("job-1", "second") == file
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("second", 0o600)


def test_nothing_is_left_of_a_job(tmp_path: Path) -> None:
    place = LocalSecretPlace(tmp_path)
    place.put("job-1", "x")
    place.remove("job-1")
    place.remove("job-1")
    assert list(tmp_path.iterdir()) == []

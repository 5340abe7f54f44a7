from sqlalchemy import text

from aiplatform.storage.database import Database
from aiplatform.storage.rls import check_role


def test_the_test_databases_answer_and_their_role_is_bound(database: Database) -> None:
    with database.engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
        check_role(connection)

"""No statement, however built, sees or changes a row of another tenant.

The judge is a database that holds one tenant's rows alone: whatever a random statement answers there, its scoped form
must answer on a database that holds another tenant's rows too, and those must be as they were.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    Column,
    Connection,
    CursorResult,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    and_,
    column,
    create_engine,
    delete,
    event,
    exists,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    table,
    text,
    union,
    union_all,
    update,
    values,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.pool import StaticPool
from sqlalchemy.sql.selectable import FromClause

from aiplatform.core.scope import Scope
from aiplatform.storage.scoping import scoped_insert, scoped_statement

metadata = MetaData()


def declared(name: str, *, project: bool) -> Table:
    return Table(
        name,
        metadata,
        Column("tenant_id", String, primary_key=True),
        Column("project_id", String, primary_key=True),
        Column("id", Integer, primary_key=True),
        Column("parent", Integer),
        Column("v", Integer),
        info={"project": project},
    )


notes = declared("notes", project=True)
marks = declared("marks", project=False)
loose = Table("loose", metadata, Column("id", Integer, primary_key=True))
OURS = Scope(tenant_id="ours", project_id="p1")
NUMBERS = ("id", "parent", "v")


def rows_of(tenant: str, project: str, offset: int) -> list[dict[str, Any]]:
    return [
        {"tenant_id": tenant, "project_id": project, "id": n, "parent": n // 2, "v": offset + n % 3}
        for n in range(1, 6)
    ]


def opened(*, alone: bool) -> Connection:
    # The driver begins no transaction before a statement that starts with WITH, so that a rollback would undo nothing.
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"isolation_level": None})
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    connection = engine.connect()
    metadata.create_all(connection)
    for one in (notes, marks):
        connection.execute(insert(one), rows_of("ours", "p1", 0))
        if one is marks:  # a table without projects of its own: the scope's tenant sees every row
            connection.execute(insert(one), rows_of("ours", "p2", 1))
        if not alone:
            connection.execute(insert(one), rows_of("theirs", "p1", 0) + rows_of("theirs", "p2", 100))
            if one is notes:
                connection.execute(insert(one), rows_of("ours", "p2", 100))
    connection.commit()
    return connection


@pytest.fixture(scope="module")
def shared() -> Iterator[Connection]:
    with opened(alone=False) as connection:
        yield connection


@pytest.fixture(scope="module")
def alone() -> Iterator[Connection]:
    with opened(alone=True) as connection:
        yield connection


@st.composite
def sources(draw: st.DrawFn, depth: int = 2) -> FromClause:
    """Something to read from: a table, an alias, a subquery, a CTE, a join."""
    base: Table = draw(st.sampled_from([notes, marks]))
    kinds = ["alias", "alias", "subquery", "cte", "union"] if depth else ["alias"]
    kind = draw(st.sampled_from(kinds))
    if kind == "subquery":
        return draw(selects(depth - 1)).subquery()
    if kind == "cte":
        return draw(selects(depth - 1)).cte()
    if kind == "union":
        join = draw(st.sampled_from([union, union_all]))
        return join(draw(selects(depth - 1)), draw(selects(depth - 1))).subquery()
    return base.alias()


@st.composite
def conditions(draw: st.DrawFn, source: FromClause, depth: int) -> Any:
    own = source.c[draw(st.sampled_from(NUMBERS))]
    kinds = ["compare", "column", "in", "exists", "scalar", "and", "or", "not"] if depth else ["compare", "column"]
    match draw(st.sampled_from(kinds)):
        case "compare":
            return own <= draw(st.integers(0, 6))
        case "column":
            return own == source.c[draw(st.sampled_from(NUMBERS))]
        case "in":
            chosen = draw(selects(depth - 1)).subquery()
            return own.in_(select(chosen.c[draw(st.sampled_from(NUMBERS))]))
        case "exists":
            inner = draw(sources(0))
            return exists().where(inner.c.id == own)
        case "scalar":
            inner = draw(sources(depth - 1))
            return own <= select(func.count()).select_from(inner).scalar_subquery()
        case "and":
            return and_(draw(conditions(source, depth - 1)), draw(conditions(source, depth - 1)))
        case "or":
            return or_(draw(conditions(source, depth - 1)), draw(conditions(source, depth - 1)))
        case _:
            return not_(draw(conditions(source, depth - 1)))


@st.composite
def selects(draw: st.DrawFn, depth: int = 2) -> Select[Any]:
    """A query with the columns id, parent and v."""
    source = draw(sources(depth))
    shape = draw(st.sampled_from(["plain", "group", "join", "left", "explicit", "nested", "comma", "correlated"]))
    other = draw(sources(depth - 1 if depth else 0))
    where = draw(conditions(source, depth))
    columns = [source.c.id, source.c.parent, source.c.v]
    mixed = [source.c.id, other.c.parent, other.c.v]
    match shape:
        case "group":
            grouped = [source.c.parent.label("id"), func.count().label("parent"), func.sum(source.c.v).label("v")]
            return select(*grouped).where(where).group_by(source.c.parent)
        case "join":
            return select(*mixed).select_from(source).join(other, other.c.id == source.c.parent).where(where)
        case "left":
            return select(*mixed).select_from(source).outerjoin(other, other.c.id == source.c.v).where(where)
        case "explicit":
            return select(*mixed).select_from(source.outerjoin(other, other.c.parent == source.c.id)).where(where)
        case "nested":
            third = draw(sources(0))
            inner = other.join(third, third.c.id == other.c.id)
            return select(*mixed).select_from(source.outerjoin(inner, other.c.parent == source.c.id)).where(where)
        case "comma":
            return select(*mixed).where(source.c.id == other.c.parent, where)
        case "correlated":
            total = select(func.sum(other.c.v)).where(other.c.parent == source.c.id).scalar_subquery()
            return select(source.c.id, source.c.parent, total.label("v")).where(where)
        case _:
            return select(*columns).where(where)


def answers(result: CursorResult[Any]) -> list[tuple[Any, ...]]:
    return sorted((tuple(row) for row in result.all()), key=repr)


many = settings(max_examples=200)


@many
@given(query=selects())
def test_a_query_answers_as_if_the_tenant_were_alone(shared: Connection, alone: Connection, query: Select[Any]) -> None:
    assert answers(shared.execute(scoped_statement(query, OURS))) == answers(alone.execute(query))


@many
@given(data=st.data())
def test_a_change_touches_only_the_tenants_own_rows(shared: Connection, alone: Connection, data: st.DataObject) -> None:
    target = data.draw(st.sampled_from([notes, marks]))
    inner = data.draw(selects(1)).subquery()
    within = target.c.id.in_(select(inner.c.id))
    beside = data.draw(st.sampled_from([notes, marks])).alias()
    statement: Any = data.draw(
        st.sampled_from(
            [
                update(target).where(within).values(v=target.c.v + 1000),
                update(target).values(v=select(func.count()).select_from(inner).scalar_subquery()),
                update(target).where(target.c.id == beside.c.parent).values(v=1000),
                delete(target).where(within),
                delete(target).where(exists().where(beside.c.parent == target.c.id)),
            ]
        )
    )
    outcomes = []
    for connection, run in ((shared, scoped_statement(statement, OURS)), (alone, statement)):
        before = contents(connection, target, ours=False)
        connection.execute(run)
        assert contents(connection, target, ours=False) == before
        outcomes.append(contents(connection, target, ours=True))
        connection.rollback()
    assert outcomes[0] == outcomes[1]


def contents(connection: Connection, target: Table, *, ours: bool) -> list[tuple[Any, ...]]:
    own = target.c.tenant_id == "ours"
    if target is notes:
        own = and_(own, target.c.project_id == "p1")
    return answers(connection.execute(select(target).where(own if ours else not_(own))))


def test_a_recursive_query_stays_inside(shared: Connection, alone: Connection) -> None:
    start = select(notes.c.id, notes.c.parent, notes.c.v).where(notes.c.id == 1).cte("tree", recursive=True)
    child = notes.alias()
    tree = start.union_all(select(child.c.id, child.c.parent, child.c.v).where(child.c.parent == start.c.id))
    query = select(tree, marks.c.v).join(marks, marks.c.id == tree.c.id)
    assert answers(shared.execute(scoped_statement(query, OURS))) == answers(alone.execute(query))


NOTE_IDS = select(notes.c.id)
INNER = select(notes).cte()


@pytest.mark.parametrize(
    "statement",
    [
        text("SELECT * FROM notes"),
        text("SELECT * FROM notes").columns(notes.c.id),
        select(text("SELECT id FROM notes").columns(notes.c.id).subquery()),
        select(text("*")).select_from(text("notes")),
        select(table("notes", column("tenant_id"))),
        select(loose),
        select(notes).where(notes.c.id == loose.c.id),
        select(notes).join(marks, marks.c.id == notes.c.id, full=True),
        select(notes).select_from(notes.join(marks, marks.c.id == notes.c.id, full=True)),
        insert(notes),
        select(notes).add_cte(insert(marks).values(id=1).cte("made")),
        update(notes).values(tenant_id="theirs"),
        update(notes).values({notes.c.project_id: "p2"}),
        update(notes).ordered_values((notes.c.tenant_id, "theirs")),
        update(notes).where(notes.c.id == INNER.c.id).values(v=1),
        delete(notes).where(notes.c.id == INNER.c.id),
        update(loose).values(id=1),
    ],
)
def test_what_cannot_be_limited_is_refused(statement: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        scoped_statement(statement, OURS)


def test_listed_values_and_functions_are_nobodys_rows(shared: Connection) -> None:
    listed = values(column("id", Integer), name="listed").data([(1,), (2,)]).cte()
    query = select(notes.c.id).join(listed, listed.c.id == notes.c.id)
    assert answers(shared.execute(scoped_statement(query, OURS))) == [(1,), (2,)]
    each = func.json_each(literal("[1, 2, 9]")).table_valued("value")
    assert answers(shared.execute(scoped_statement(select(each.c.value), OURS))) == [(1,), (2,), (9,)]


def test_a_project_may_be_changed_by_the_tenant_as_a_whole() -> None:
    scoped_statement(update(notes).values(project_id="p2"), Scope(tenant_id="ours"))


def test_rows_get_the_scopes_tenant_and_project() -> None:
    assert scoped_insert(insert(notes), {"id": 1}, OURS) == {"id": 1, "tenant_id": "ours", "project_id": "p1"}
    assert scoped_insert(insert(marks), [{"id": 1}], OURS) == [{"id": 1, "tenant_id": "ours"}]
    tenant = Scope(tenant_id="ours")
    assert scoped_insert(insert(notes), {"project_id": "p2"}, tenant) == {"tenant_id": "ours", "project_id": "p2"}


KEY = ["tenant_id", "project_id", "id"]


@pytest.mark.parametrize(
    ("statement", "row"),
    [
        (insert(notes), {"tenant_id": "theirs"}),
        (insert(notes), {"project_id": "p2"}),
        (insert(notes).values(tenant_id="theirs"), {"id": 1}),
        (insert(notes).from_select(["id"], NOTE_IDS), {"id": 1}),
        (insert(loose), {"id": 1}),
        (sqlite.insert(notes).on_conflict_do_update(index_elements=["id"], set_={"v": 1}), {"id": 1}),
        (postgresql.insert(notes).on_conflict_do_update(constraint="pk_notes", set_={"v": 1}), {"id": 1}),
        (sqlite.insert(notes).on_conflict_do_update(index_elements=KEY, set_={"tenant_id": "x"}), {"id": 1}),
    ],
)
def test_a_row_for_somebody_else_is_refused(statement: Any, row: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        scoped_insert(statement, row, OURS)


@pytest.mark.parametrize("dialect", [sqlite, postgresql])
def test_an_upsert_by_a_key_that_holds_the_tenant_passes(dialect: Any) -> None:
    upsert = dialect.insert(notes).on_conflict_do_update(index_elements=KEY, set_={"v": 1})
    scoped_insert(upsert, {"id": 1}, OURS)
    scoped_insert(dialect.insert(notes).on_conflict_do_nothing(), {"id": 1}, OURS)

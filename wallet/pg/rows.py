"""Records of a statement as things with names: a column more or less is an error, never a shift."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

from psycopg import Cursor
from psycopg.rows import RowFactory

T = TypeVar("T")


def by_name(made: Callable[..., T]) -> RowFactory[T]:
    """Makes one of each record, whose columns are named as the parameters of ``made``.

    Sums of integers, which PostgreSQL widens to numeric, are integers again.
    """

    def factory(cursor: Cursor[Any]) -> Callable[[Any], T]:
        names = [column.name for column in cursor.description or ()]

        def make(values: Any) -> T:
            whole = (int(value) if isinstance(value, Decimal) else value for value in values)
            return made(**dict(zip(names, whole, strict=True)))

        return make

    return factory

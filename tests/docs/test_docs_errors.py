"""docs/errors.md is the table of problems."""

from tests.docs.errors_page import PAGE, page


def test_the_page_of_errors_is_what_the_table_of_problems_makes() -> None:
    assert PAGE.read_text() == page(), "run `python -m tests.docs.errors_page`"

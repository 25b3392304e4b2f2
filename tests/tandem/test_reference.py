"""The generated reference says what the code says."""

import csv
from pathlib import Path

import pytest

from tandem.reference import every_route, pages

pytestmark = pytest.mark.unit

FOLDER = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize("name", sorted(pages(FOLDER)))
def test_a_generated_page_is_up_to_date(name: str) -> None:
    assert (FOLDER / name).read_text() == pages(FOLDER)[name], "run `make docs`"


def test_every_acs_route_is_in_the_list_of_acs_operations() -> None:
    with (FOLDER / "acs-operations.csv").open(newline="") as file:
        listed = {(row["method"], row["path"]) for row in csv.DictReader(file)}
    ours = {(route.method, route.template) for route in every_route() if route.versions}
    assert ours <= listed


def test_what_is_not_supported_says_why() -> None:
    ours = {(route.method, route.template) for route in every_route()}
    with (FOLDER / "acs-operations.csv").open(newline="") as file:
        silent = [
            row
            for row in csv.DictReader(file)
            if (row["method"], row["path"]) not in ours and not row["why_not"]
        ]
    assert silent == []

"""api-version."""

import pytest

from telephony.kernel.http.versions import (
    MissingApiVersion,
    UnsupportedApiVersion,
    all_versions,
    check_version,
)

pytestmark = pytest.mark.unit
KNOWN = ("2021-03-07", "2026-01-23")


def test_a_known_version_passes() -> None:
    assert check_version(KNOWN, {"api-version": "2021-03-07"}) == "2021-03-07"


def test_an_operation_without_versions_asks_for_none() -> None:
    assert check_version((), {}) == ""


@pytest.mark.parametrize("query", [{}, {"api-version": ""}])
def test_a_missing_version_is_named(query: dict[str, str]) -> None:
    with pytest.raises(MissingApiVersion) as refused:
        check_version(KNOWN, query)
    assert (refused.value.status, refused.value.code) == (400, "MissingApiVersionParameter")
    assert refused.value.target == "api-version"


def test_an_unknown_version_is_told_the_known_ones() -> None:
    with pytest.raises(UnsupportedApiVersion) as refused:
        check_version(KNOWN, {"api-version": "2020-01-01"})
    assert (refused.value.status, refused.value.code) == (400, "UnsupportedApiVersionValue")
    assert "2021-03-07, 2026-01-23" in refused.value.message


def test_versions_of_several_operations_are_sorted_by_date() -> None:
    assert all_versions([("2026-01-23",), KNOWN, ()]) == KNOWN

"""JSON Merge Patch."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.kernel.errors import InvalidRequest
from telephony.kernel.http.merge_patch import MAX_DEPTH, Json, merge_patch

pytestmark = pytest.mark.unit

RFC_7396_APPENDIX_A: list[tuple[Json, Json, Json]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "result"), RFC_7396_APPENDIX_A)
def test_the_standards_own_examples(target: Json, patch: Json, result: Json) -> None:
    assert merge_patch(target, patch) == result


LEAVES = st.booleans() | st.integers() | st.text(max_size=3)
VALUES = st.recursive(
    LEAVES | st.none(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=10,
)
DOCUMENTS = st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=4)


@given(DOCUMENTS, DOCUMENTS)
def test_a_patch_twice_is_a_patch_once_and_nothing_handed_in_changes(target: Json, patch: Json) -> None:
    before, asked = copy.deepcopy(target), copy.deepcopy(patch)
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once
    assert (target, patch) == (before, asked)


@given(DOCUMENTS)
def test_an_empty_patch_changes_nothing(target: Json) -> None:
    assert merge_patch(target, {}) == target


@given(DOCUMENTS)
def test_no_null_of_a_patch_gets_into_an_object(patch: Json) -> None:
    def nulls(value: Json) -> bool:
        return isinstance(value, dict) and any(item is None or nulls(item) for item in value.values())

    assert not nulls(merge_patch({}, patch))


def test_a_patch_nested_too_deeply_is_refused() -> None:
    patch: Json = {}
    for _ in range(MAX_DEPTH + 2):
        patch = {"a": patch}
    with pytest.raises(InvalidRequest):
        merge_patch({}, patch)

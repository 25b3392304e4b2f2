"""What a patch makes of a configuration."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.kernel.http.errors import Explained
from telephony.kernel.http.merge_patch import merge_patch
from telephony.routing.sip_configuration.configuration import EMPTY, Domain, Route, SipConfiguration, Trunk
from telephony.routing.sip_configuration.patch import patched, touched
from telephony.routing.sip_configuration.wire import SipConfigurationUpdate

pytestmark = pytest.mark.unit

KEPT = SipConfiguration(
    {"contoso.com": Domain()},
    {"a.contoso.com": Trunk(1, privacy_header="ID"), "b.contoso.com": Trunk(2), "c.fabrikam.com": Trunk(3)},
    (Route("first", "1"), Route("second", "2")),
)


def update(patch: Any) -> SipConfigurationUpdate:
    return msgspec.convert(patch, SipConfigurationUpdate)


def code(refused: pytest.ExceptionInfo[Explained]) -> tuple[int, str]:
    return refused.value.status, refused.value.inner.code


def test_null_deletes_and_what_is_not_named_stays() -> None:
    after = patched(KEPT, update({"trunks": {"b.contoso.com": None, "unknown.contoso.com": None}}))
    assert list(after.trunks) == ["a.contoso.com", "c.fabrikam.com"]
    assert (after.domains, after.routes) == (KEPT.domains, KEPT.routes)


def test_a_trunk_is_merged_and_a_null_within_is_the_default() -> None:
    patch = update(
        {
            "trunks": {
                "a.contoso.com": {"enabled": False},
                "b.contoso.com": {"sipSignalingPort": 22, "ipAddressVersion": "IPv6"},
            }
        }
    )
    after = patched(KEPT, patch)
    assert after.trunks["a.contoso.com"] == Trunk(1, enabled=False, privacy_header="ID")
    assert after.trunks["b.contoso.com"] == Trunk(22, ip_address_version="IPv6")
    again = patched(after, update({"trunks": {"a.contoso.com": {"enabled": None, "privacyHeader": None}}}))
    assert again.trunks["a.contoso.com"] == Trunk(1)


def test_routes_are_replaced_as_a_whole_in_their_order() -> None:
    after = patched(
        KEPT, update({"routes": [{"name": "z", "numberPattern": "9"}, {"name": "a", "numberPattern": "8"}]})
    )
    assert after.routes == (Route("z", "9"), Route("a", "8"))
    assert patched(KEPT, update({"routes": []})).routes == ()
    assert patched(KEPT, update({"routes": None})).routes == ()


def test_null_instead_of_a_map_empties_it() -> None:
    after = patched(KEPT, update({"trunks": None, "domains": None}))
    assert (after.trunks, after.domains, after.routes) == ({}, {}, KEPT.routes)


@pytest.mark.parametrize("patch", [{}, {"trunks": {}}, {"domains": {}, "trunks": {}}, {"health": 1}])
def test_a_patch_without_data_is_refused(patch: Any) -> None:
    with pytest.raises(Explained) as refused:
        patched(KEPT, update(patch))
    assert code(refused) == (422, "EmptyPatch")


def test_a_name_is_the_same_in_any_case_and_the_last_spelling_stands_in_its_place() -> None:
    after = patched(KEPT, update({"trunks": {"B.CONTOSO.COM": {"enabled": False}}}))
    assert list(after.trunks) == ["a.contoso.com", "B.CONTOSO.COM", "c.fabrikam.com"]
    assert after.trunks["B.CONTOSO.COM"] == Trunk(2, enabled=False)
    assert list(patched(after, update({"trunks": {"b.contoso.com": None}})).trunks) == [
        "a.contoso.com",
        "c.fabrikam.com",
    ]


def test_a_name_that_is_deleted_and_set_in_another_case_is_set() -> None:
    patch = update({"trunks": {"B.contoso.com": {"sipSignalingPort": 9}, "b.contoso.com": None}})
    assert patched(KEPT, patch).trunks["B.contoso.com"] == Trunk(9)


@pytest.mark.parametrize("field", ["trunks", "domains"])
def test_a_name_that_is_set_twice_is_refused(field: str) -> None:
    with pytest.raises(Explained) as refused:
        patched(KEPT, update({field: {"x.contoso.com": {}, "X.contoso.com": {}}}))
    assert code(refused) == (400, "DuplicatedTrunk" if field == "trunks" else "DuplicatedDomain")


def test_a_domain_with_trunks_stays_until_they_are_gone() -> None:
    with pytest.raises(Explained, match=r"The trunk a\.contoso\.com is in it") as refused:
        patched(KEPT, update({"domains": {"contoso.com": None}}))
    assert code(refused) == (422, "DomainInUse")
    gone = {"domains": {"contoso.com": None}, "trunks": {"a.contoso.com": None, "b.contoso.com": None}}
    assert patched(KEPT, update(gone)).domains == {}
    moved = {"domains": {"contoso.com": None, "com": {"enabled": True}}}
    assert list(patched(KEPT, update(moved)).domains) == ["com"]  # they are in that one too


def test_an_audit_record_shows_what_a_patch_is_about() -> None:
    patch = update({"trunks": {"A.contoso.com": {"sipSignalingPort": 9}, "new.contoso.com": None}})
    assert touched(KEPT, patch) == {"trunks": {"a.contoso.com": KEPT.trunks["a.contoso.com"]}}
    assert touched(KEPT, update({"routes": None, "trunks": None})) == {
        "trunks": KEPT.trunks,
        "routes": KEPT.routes,
    }


_names = st.sampled_from(["a.b", "c.d", "e.f.g"])
_trunks = st.fixed_dictionaries(
    {},
    optional={
        "sipSignalingPort": st.integers(1, 65535),
        "enabled": st.booleans(),
        "stepOutOfSignaling": st.none() | st.booleans(),
        "privacyHeader": st.sampled_from(["ID", "None", None]),
    },
)
_patches = st.fixed_dictionaries(
    {"trunks": st.dictionaries(_names, st.none() | _trunks, min_size=1)},
    optional={
        "routes": st.lists(
            st.fixed_dictionaries({"name": st.text(max_size=3), "numberPattern": st.just("1")}), max_size=3
        )
    },
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_patches, max_size=5))
def test_patches_one_after_another_are_a_merge_patch_of_the_document(patches: list[Any]) -> None:
    configuration, document = EMPTY, {"domains": {}, "trunks": {}, "routes": []}
    for patch in patches:
        configuration = patched(configuration, update(patch))
        document = merge_patch(document, patch)  # type: ignore[assignment,arg-type]
        for each in document["trunks"].values():  # type: ignore[attr-defined]
            each.setdefault("sipSignalingPort", 0)
    assert configuration == msgspec.convert(document, SipConfiguration)

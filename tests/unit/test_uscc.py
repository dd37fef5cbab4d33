"""Goal: a code is refused exactly when it is wrong, and the reason says where.

Method: the published vectors (GB 32100-2015), then properties of the two checksums over codes made
by the module itself: mod 31 with powers of 3 catches every change of one character and every swap
of two, but for positions 1 and 18 whose weights are equal.
"""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from models.uscc import (
    ALPHABET,
    AUTHORITIES,
    CATEGORIES,
    check,
    check_character,
    normalise,
    organisation_check,
)

VALID = ("91350100M000100Y43", "91110000600037341L", "91110108551385082Q")


def make(authority: str, category: str, region: str, body: str) -> str:
    first17 = authority + category + region + body + organisation_check(body)
    return first17 + check_character(first17)


codes = st.builds(
    make,
    st.sampled_from(AUTHORITIES),
    st.sampled_from(CATEGORIES),
    st.text("0123456789", min_size=6, max_size=6),
    st.text(ALPHABET, min_size=8, max_size=8),
)


@pytest.mark.parametrize("code", VALID)
def test_published_codes_are_valid(code: str) -> None:
    assert check(code) is None
    assert check_character(code[:17]) == code[17]
    assert organisation_check(code[8:16]) == code[16]


@pytest.mark.parametrize("authority", "ANY")
def test_letter_coded_authorities_are_valid(authority: str) -> None:
    assert check(make(authority, "1", "500106", "MF012345")) is None


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("", "length is 0: must be 18"),
        ("91350100M000100Y4", "length is 17: must be 18"),
        ("91350100M000100Y4Z", f"position 18 is 'Z': must be one of {ALPHABET}"),
        ("91350100M0O0100Y43", f"position 11 is 'O': must be one of {ALPHABET}"),
        ("91350100m000100Y43", f"position 9 is 'm': must be one of {ALPHABET}"),
        ("９1350100M000100Y43", f"position 1 is '９': must be one of {ALPHABET}"),
        ("91350100M000100Y4企", f"position 18 is '企': must be one of {ALPHABET}"),
        ("91350100M000100Y4A", "position 18 is 'A': the GB 32100 check character must be '3'"),
        ("B1350100M000100Y43", "position 1 is 'B': the registering authority must be one of"),
        ("90350100M000100Y43", "position 2 is '0': the category must be one of 123456789"),
        ("9135A100M000100Y43", "position 5 is 'A': the region (GB/T 2260) must be digits"),
    ],
)
def test_reason_names_position_and_allowed(code: str, reason: str) -> None:
    found = check(code)
    assert found is not None
    assert found.startswith(reason)


def test_inner_check_character_is_checked_on_its_own() -> None:
    first17 = "91350100M000100Y5"
    found = check(first17 + check_character(first17))
    assert found == "position 17 is '5': the GB 11714 check character must be '4'"


@pytest.mark.parametrize(
    ("remainder_body", "expected"),
    [("00000000", "0"), ("00000006", "X"), ("00000005", "1"), ("40000000", "X")],
)
def test_organisation_check_of_ten_is_x_and_of_eleven_is_0(
    remainder_body: str, expected: str
) -> None:
    assert organisation_check(remainder_body) == expected


@pytest.mark.parametrize("bad", ["1234567", "1234567a", "1234567-", "123456７8"])
def test_organisation_check_asserts_on_impossible_input(bad: str) -> None:
    with pytest.raises(AssertionError):
        organisation_check(bad)
    with pytest.raises(AssertionError):
        check_character(bad)


def test_normalise() -> None:
    assert normalise("\u3000 91350100m000100y43\n") == VALID[0]
    assert normalise("９１３５０１００Ｍ０００１００Ｙ４３") == VALID[0]
    assert normalise("91350100M0OO100Y43") == "91350100M0OO100Y43"


@given(codes)
def test_made_codes_are_valid_and_normal(code: str) -> None:
    assert check(code) is None
    assert normalise(code) == code


@given(codes, st.integers(0, 17), st.sampled_from(ALPHABET))
def test_any_changed_character_is_caught_by_mod_31(code: str, at: int, other: str) -> None:
    assume(code[at] != other)
    changed = code[:at] + other + code[at + 1 :]
    assert check_character(changed[:17]) != changed[17]
    assert check(changed) is not None


@given(codes, st.integers(0, 17), st.integers(0, 17))
def test_swapped_characters_are_caught(code: str, a: int, b: int) -> None:
    assume(code[a] != code[b] and {a, b} != {0, 17})
    swapped = list(code)
    swapped[a], swapped[b] = swapped[b], swapped[a]
    changed = "".join(swapped)
    assert check_character(changed[:17]) != changed[17]
    assert check(changed) is not None


@given(st.text(max_size=20))
def test_never_raises(text: str) -> None:
    assert check(normalise(text)) is None or isinstance(check(text), str)

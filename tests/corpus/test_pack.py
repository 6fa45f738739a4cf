from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontogeny.corpus.layout import NO_TARGET, SCENE, code_of, role_weights, row_digest, trunk_weights
from ontogeny.corpus.pack import Packer, Part, RowWriter, fills_of, next_fit


def part(count, code=0, kind=0, source=0, skip=0):
    return Part(np.arange(1, count + 1, dtype=np.int32), np.full(count, code, np.uint8), kind, source, 0, count, skip)


@pytest.fixture
def packer(tmp_path):
    return Packer(RowWriter(tmp_path, "", 10, np.dtype("<u2"), trunk_weights({"attempt": 0.0, "repair": 2.0})), 10, 0)


def packs_of(packer, folder):
    packer.close()
    return np.fromfile(folder / "ids.bin", dtype="<u2").reshape(-1, 10), np.load(folder / "segments.npy")


def test_text_flows_on_without_loss(packer, tmp_path):
    packer.add(part(14))
    packer.add(part(7))
    ids, segments = packs_of(packer, tmp_path)
    assert ids.tolist() == [[0, *range(1, 10)], [0, *range(10, 15), *range(1, 5)], [0, 5, 6, 7, 0, 0, 0, 0, 0, 0]]
    assert segments[["pack", "first_token", "tokens", "skip"]].tolist() == [
        (0, 1, 9, 0),
        (1, 1, 5, 9),
        (1, 6, 4, 0),
        (2, 1, 3, 4),
    ]
    assert (packer.tokens, packer.padding_tokens) == (21, 6)


def test_a_full_pack_is_not_followed_by_an_empty_one(packer, tmp_path):
    packer.add(part(18))
    ids, _ = packs_of(packer, tmp_path)
    assert len(ids) == 2 and packer.padding_tokens == 0


def test_a_unit_is_not_cut_where_it_fits_in_a_pack(packer, tmp_path):
    packer.add(part(4))
    assert packer.add_unit([[part(3)], [part(2, kind=SCENE), part(1, kind=SCENE, skip=2)]]) == (1, 1)
    ids, segments = packs_of(packer, tmp_path)
    assert ids[0].tolist() == [0, 1, 2, 3, 4, 0, 0, 0, 0, 0] and packer.padding_tokens == 5 + 3
    assert segments[2][["first_token", "tokens"]].tolist() == (4, 3)  # a scene's turns in one pack are one segment
    assert (packer.cut_units, packer.cut_turns) == (0, 0)


def test_a_unit_that_just_fits_stays_in_its_pack(packer):
    packer.add(part(4))
    assert packer.add_unit([[part(5)]]) == (0, 5)


def test_a_long_unit_is_cut_between_turns_and_a_long_turn_anywhere(packer, tmp_path):
    packer.add_unit([[part(6)], [part(5)], [part(12)]])
    ids, _ = packs_of(packer, tmp_path)
    assert ids.tolist() == [[0, *range(1, 7), 0, 0, 0], [0, *range(1, 6), *range(1, 5)], [0, *range(5, 13), 0]]
    assert (packer.cut_units, packer.cut_turns) == (1, 1)


def test_codes_and_weights():
    roles = ("student", "teacher")
    attempt, repair = code_of("attempt", "student", roles), code_of("repair", "student", roles)
    trunk = trunk_weights({"attempt": 0.25, "repair": 2.0})
    assert (trunk[0], trunk[attempt], trunk[repair], trunk[NO_TARGET]) == (1.0, 0.25, 2.0, 0.0)
    student = role_weights(0)
    assert (student[0], student[attempt], student[repair], student[NO_TARGET]) == (0, 0, 1, 0)
    assert role_weights(1)[code_of("question", "teacher", roles)] == 1 and role_weights(1)[repair] == 0


def test_the_digest_is_of_little_endian_int32_and_float32():
    import hashlib

    expected = hashlib.sha256(b"\x01\0\0\0\x02\0\0\0" + b"\0\0\0\0\0\0\x80\x3f").digest()
    assert row_digest(np.array([1, 2], np.uint16), np.array([0, 1], np.float64)) == expected


SIZES = st.integers(1, 14)
STEPS = st.lists(
    st.one_of(
        SIZES.map(lambda text: (text,)),
        st.tuples(st.integers(0, 14), st.lists(SIZES, min_size=1, max_size=4)).map(lambda unit: (unit[0], *unit[1])),
    ),
    min_size=1,
    max_size=30,
)


class Fills:
    """A writer that keeps how many tokens each pack holds."""

    def __init__(self):
        self.fills = []

    @property
    def rows(self):
        return len(self.fills)

    def add(self, ids_T, codes_T):
        self.fills.append(int((codes_T != NO_TARGET).sum()))

    def note(self, segment):
        pass

    def close(self):
        pass


def packed(steps, fills=None):
    writer = Fills()
    packer = Packer(writer, 11, 0)
    packer.fills = fills
    for text, *turns in steps:
        if turns:
            packer.add_unit([[part(text)] if text else [], *[[part(size)] for size in turns]])
        else:
            packer.add(part(text))
    packer.close()
    return writer.fills, packer


@given(STEPS)
def test_next_fit_tells_what_a_packer_does(steps):
    assert next_fit(steps, 10)[0] == packed(steps)[0]


@given(STEPS, st.integers(-6, 6))
def test_packs_can_be_as_many_as_is_asked(steps, more):
    total, usual = sum(map(sum, steps)), len(next_fit(steps, 10)[0])
    fills = fills_of(steps, 10, usual + more)
    if not -(-total // 10) <= usual + more <= total:
        assert fills is None
        return
    assert len(fills) == usual + more and sum(fills) == total and all(0 < count <= 10 for count in fills)
    assert packed(steps, fills)[0] == fills
    if not more:
        assert fills == next_fit(steps, 10)[0]


def test_a_scene_stands_in_two_packs_only_where_it_must():
    steps = [(4,), (4, 2, 2), (3,)]
    assert next_fit(steps, 10) == ([4, 10, 1], [False, True, False])
    assert fills_of(steps, 10, 2) == [8, 7] and packed(steps, [8, 7])[1].parted_units == 1
    assert fills_of(steps, 10, 4) == [2, 2, 10, 1] and packed(steps, [2, 2, 10, 1])[1].parted_units == 0

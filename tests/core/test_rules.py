"""Rules that join keys: each told once, where it is broken, with the nearest name; and all of them in one go."""

from __future__ import annotations

import pytest

from ontogeny.core.errors import LibraryError
from ontogeny.core.library import load_library, restricts

GATE = "    span: {tokens: 4000}\n    gate: "


@pytest.mark.parametrize(
    ("pair", "what", "piece", "got", "expected"),
    [
        (
            ("[owl]", "[owll]"),
            "stage 'second' names a book the library does not have.",
            "owll",
            "'owll'",
            "closest: 'owl'",
        ),
        (
            ("name: second", "name: first"),
            "two stages have the name 'first'.",
            "first\n    span: {books",
            "'first' (also stages[0])",
            "a name of its own",
        ),
        (
            ("batch_tokens: 256", "batch_tokens: 250"),
            "a batch is not a whole number of packs.",
            "250",
            "250",
            "a multiple of model.context_tokens (64)",
        ),
        (
            ("batch_tokens: 128}", "batch_tokens: 100}"),
            "a batch is not a whole number of packs.",
            "100}",
            "100",
            "(64)",
        ),
        (
            ("  critic:", "  narrator:"),
            "'narrator' is not a role's name.",
            "{rank: 4, alpha: 8, learning_rate: 2.0e-3, batch_tokens: 128}\n",
            "'narrator'",
            "other than",
        ),
        (
            ("name: second", "name: second\n    scenes: {every_tokens: 9, kinds: [conflict]}"),
            "conflict scenes are asked for, and none stand near.",
            "{every_tokens: 9",
            "use: None",
            "scenes.yaml",
        ),
        (
            ("name: second", "name: second\n    roles: {criti: {rank: 2}}"),
            "stage 'second' speaks of a role nobody defined.",
            "{rank: 2}",
            "'criti'",
            "closest: 'critic'",
        ),
        (
            ("    span: {tokens: 4000}", GATE + "{probe: bits_per_byte, on: secnd, below: 2}"),
            "a gate looks at a stage that does not exist.",
            "secnd",
            "'secnd'",
            "closest: 'second'",
        ),
        (
            ("    span: {tokens: 4000}", GATE + "{probe: conflict_resolution, on: first, subject: studnt, above: 0.5}"),
            "a gate looks at a role nobody defined.",
            "studnt",
            "'studnt'",
            "closest: 'student'",
        ),
        (
            ("    span: {tokens: 4000}", GATE + "{probe: bits_per_byte, on: first, subject: student, below: 2}"),
            "a gate asks of a role what is not measured of roles.",
            "{probe: bits",
            "on 'first'",
            "conflict_resolution on 'first'",
        ),
        (
            (
                "    span: {tokens: 4000}",
                GATE + "{probe: conflict_resolution, on: second, subject: student, above: 0.5}",
            ),
            "a gate asks of a role what is not measured of roles.",
            "{probe: conf",
            "on 'second'",
            "conflict_resolution on 'first'",
        ),
        (
            (
                "    span: {tokens: 4000}",
                GATE + "{probe: bits_per_byte, on: first, below: 2}\n    probes: {battery: [unprompted]}",
            ),
            "a gate looks at a probe that the stage does not measure.",
            "bits_per_byte",
            "'bits_per_byte'",
            "unprompted",
        ),
        (
            ("    span: {tokens: 4000}", "    span: {tokens: 4000}\n    probes: {battery: [bits_per_bite]}"),
            "a probe 'bits_per_bite' does not exist.",
            "bits_per_bite",
            "'bits_per_bite'",
            "closest: 'bits_per_byte'",
        ),
    ],
)
def test_each_rule(project, one_fault, pair, what, piece, got, expected):
    fault = one_fault(pair)
    assert fault.what == what
    assert fault.where.split()[0] == project.place(piece, of=pair[1].strip()[:12] if piece in pair[1] else "")
    assert got in fault.got and expected in fault.expected and fault.fix


@pytest.mark.parametrize(
    ("pair", "what", "piece", "expected"),
    [
        (("seed: 3", "seed: -3"), "'seed' does not fit.", "-3", "greater than or equal to 0"),
        (("seed: 3", "seed: '3'"), "'seed' does not fit.", "'3'", "a valid integer"),
        (
            ("learning_rate: 1.0e-3", "learning_rate: '1.0e-3'"),
            "'learning_rate' does not fit.",
            "'1.0e-3'",
            "a valid number",
        ),
        (("learning_rate: 1.0e-3", "learning_rate: true"), "'learning_rate' does not fit.", "true", "a valid number"),
        (("{tokens: 4000}", "{token: 4000}"), "unknown key 'token'.", "token: 4000", "closest: 'tokens'"),
        (("{tokens: 4000}", "{tokens: -4000}"), "'tokens' does not fit.", "-4000", "greater than 0"),
        (("{tokens: 4000}", "{tokens: 4000, epochs: 2}"), "'span' does not fit.", "{tokens: 4000,", "exactly one of"),
        (("{tokens: 4000}", "4000"), "'span' does not fit.", "4000", "a valid dictionary"),
        (("{tokens: 4000}", "{tokens: 4.5}"), "'tokens' does not fit.", "4.5", "a valid integer"),
        (("seed: 3\n", ""), "'seed' is missing.", "genome.yaml", "the key 'seed'"),
        (("machine: {ranks: 1}", "machine: {rank: 1}"), "unknown key 'rank'.", "rank: 1}", "closest: 'ranks'"),
        (
            ("machine: {ranks: 1}", "machine: {deepspeed: {optimizer: {}}}"),
            "'machine' does not fit.",
            "{deepspeed",
            "may not set optimizer",
        ),
        (
            ("machine: {ranks: 1}", "machine: {deepspeed: {zero_optimization: {stage: 1}}}"),
            "'machine' does not fit.",
            "{deepspeed",
            "zero_optimization.stage",
        ),
        (("machine: {ranks: 1}", "machine: {zero_stage: 4}"), "'zero_stage' does not fit.", "4}", "0, 1, 2 or 3"),
        (("update: full,", "update: full, rank: 3,"), "'trunk' does not fit.", "{update", "belong to update: lora"),
        (("update: full,", "update: lora, rank: 3,"), "'trunk' does not fit.", "{update", "needs rank and alpha"),
        (("vocab_size: 300", "vocab_size: 30"), "'vocab_size' does not fit.", "30}", "greater than or equal to 300"),
        (
            ("{train: bpe, vocab_size: 300}", "{pretrained: ''}"),
            "'pretrained' does not fit.",
            "''",
            "at least 1 character",
        ),
        (
            ("{train: bpe, vocab_size: 300}", "{pretrained: x, vocab_size: 3}"),
            "unknown key 'vocab_size'.",
            "vocab_size",
            "pretrained",
        ),
        (
            ("base: scratch", "base: some/model"),
            "'model' does not fit.",
            "base: some",
            "architecture is for base: scratch",
        ),
        (("{type: llama, hidden_size", "{hidden_size"), "'model' does not fit.", "base: scratch", "needs architecture"),
        (("span: {epochs: 1}", "layers: []"), "'layers' does not fit.", "[]", "at least 1 item"),
        (("span: {epochs: 1}", "layers: [-1]"), "'layers[0]' does not fit.", "-1]", "greater than or equal to 0"),
        (("name: tiny", "name: ../tiny"), "'name' does not fit.", "../tiny", "match pattern"),
        (("name: tiny", f"name: {'x' * 300}"), "'name' does not fit.", "xxx", "at most 80"),
    ],
)
def test_each_kind_of_misfit(project, one_fault, pair, what, piece, expected):
    fault = one_fault(pair)
    assert fault.what == what
    assert fault.where.split()[0] == (
        piece if piece == "genome.yaml" else project.place(piece, of=pair[1] if piece in pair[1] else "")
    )
    assert expected in fault.expected, fault.expected


def test_eight_faults_in_one_go_each_with_its_own_place(project):
    project.change(
        ("seed: 3", "seed: -3"),
        ("learning_rate: 1.0e-3", "learning_rte: 1.0e-3"),
        ("{tokens: 4000}", "{tokens: 4_000}"),
        ("[owl]", "[owll]"),
        ("hidden_size: 32", "hidden_size: '${x}'"),
    )
    assert len(project.faults()) == 1  # a number that is none is told before anything is composed
    project.change(
        ("{tokens: 4_000}", "{pages: 9}"),
        ("batch_tokens: 128}", "batch_tokens: 100}"),
        ("name: second", "name: second\n    probes: {battery: [bits]}"),
    )
    project.change(("[fox, crow]", "[fax, crow]"), file="stages/first/stage.yaml")
    found = {fault.where.split()[0]: fault.what for fault in project.faults("machine.rnks=3")}
    expected = {
        project.place("-3"): "'seed' does not fit.",
        project.place("learning_rte"): "unknown key 'learning_rte'.",
        project.place("pages: 9"): "unknown key 'pages'.",
        project.place("owll"): "stage 'second' names",
        project.place("'${x}'"): "a genome reads nothing",
        project.place("100}"): "a batch is not",
        project.place("bits]"): "a probe 'bits' does not exist.",
        project.place("fax", "stages/first/stage.yaml"): "stage 'first' names a book",
        "command": "unknown key 'rnks'.",
        project.place("{update"): "'learning_rate' is missing.",
    }
    assert found.keys() == expected.keys()
    assert all(found[place].startswith(what) for place, what in expected.items()), found
    assert len(project.faults("machine.rnks=3")) == len(expected)


def test_two_missing_keys_are_two_faults(project):
    project.change(
        ("{rank: 4, alpha: 8, learning_rate: 2.0e-3, batch_tokens: 128}", "{alpha: 8, learning_rate: 2.0e-3}")
    )
    assert sorted(fault.what for fault in project.faults()) == ["'batch_tokens' is missing.", "'rank' is missing."]


def test_more_roles_than_speakers(project):
    role = "{rank: 4, alpha: 8, learning_rate: 2.0e-3, batch_tokens: 128}"
    project.change(("  critic:", "".join(f"  r{i}: {role}\n" for i in range(29)) + "  critic:"))
    (fault,) = project.faults()
    assert fault.what == "too many roles." and fault.got == "31"


def test_faults_of_a_catalogue(project):
    project.change(
        ("    author: Nobody\n    language: fr", "    author: Nobody\n    langage: fr"), file="stages/library.yaml"
    )
    with pytest.raises(LibraryError) as caught:
        load_library(project.root)
    wheres = {fault.what: fault.where.split()[0] for fault in caught.value.faults}
    assert wheres == {
        "unknown key 'langage'.": project.place("langage", "stages/library.yaml"),
        "'language' is missing.": project.place('source: "file:books/chat', "stages/library.yaml"),
    }


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("- a\n", "a catalogue holds no books."),
        ("books: 3\n", "a catalogue holds no books."),
        ("books: {x: 3}\n", "book 'x' is not a mapping."),
        ("books: {'../x': {}}\n", "'id' does not fit."),
    ],
)
def test_catalogues_of_another_shape(project, text, what):
    extra = project.write("extra.yaml", text)
    assert what in [fault.what for fault in project.faults(catalogues=[extra])]


def test_further_catalogues(project):
    entry = (project.root / "stages/library.yaml").read_text("utf-8").split("  crow:")[0]
    extra = project.write("extra.yaml", entry.replace("  fox:", "  hen:"))
    library = load_library(project.root, (extra,))
    assert "hen" in library.entries and library.entries["hen"].id == "hen"
    assert library.places["hen"].startswith("extra.yaml:3:5")
    twice = project.write("twice.yaml", entry)
    assert project.faults(catalogues=[twice])[0].what == "two catalogues name a book 'fox'."
    stolen = project.write("stolen.yaml", entry.replace("  fox:", "  hen:") + "    id: owl\n")
    assert project.faults(catalogues=[stolen])[0].what == "unknown key 'id'."
    assert "cannot be read" in project.faults(catalogues=[project.root / "absent.yaml"])[0].what


@pytest.mark.parametrize(
    ("licence", "bound"),
    [
        ("CC-BY-SA-4.0", True),
        ("CC-BY-NC-4.0", True),
        ("GPL-3.0-or-later", True),
        ("LGPL-2.1", True),
        ("AGPL-3.0", True),
        ("(MIT OR GPL-2.0)", True),
        ("GFDL-1.3", True),
        ("CC-BY-4.0", False),
        ("MIT", False),
        ("Apache-2.0", False),
        ("LicenseRef-Public-Domain", False),
        ("CC0-1.0", False),
        ("BSD-3-Clause", False),
    ],
)
def test_which_licences_restrict(licence, bound):
    assert restricts(licence) is bound

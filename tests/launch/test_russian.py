"""A life in Russian on books that the user brings: planned, run, verified; without the books, refused by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ontogeny.core.hashes import file_sha256
from tests.launch.lives import ROOT, call, read_json

GENOME, CATALOGUE = "genome/skazka.yaml", "stages/russian.library.yaml"
BOOKS = ROOT.parent / "shared" / "books"
BROUGHT = {
    "skazka-o-rybake-i-rybke.txt": BOOKS / "1-primer" / "ruslit-skazka-o-rybake-i-rybke.txt",
    "istoriya-pugacheva.txt": BOOKS / "3-school" / "ruslit-istoriya-pugacheva.txt",
}
QUICK = ("model.architecture.num_hidden_layers=1", "stages.1.span.tokens=20000")


def library_root(folder: Path) -> Path:
    """A copy of what the project ships, without a book that anyone brought."""
    for name in ("stages", "genome"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("brought"))
    return folder


def lines_of(run: Path, stage: str, name: str) -> list[dict]:
    return [json.loads(line) for line in (run / "corpus" / stage / name).read_text("utf-8").splitlines()]


def test_books_that_were_not_brought_are_asked_for(tmp_path):
    root = library_root(tmp_path)
    for verb in ("plan", "run"):
        where = ("--out", tmp_path / "run") if verb == "run" else ()
        told = call(verb, root / GENOME, "--library", root / CATALOGUE, *where, code=2).stderr
        assert "Traceback" not in told and str(root / "stages/brought/skazka-o-rybake-i-rybke.txt") in told
        assert "'Сказка о рыбаке и рыбке' by Александр Пушкин" in told
    assert str(root / "stages/brought/istoriya-pugacheva.txt") in told  # a run tells both at once
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(not all(path.is_file() for path in BROUGHT.values()), reason="the books of shared/ are absent")
def test_a_russian_life(tmp_path):
    root, run = library_root(tmp_path / "root"), tmp_path / "skazka"
    (root / "stages/brought").mkdir()
    for name, path in BROUGHT.items():
        shutil.copyfile(path, root / "stages/brought" / name)
    told = (root / GENOME, "--library", root / CATALOGUE, *QUICK)
    plan = json.loads(call("plan", *told, "--json").stdout)
    assert plan["language"] == "ru" and [stage["name"] for stage in plan["stages"]] == ["ru-primer", "ru-school"]
    assert set(plan["roles"]) == {"student", "teacher", "critic", "reformulator"}

    call("run", *told, "--out", run)
    assert read_json(run, "outcome.json")["outcome"] == "done"
    assert "ru-school" in (run / "report.html").read_text("utf-8")
    call("verify", run)

    manifest = read_json(run, "corpus/manifest.json")
    assert manifest["books"][1]["raw_sha256"] == file_sha256(BROUGHT["istoriya-pugacheva.txt"])
    primer, school = manifest["stages"]
    assert primer["books"][0]["unread"] == []
    about_scenes = (
        "find no room",
        "no paragraph of the stage triggers",
    )  # there are more tensions than so short a tale
    assert all(any(words in told for words in about_scenes) for told in primer["warnings"])
    for stage, least in ((primer, 12), (school, 12)):
        placed = lines_of(run, stage["name"], "scenes.jsonl")
        conflicts = [scene for scene in placed if scene["kind"] == "conflict"]
        gaps = [scene for scene in placed if scene["kind"] == "gap"]
        assert {scene["language"] for scene in placed} == {"ru"}
        assert bool(gaps) == (stage is school)  # the tale's thirteen places are all taken by tensions
        assert sum(scene["matched"] for scene in conflicts) >= least
        assert all(scene["removed"] and scene["turns"][0][2].count("«") == 2 for scene in gaps)
        items = lines_of(run, stage["name"], "items.jsonl")
        assert [item for item in items if item["kind"] == "conflict" and item["context"].endswith("Ученик:")]
    scored = read_json(run, "stages/02-ru-school/probes.json")
    resolved = {row["on"] for row in scored if row["probe"] == "conflict_resolution" and row["n"] > 0}
    assert resolved == {"ru-primer", "ru-school"}

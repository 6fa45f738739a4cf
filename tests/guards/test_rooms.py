"""The import contract of pyproject.toml holds: a room imports only the rooms above it."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command; lint_imports_command()",
        "--no-cache",
        "--config",
        str(folder / "pyproject.toml"),
    ]
    return subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(folder), "NO_COLOR": "1"},
    )


def test_a_room_imports_only_rooms_above_it():
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 kept, 0 broken" in done.stdout


def test_the_contract_can_be_broken(tmp_path):
    """The same contract over a copy in which core and report import what they may not."""
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    for path in (ROOT / "ontogeny").rglob("*.py"):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    for name, line in (
        ("core/units.py", "def late():\n    import ontogeny.corpus.pack\n"),
        ("report/card.py", "import ontogeny.corpus.clean\n"),
    ):
        with open(tmp_path / "ontogeny" / name, "a", encoding="utf-8") as file:
            file.write(line)
    done = lint(tmp_path)
    assert done.returncode == 1
    assert "ontogeny.core is not allowed to import ontogeny.corpus" in done.stdout
    assert "ontogeny.report is not allowed to import ontogeny.corpus" in done.stdout


def test_every_room_is_in_the_contract():
    rooms = {path.parent.name for path in (ROOT / "ontogeny").glob("*/__init__.py")}
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"][0]
    listed = {room.strip(" ()") for layer in contract["layers"] for room in layer.split("|")}
    assert rooms <= listed and contract["exhaustive"]

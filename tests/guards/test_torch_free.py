"""What starts fast stays fast: no torch in core, scenes, corpus, report, search, nor in `ontogeny --help`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "deepspeed", "peft")
TOLD = f"\nimport sys\nprint(*(name for name in {HEAVY} if name in sys.modules))\n"


def modules_of(room: str) -> list[str]:
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in (ROOT / "ontogeny" / room).rglob("*.py")
    ]
    return sorted(name.removesuffix(".__init__") for name in names)


def loaded(code: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code + TOLD], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].split()


@pytest.mark.parametrize("room", ["core", "scenes", "corpus", "report", "search"])
def test_a_room_without_torch(room):
    names = modules_of(room)
    assert len(names) > 3
    assert loaded("import ontogeny\n" + "\n".join(f"import {name}" for name in names)) == []


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["run", "--help"], ["genome", "schema"], ["library", "list"], ["scenes", "list"]],
)
def test_a_light_verb_loads_no_torch(arguments, monkeypatch):
    monkeypatch.chdir(ROOT)
    code = (
        f"import sys\nsys.argv = ['ontogeny', *{arguments}]\nfrom ontogeny.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
    )
    assert loaded(code) == []


def test_the_parent_of_the_ranks_loads_no_torch():
    assert loaded("from ontogeny.train.launcher import environment\nenvironment(1)") == []


def test_the_check_can_fail():
    assert loaded("import ontogeny.models.causal")[:2] == ["torch", "transformers"]

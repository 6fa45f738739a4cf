"""Every verb explains itself, and the README names it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from ontogeny.cli.app import VERBS, app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def commands() -> list[tuple[str, ...]]:
    """Every command as typed: ("plan",), ("genome", "check"), ..."""
    found: list[tuple[str, ...]] = []
    for name, command in typer.main.get_command(app).commands.items():
        found.append((name,))
        found += [(name, inner) for inner in getattr(command, "commands", {})]
    return found


def found_command(command: tuple[str, ...]):
    found = typer.main.get_command(app)
    for name in command:
        found = found.commands[name]
    return found


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_a_verb_has_help(command):
    done = CliRunner().invoke(app, [*command, "--help"])
    assert done.exit_code == 0 and "Usage:" in done.output
    told = " ".join(re.sub(r"[^\x20-\x7e]", " ", done.output.partition("Usage:")[2]).split())
    found = found_command(command)
    sentence = " ".join((found.help or "").split())
    assert sentence.endswith(".") and sentence in told
    for option in found.params:
        assert option.name == "help" or getattr(option, "help", "") or option.name == "scene_id", option.name


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_a_verb_can_be_quiet(command):
    found = found_command(command)
    assert hasattr(found, "commands") or "-q" in {option for one in found.params for option in one.opts}


def test_every_file_of_the_cli_is_a_verb():
    """A file `<verb>_<command>.py` holds one command of a verb's group."""
    files = {path.stem.partition("_")[0] for path in (ROOT / "ontogeny" / "cli").glob("[a-z]*.py")} - {"app", "shared"}
    assert files == set(VERBS) == {command[0] for command in commands()}


@pytest.mark.skipif(not README.strip(), reason="the README is not written yet")
@pytest.mark.parametrize("verb", VERBS)
def test_the_readme_names_a_verb(verb):
    assert f"ontogeny {verb}" in README or f"--module ontogeny.{verb}" in README

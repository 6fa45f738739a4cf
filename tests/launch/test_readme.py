"""The commands of the README, run as they stand there, in their order."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.corpus.making import make_prose
from tests.launch.lives import PATIENCE_S, ROOT

HANDS_OFF = ("launch/",)  # the two commands that install; `launch/test` is what runs this very test


def commands() -> list[str]:
    """Every line of a shell block of the README."""
    text = (ROOT / "README.md").read_text("utf-8")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.S) for line in block.splitlines()]
    return [line for line in lines if line.strip() and not line.startswith(HANDS_OFF)]


def test_every_command_of_the_readme_works(tmp_path):
    assert len(commands()) >= 8
    for name in ("genome", "stages"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "books").mkdir()
    for number in range(6):
        (tmp_path / f"books/story-{number}.txt").write_text(make_prose(number, 40, 8), encoding="utf-8")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for line in commands():
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            env={**os.environ, "PATH": path, "DS_ACCELERATOR": "cpu"},
        )
        assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    assert (tmp_path / "runs" / "sprout" / "report.html").is_file()
    assert (tmp_path / "runs" / "critic" / "adapter_config.json").is_file()
    assert (tmp_path / "runs" / "by-hand" / "outcome.json").is_file()

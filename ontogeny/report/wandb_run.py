"""All contact with wandb."""

from __future__ import annotations

import importlib.util
import netrc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlparse

AXIS = "tokens_seen"  # every metric is drawn over it
FINISH_S = 60.0  # how long an online run may take to send its rest
OFF = ("disabled", "off")


class OpenRun(Protocol):
    """One W&B run that is open."""

    def log(self, figures: dict[str, float]) -> None:
        """Takes one row of figures, tokens_seen among them."""

    def close(self, summary: dict[str, Any]) -> None:
        """Takes the figures that stand for the whole run, and ends it."""


Opener = Callable[[dict[str, Any]], OpenRun]


def choose_opener(run_dir: Path) -> tuple[Opener | None, bool]:
    """What opens W&B runs for this life, and whether they are online (and so can be resumed).

    None where W&B is switched off or not installed; offline where no key is configured."""
    mode = os.environ.get("WANDB_MODE", "").lower()
    if (
        mode in OFF
        or os.environ.get("WANDB_DISABLED", "").lower() in ("true", "1")
        or not importlib.util.find_spec("wandb")
    ):
        return None, False
    online = mode not in ("offline", "dryrun") and has_key()
    quiet_environment(run_dir)
    return lambda facts: WandbRun(run_dir, facts, online), online


def has_key() -> bool:
    """Whether a key is configured, without importing wandb and without asking anyone."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL") or "https://api.wandb.ai").hostname or ""
    named = os.environ.get("NETRC")
    for path in [Path(named)] if named else [Path.home() / ".netrc", Path.home() / "_netrc"]:
        try:
            if netrc.netrc(str(path)).authenticators(host):
                return True
        except (OSError, netrc.NetrcParseError):
            continue
    return False


def quiet_environment(run_dir: Path) -> None:
    """W&B's own switches: no word on the terminal, no report of its errors, its caches inside the run."""
    for name, value in {
        "WANDB_SILENT": "true",
        "WANDB_ERROR_REPORTING": "false",
        "WANDB_CONSOLE": "off",
        "WANDB_CACHE_DIR": str(run_dir / "wandb" / "cache"),
        "WANDB_DATA_DIR": str(run_dir / "wandb" / "data"),
    }.items():
        os.environ.setdefault(name, value)


class WandbRun:
    """One W&B run: mode, place and axis decided here; no step is ever passed."""

    def __init__(self, run_dir: Path, facts: dict[str, Any], online: bool):
        import wandb

        self.run = wandb.init(
            id=facts["id"],
            name=facts["name"],
            group=facts["group"],
            job_type=facts["job_type"],
            project=os.environ.get("WANDB_PROJECT") or facts["project"],
            config=facts["config"],
            dir=str(run_dir),
            mode="online" if online else "offline",
            resume="allow" if online else None,
            settings=wandb.Settings(
                silent=True,
                console="off",
                disable_git=True,
                save_code=False,
                x_disable_stats=True,
                x_disable_meta=True,
                x_save_requirements=False,
                finish_timeout=FINISH_S,
            ),
        )
        self.run.define_metric(AXIS)
        self.run.define_metric("*", step_metric=AXIS)

    def log(self, figures: dict[str, float]) -> None:
        """One row; W&B counts its own steps."""
        self.run.log(figures)

    def close(self, summary: dict[str, Any]) -> None:
        """The summary, then the end of the run."""
        self.run.summary.update(summary)
        self.run.finish()

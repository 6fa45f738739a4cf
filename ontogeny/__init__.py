"""ontogeny: a staged developmental curriculum trainer for causal language models."""

__version__ = "0.1.0"

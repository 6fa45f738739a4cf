"""Causal language models, tokenizers, adapters."""

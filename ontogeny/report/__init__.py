"""Pages, plots, cards, the W&B mirror. Imports core only, no torch."""

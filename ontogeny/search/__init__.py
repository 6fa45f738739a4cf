"""Control arms, compared: pairs of lives that differ in one thing. Imports core alone, no torch."""

"""What a life is, before anything runs: genome, plan, units, errors, hashes, the run directory. No torch."""

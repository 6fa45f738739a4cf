"""The walk, the learner, losses, roles: whatever moves weights."""

"""Running the checks: who runs what, environments, children under limits, results on disk."""

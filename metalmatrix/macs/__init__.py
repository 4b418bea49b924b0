"""Many Macs: the cells split among them, their results joined, and what a contributor's Mac should run."""

"""Public reports: which cells they are about, and how often what was foreseen was right."""

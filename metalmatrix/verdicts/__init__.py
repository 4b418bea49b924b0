"""Evidence, which of it may vote, and what it adds up to."""

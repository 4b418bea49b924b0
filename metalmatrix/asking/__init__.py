"""What a person types to mean cells, and the answer in sentences."""

"""The cells, what declares them, and every combination that was ever published."""

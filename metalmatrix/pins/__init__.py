"""The pins that are handed out."""

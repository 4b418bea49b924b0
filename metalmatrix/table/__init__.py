"""The table: in the terminal, as Markdown, as JSON."""

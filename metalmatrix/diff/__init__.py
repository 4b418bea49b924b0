"""What has changed between two tables, and why."""

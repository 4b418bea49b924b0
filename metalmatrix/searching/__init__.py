"""When a plain install broke, which upload did it, and which bounds mend it."""

"""What is published: the page, the feeds and the badges under ``site/``."""

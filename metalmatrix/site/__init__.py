"""What is published: the page, the feeds and the badges under ``site/``, and showing it here."""

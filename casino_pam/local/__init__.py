"""What only a developer's machine needs. Nothing imports it."""

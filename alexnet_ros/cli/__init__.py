"""One thin parser a command."""

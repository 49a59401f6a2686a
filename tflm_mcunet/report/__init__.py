"""What was compiled, as data, as terminal tables and as files."""

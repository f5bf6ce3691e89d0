"""The CONF rules: one file each, named for what it finds. Its file is its registration."""

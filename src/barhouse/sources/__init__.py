"""The vendors: one file each, one line in `registry`."""

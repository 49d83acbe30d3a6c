"""The warehouse under its vendors' own paths, read by their own clients."""

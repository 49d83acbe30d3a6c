"""The vendor side against recorded answers and the vendors' own clients."""

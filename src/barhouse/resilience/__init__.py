"""What stands between us and a vendor that fails: retries, and the pace of calls."""

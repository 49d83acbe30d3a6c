"""Barhouse: a self-hosted market-data warehouse."""

"""Requests to servers that callers name: one client, and the rules of whom it may talk to."""

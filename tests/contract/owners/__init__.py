"""Tenants with live objects, who can make a good request for every operation of a dialect's OpenAPI document."""

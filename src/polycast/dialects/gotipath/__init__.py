"""Gotipath Stream's API in front of Polycast."""

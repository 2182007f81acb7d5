"""Programs that run sandboxed, one per module: JSON on stdin, JSON lines on stdout.

This package and `polycast.media` import nothing themselves: a child pays only for what it uses.
"""

"""Releases of one member: its version, its changelog, its tag, and the artifacts that are deployed."""

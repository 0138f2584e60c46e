"""The door: the betrace command."""

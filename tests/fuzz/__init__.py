"""Fuzzing: millions of invalid inputs."""

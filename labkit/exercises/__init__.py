"""Exercises as data: a task, a check that judges evidence, three hints, a solution."""

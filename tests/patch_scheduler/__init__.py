"""Tests of the scheduler, the planner and the validator."""

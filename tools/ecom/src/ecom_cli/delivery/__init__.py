"""Stacks, and what goes into them: plan, deploy, roll back, destroy, and what runs where."""

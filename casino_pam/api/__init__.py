"""The doors that speak JSON, and what they share."""

"""What operators do: one table of actions, one page that carries them out."""

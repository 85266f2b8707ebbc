"""One posting, from the commands that wait to the results of those who asked. Knows no door."""

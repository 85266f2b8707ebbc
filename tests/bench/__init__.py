"""How fast: ratios inside one run on one machine (`make bench`). Never a timed test."""

"""The acting pages of the back office: views of their own, because Django's admin wraps its own in a transaction."""

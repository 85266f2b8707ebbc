"""How this product talks to PostgreSQL: bounded in time, whatever the server does."""

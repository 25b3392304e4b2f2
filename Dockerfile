# The gateway as an image: everything from the committed locks, hashes checked; runs as nobody in particular.
FROM python:3.12-slim AS build
WORKDIR /src
COPY requirements.lock requirements-dev.lock requirements-uv.lock ./
RUN python -m pip install --no-cache-dir --require-hashes --no-deps -r requirements-uv.lock \
    && uv venv /opt/tandem \
    && uv pip install --python /opt/tandem/bin/python --require-hashes --compile-bytecode -r requirements.lock \
    && uv venv /build \
    && uv pip install --python /build/bin/python --require-hashes -r requirements-dev.lock
COPY . .
RUN /build/bin/python -m hatchling build -t wheel \
    && uv pip install --python /opt/tandem/bin/python --no-deps --compile-bytecode dist/*.whl

FROM python:3.12-slim
RUN useradd --system --uid 10001 --user-group --home-dir /var/lib/tandem --create-home tandem
COPY --from=build /opt/tandem /opt/tandem
ENV PATH=/opt/tandem/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TANDEM_DATA=/var/lib/tandem \
    TANDEM_HOST=0.0.0.0 \
    TANDEM_LOG__FORMAT=json
USER tandem
WORKDIR /var/lib/tandem
VOLUME /var/lib/tandem
EXPOSE 8443
# The supervisor is process 1: it reaps, and stops the others in order on SIGTERM.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, ssl, urllib.request as r; r.urlopen('https://127.0.0.1:' + os.environ.get('TANDEM_PORT', '8443') + '/health', context=ssl.create_default_context(cafile=os.environ['TANDEM_DATA'] + '/ca.pem'), timeout=4)"]
ENTRYPOINT ["tandem"]
CMD ["run"]

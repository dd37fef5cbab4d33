# One image for every role: the subcommand chooses it (docker-compose.yml).
FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY . .
# Wheels only, so that no compiler is needed; no pip in the environment, so that none is left there.
RUN python -m pip wheel --quiet --no-deps --wheel-dir dist .
RUN python -m venv --without-pip /opt/xinfeng
RUN python -m pip --python /opt/xinfeng/bin/python install --quiet --only-binary :all: dist/*.whl
RUN /opt/xinfeng/bin/xinfeng check-config

FROM python:3.11-slim
RUN python -m pip uninstall --quiet --yes --root-user-action=ignore pip setuptools wheel \
    && useradd --system --uid 10001 --user-group --no-create-home xinfeng \
    && install --directory --owner xinfeng --group xinfeng /srv/xinfeng/var/worker
COPY --from=build /opt/xinfeng /opt/xinfeng
ENV PATH=/opt/xinfeng/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# Relative folders of the settings (`worker.folder`) begin here.
WORKDIR /srv/xinfeng
USER xinfeng
ENTRYPOINT ["xinfeng"]
CMD ["--help"]

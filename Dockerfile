# The image of the engine: `docker build --tag slostack:0.1.0 .`
FROM docker.io/library/python:3.12-slim-bookworm AS build
WORKDIR /source
COPY . .
RUN python -m venv /opt/slostack \
  && /opt/slostack/bin/pip install --no-cache-dir '.[engine,traces]'

FROM docker.io/library/python:3.12-slim-bookworm
COPY --from=build /opt/slostack /opt/slostack
# A new volume takes over the owner of this folder.
RUN install --directory --owner=65534 --group=65534 /var/lib/slostack
ENV PATH=/opt/slostack/bin:$PATH PYTHONUNBUFFERED=1
USER 65534:65534
EXPOSE 9099
ENTRYPOINT ["slo"]
CMD ["serve", "--help"]

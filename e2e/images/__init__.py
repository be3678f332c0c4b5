"""The images of the project, built without a registry.

    wheels.py    what goes into them, from the lock files in `images/`
    build.py     the Dockerfile, by docker, podman or buildah
    archives.py  all that a real node runs, as OCI archives, made once

`python -m e2e.images` is `make images`.
"""

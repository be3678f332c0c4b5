#!/bin/sh
# Make the virtual environment from the lock file, or bring an older one up to date.
# Usage: venv.sh FOLDER [PYTHON]. It must not know what runs in it.
set -eu
folder=$1
wanted=${2:-}

# Two makes at once: the second waits for the first, and then finds everything done.
if [ "${VENV_LOCKED:-}" != 1 ]; then
    VENV_LOCKED=1 exec flock requirements-dev.lock "$0" "$@"
fi
stamp=$folder/.installed
if [ -e "$stamp" ] && [ -z "$(find requirements-dev.lock pyproject.toml -newer "$stamp")" ]; then
    exit
fi

fits() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

python=
for candidate in $wanted python3 python3.13 python3.12 python3.11 python; do
    if fits "$candidate"; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "tierfleet needs Python 3.11 or newer, and there is none on PATH (python3 is" \
        "$(python3 --version 2>&1 || true)). Install one, or name it: make PYTHON=/path/to/python3.11" >&2
    exit 1
fi

if ! fits "$folder/bin/python" || ! "$folder/bin/python" -m pip --version >/dev/null 2>&1; then
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        echo "$python cannot make virtual environments. On Debian and Ubuntu install the package" \
            "python3-venv; or name another Python: make PYTHON=/path/to/python3.11" >&2
        exit 1
    fi
    echo "Making $folder with $("$python" --version)."
    "$python" -m venv --clear "$folder"
fi

pip() {
    "$folder/bin/python" -m pip --disable-pip-version-check --no-input "$@"
}

echo "Installing the locked dependencies."
pip install --require-hashes --no-deps --requirement requirements-dev.lock
echo "Installing tierfleet itself."
pip install --quiet --no-deps --no-build-isolation --editable .
touch "$stamp"

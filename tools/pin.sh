#!/bin/sh
# Makes requirements.txt (what a learner installs) and tests/requirements.txt (what tests need besides) from pyproject.toml,
# and tools/uv.txt, what `./lab` installs them with.
# Needs uv. Run from the top of the checkout; the result is the same on every platform (markers included).
set -eu
compile() { uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml "$@"; }
note() { printf '# Pinned with hashes by tools/pin.sh from pyproject.toml.\n'; }

compile --output-file requirements.lock
compile --extra test --constraint requirements.lock --output-file all.lock
{ note; cat requirements.lock; } >requirements.txt
{
    note
    echo "-r ../requirements.txt"
    # A block is a pin and its hash lines; those of requirements.txt are left out.
    awk 'NR == FNR { if (/==/) known[$1] = 1; next } /==/ { keep = !($1 in known) } keep' requirements.lock all.lock
} >tests/requirements.txt
rm requirements.lock all.lock
{ note; echo uv | uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -; } >tools/uv.txt

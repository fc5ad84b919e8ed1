#!/bin/sh
# The ABI of the last release still holds: its symbols are exported, fields of structs lie where they lay, structs have
# not shrunk, and enumerators have their values. What is new may be added. tests/abi.txt has the last release's.
#
#     tests/abi_test.sh SOURCE BUILD CC [FLAG...]            compares; FLAG: where the OpenCL headers lie
#     tests/abi_test.sh --write SOURCE BUILD CC [FLAG...]    writes tests/abi.txt; for releases
set -eu
write=
if [ "$1" = --write ]; then write=1; shift; fi
source=$1 build=$2 cc=$3
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# describe FLAG...: the lines of tests/abi.txt for this build.
describe() {
  "$cc" "$@" -E -P -I"$source/include" "$source/include/clconv/net.h" | tr '\n' ' ' |
    sed 's/[{};]/&\n/g' | awk '
    BEGIN { print "#include <clconv/net.h>\n#include <stdio.h>\nint main(void) {" }
    /typedef +struct +clconv_[a-z0-9_]+ *\{/ { name = $0; sub(/.*struct +/, "", name); sub(/ *\{.*/, "", name); next }
    /enum +.*\{/ { enumerators = 1; next }
    enumerators && /\}/ {
      sub(/ *\}.*/, "")
      count = split($0, all, ",")
      for (i = 1; i <= count; ++i) {
        sub(/=.*/, "", all[i]); gsub(/ /, "", all[i])
        if (all[i] ~ /^CLCONV_/) printf "  printf(\"value %s %%lld\\n\", (long long)%s);\n", all[i], all[i]
      }
      enumerators = 0
      next
    }
    name != "" && /\}/ { printf "  printf(\"size %s %%zu\\n\", sizeof(%s));\n", name, name; name = ""; next }
    name != "" {
      sub(/;.*/, ""); sub(/^ */, "")
      count = split($0, all, ",")
      for (i = 1; i <= count; ++i) {
        field = all[i]
        gsub(/\[.*\]/, "", field); sub(/ *$/, "", field); sub(/.*[ *]/, "", field)
        printf "  printf(\"field %s.%s %%zu %%zu\\n\", offsetof(%s, %s), sizeof(((%s*)0)->%s));\n",
               name, field, name, field, name, field
      }
    }
    END { print "  return 0;\n}" }' >"$work/abi.c"
  "$cc" "$@" -I"$source/include" "$work/abi.c" -o "$work/abi"
  "$work/abi"
  for library in clconv clconv-net; do
    nm -D --defined-only "$build/lib$library.so" | awk -v library="$library" '$2 == "T" { print "symbol " library " " $3 }'
  done
}

describe "$@" | LC_ALL=C sort -u >"$work/now"
if [ -n "$write" ]; then
  { sed -n '/^#/p' "$source/tests/abi.txt" 2>/dev/null || true; cat "$work/now"; } >"$work/new"
  mv "$work/new" "$source/tests/abi.txt"
  exit 0
fi
[ "$(grep -c '^symbol' "$work/now")" -gt 50 ] || { echo "abi_test: no symbols found in $build" >&2; exit 1; }
awk '
  /^#/ { next }
  NR == FNR { now[$1 " " $2 ($1 == "symbol" ? " " $3 : "")] = $1 == "symbol" ? "there" : $3 " " $4; next }
  {
    key = $1 " " $2 ($1 == "symbol" ? " " $3 : "")
    was = $1 == "symbol" ? "there" : $3 " " $4
    if (!(key in now)) { print "abi_test: " key " is gone"; bad = 1 }
    else if ($1 == "size" ? now[key] + 0 < was + 0 : now[key] != was) {
      print "abi_test: " key " was " was ", is " now[key]; bad = 1
    }
  }
  END { exit bad }' "$work/now" "$source/tests/abi.txt" >&2

#!/bin/sh
# Runs the device tests and a small benchmark on several OpenCL implementations; `./dev portability` builds first and
# calls this in the repository's root. What is fetched goes to build/portability, but for libclc-15, whose place
# rusticl has built in. Variables: PORTABILITY ("pocl intel rusticl"), TESTS (test programs, instead of tests_of below),
# TEST_TIMEOUT, PROBLEM_TIMEOUT (seconds).
set -u
root=$PWD/build/portability
bin=$PWD/build
log=$root/logs
test_timeout=${TEST_TIMEOUT:-1800}
problem_timeout=${PROBLEM_TIMEOUT:-90}
mkdir -p "$root" "$log"
export CLCONV_WISDOM=off

skip() { echo "portability: $1 skipped: $2" >&2; return 1; }

# One .icd file in a folder of its own, so that nothing else is found.
icd() {
  mkdir -p "$root/$1/icd"
  echo "$2" >"$root/$1/icd/$1.icd"
}

setup_pocl() {
  [ -f /etc/OpenCL/vendors/pocl.icd ] || { skip pocl "no /etc/OpenCL/vendors/pocl.icd"; return 1; }
  icd pocl "$(cat /etc/OpenCL/vendors/pocl.icd)"
  libraries=
}

setup_intel() {
  prefix=$root/intel/prefix
  if ! find "$prefix" -name libintelocl.so 2>/dev/null | grep -q .; then
    command -v pip3 >/dev/null || { skip intel "no pip3"; return 1; }
    pip3 install -q --no-warn-script-location --prefix "$prefix" intel-opencl-rt intel-cmplr-lib-rt >"$log/pip" 2>&1 ||
      { skip intel "pip3 failed, $log/pip has all of it"; return 1; }
  fi
  library=$(find "$prefix" -name libintelocl.so | head -n 1)
  [ -n "$library" ] || { skip intel "no libintelocl.so in $prefix"; return 1; }
  libraries=$(dirname "$library")
  # Its own loader of .icd files would hide the system's.
  rm -f "$libraries"/libOpenCL.so*
  icd intel "$library"
}

setup_rusticl() {
  prefix=$root/rusticl/prefix
  libraries=$prefix/usr/lib/$(uname -m)-linux-gnu
  if ! [ -f "$libraries/libRusticlOpenCL.so.1" ]; then
    mkdir -p "$root/rusticl/debs"
    # Unpacked, not installed: mesa-opencl-icd would bring Clover, and its .icd files, to the entire system.
    (cd "$root/rusticl/debs" && apt-get download mesa-opencl-icd libllvmspirvlib15 libclang-cpp15 libllvm15) \
      >"$log/apt" 2>&1 || { skip rusticl "apt-get download failed, $log/apt has all of it"; return 1; }
    for deb in "$root"/rusticl/debs/*.deb; do dpkg -x "$deb" "$prefix"; done
  fi
  [ -f "$libraries/libRusticlOpenCL.so.1" ] || { skip rusticl "mesa-opencl-icd has no rusticl"; return 1; }
  [ -f /usr/lib/clc/spirv64-mesa3d-.spv ] || { skip rusticl "no /usr/lib/clc (libclc-15)"; return 1; }
  icd rusticl "$libraries/libRusticlOpenCL.so.1"
}

# run NAME COMMAND...: on that implementation alone.
run() {
  implementation=$1; shift
  (
    export OCL_ICD_VENDORS="$root/$implementation/icd" XDG_CACHE_HOME="$root/$implementation/cache"
    [ -z "$libraries" ] || export LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
    [ "$implementation" != rusticl ] ||
      export RUSTICL_ENABLE=llvmpipe GALLIUM_PIPE_SEARCH_DIR="$libraries/gallium-pipe"
    exec "$@"
  )
}

# The tests of an implementation. llvmpipe does 0.1 to 1 GFLOP/s and compiles every variant for a second: the tests that
# run every variant on every problem (strategies_test and those of its kind) take hours there. No implementation runs
# the tests of programs: cli_test docs_test environment_test bench_test digits_test digits_ranks_test examples_test
# locale_test net_cli_test; and those that need no device: image_test net_html_test net_builder_test net_import_test
# net_import_fuzz_test.
tests_of() {
  common="runtime_test portability_test api_test handles_test memory_test batch_test net_batch_test exit_test
    empty_batch_test ops_test measure_test network_test regression_test regression_keys_test regression_choice_test
    regression_memory_test regression_events_test mask_test net_test net_convolution_test"
  networks="net_elementwise_test net_elementwise_passes_test net_movement_test net_shape_test net_resize_test net_images_apart_test
    net_pooling_test net_reduction_test net_normalization_test net_matrix_test net_nodes_test"
  variants="strategies_test merged_program_test winograd_test depthwise_test implicit_gemm_test offers_test gpu_shapes_test gpu_bodies_test
    properties_test finishing_test semantics_test
    special_values_test trust_test image_stride_test"
  [ -z "${TESTS:-}" ] || { echo "$TESTS"; return; }
  [ "$1" = rusticl ] && echo "$common" || echo "$variants $networks $common"
}

# Problems that one core of llvmpipe gets through: from tests/suites/core.txt, and a small dense one.
problems="n32c1h28w28k32kh2kw2s2 n32c64h8w8k128kh2kw2s2 n1c256h28w28k256kh3kw3p1g256 n1c16h28w28k32kh3kw3p1"

# The tests that no other lane has taken; one lane a core.
run_tests() {
  for test in $(tests_of "$1"); do
    out=$log/$1-$test
    mkdir "$out.claimed" 2>/dev/null || continue
    run "$1" timeout "$test_timeout" "$bin/tests/$test" >"$out" 2>&1
    echo $? >"$out.status"
  done
}

measure() {
  passed=0; failed=0; skipped=0
  rm -rf "$log/$1-"*.claimed
  lane=0
  while [ "$lane" -lt "$(nproc)" ]; do run_tests "$1" & lane=$((lane + 1)); done
  wait
  for test in $(tests_of "$1"); do
    out=$log/$1-$test
    status=$(cat "$out.status")
    set -- "$1" $(sed -n 's/^\[doctest\] test cases: *\([0-9]*\) *| *\([0-9]*\) passed *| *\([0-9]*\) failed.*/\2 \3/p' "$out" | tail -n 1)
    passed=$((passed + ${2:-0})); failed=$((failed + ${3:-0}))
    skipped=$((skipped + $(grep -c 'skipped: the device' "$out")))
    if [ "$status" = 124 ]; then echo "portability: $1: $test was stopped after $test_timeout s" >&2; fi
    if [ "$status" != 0 ]; then
      [ -n "${3:-}" ] && [ "${3:-0}" != 0 ] || failed=$((failed + 1))
      echo "portability: $1: $test failed, $out has all of it" >&2
    fi
  done
  : >"$root/$1.speed"
  regret=
  for problem in $problems; do
    out=$log/$1-$problem.json
    run "$1" timeout "$problem_timeout" "$bin/clconv" bench "$problem" --json >"$out" 2>"$out.err" || continue
    sed -n 's/^ *"chosen_us": \([0-9.e+]*\),*$/\1/p' "$out" | sed "s/^/$problem /" >>"$root/$1.speed"
    regret="$regret $(sed -n 's/^ *"regret": \([-0-9.e]*\),*$/\1/p' "$out")"
  done
  version=$(run "$1" "$bin/clconv" profile | sed -n 's/^ *"driver": "\(.*\)",*$/\1/p')
  # Geometric means: of PoCL's time over this one's where both have one, and of chosen over best.
  speed=$(awk 'NR == FNR { t[$1] = $2; next } $1 in t { s += log(t[$1] / $2); ++n } END { if (n) printf "%.3f (%d)", exp(s / n), n; else printf "-" }' \
    "$root/pocl.speed" "$root/$1.speed" 2>/dev/null || echo -)
  regret=$(echo "$regret" | awk '{ for (i = 1; i <= NF; ++i) s += log(1 + $i); if (NF) printf "%.2f", exp(s / NF); else printf "-" }')
  printf '%-10s %-26s %7s %7s %8s  %-14s %s\n' "$1" "$version" "$passed" "$failed" "$skipped" "$speed" "$regret" >>"$root/table"
}

printf '%-10s %-26s %7s %7s %8s  %-14s %s\n' on version passed failed skipped "x PoCL's speed" "chosen / best" >"$root/table"
for implementation in ${PORTABILITY:-pocl intel rusticl}; do
  setup_"$implementation" && measure "$implementation"
done
cat "$root/table"

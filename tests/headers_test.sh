#!/bin/bash
# The public headers as applications include them: whatever compiles against the OpenCL headers alone
# compiles with clconv's before, between or after them, with the versions that the application set.
# usage: headers_test.sh INCLUDE CC CXX [FLAG...]     FLAG: where the OpenCL headers lie
set -u
include=$1 cc=$2 cxx=$3
shift 3
opencl_flags=("$@")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
strict=(-fsyntax-only -Wall -Wextra -Wpedantic -Werror -I"$include" "${opencl_flags[@]}")

# ---- the programs: headers in the order of FIRST, then what a version promises --------------------

cat >"$work/use.h" <<'C'
/* EXPECT: the version in effect, which is the application's where it set one. */
#if CL_TARGET_OPENCL_VERSION != EXPECT
#error "CL_TARGET_OPENCL_VERSION is not what the application set"
#endif
cl_command_queue queue_1_2(cl_context context, cl_device_id device);
cl_command_queue queue_2_0(cl_context context, cl_device_id device);
#if EXPECT < 200 || defined(NOTHING_SET)
cl_command_queue queue_1_2(cl_context context, cl_device_id device) {
  cl_int status = CL_SUCCESS;
  return clCreateCommandQueue(context, device, 0, &status);
}
#endif
#if EXPECT >= 200
cl_command_queue queue_2_0(cl_context context, cl_device_id device) {
  cl_int status = CL_SUCCESS;
  return clCreateCommandQueueWithProperties(context, device, 0, &status);
}
#endif
clconv_status uses_clconv(clconv_problem* problem);
clconv_status uses_clconv(clconv_problem* problem) {
  clconv_problem_init(problem);
  return clconv_problem_parse("n1c1h3w3k1kh2kw2", problem);
}
C
printf '#include <clconv/clconv.h>\n#include <CL/cl.h>\n#include "use.h"\n' >"$work/first.c"
printf '#include <CL/cl.h>\n#include <clconv/clconv.h>\n#include "use.h"\n' >"$work/last.c"
cat >"$work/use.hpp" <<'C'
#include "use.h"
#if CL_HPP_TARGET_OPENCL_VERSION != EXPECT_HPP
#error "CL_HPP_TARGET_OPENCL_VERSION is not what the application set"
#endif
#if CL_HPP_MINIMUM_OPENCL_VERSION != EXPECT_MINIMUM
#error "CL_HPP_MINIMUM_OPENCL_VERSION is not what the application set"
#endif
inline void run(const clconv::Plan& plan, const cl::Context& context, const cl::Device& device) {
  const cl::CommandQueue queue(context, device);
  clconv::Operands operands;
  operands.prepared = plan.prepare(queue, operands.w);
  plan.execute(queue, operands);
#if EXPECT_HPP >= 200
  cl::SVMAllocator<int, cl::SVMTraitCoarse<>> allocator(context);
  (void)allocator;
#endif
}
C
printf '#include <clconv/clconv.hpp>\n#include <CL/opencl.hpp>\n#include "use.hpp"\n' >"$work/first.cpp"
printf '#include <clconv/clconv.h>\n#include <CL/opencl.hpp>\n#include <clconv/clconv.hpp>\n#include "use.hpp"\n' \
  >"$work/between.cpp"
printf '#include <CL/opencl.hpp>\n#include <clconv/clconv.hpp>\n#include "use.hpp"\n' >"$work/last.cpp"
printf '#include <clconv/clconv.h>\n' >"$work/alone.c"
printf '#include <clconv/clconv.h>\n' >"$work/alone_h.cpp"
printf '#include <clconv/clconv.hpp>\n' >"$work/alone.cpp"
printf '#include <clconv/net.h>\n' >"$work/net.c"
printf '#include <clconv/net.h>\n' >"$work/net_h.cpp"
printf '#include <clconv/net.hpp>\n' >"$work/net.cpp"

# ---- the matrix: one compilation a line ------------------------------------------------------------

define() { [ "$2" = - ] || printf ' -D%s=%s' "$1" "$2"; }

c_programs() {
  local std version order expect
  for std in c99 c11; do
    echo "$cc -std=$std alone.c"
    echo "$cc -std=$std net.c"
    for version in - 120 200 300; do
      expect=${version/-/300}
      echo "$cc -std=$std first.c$(define CL_TARGET_OPENCL_VERSION $version) -DEXPECT=$expect" \
        "$([ $version = - ] && echo -DNOTHING_SET)"
      echo "$cc -std=$std last.c$(define CL_TARGET_OPENCL_VERSION $version) -DEXPECT=$expect"
    done
  done
}

# What the application sets (HPP_TARGET HPP_MINIMUM TARGET, - for unset), what must be in effect (the
# same), and the orders. CLHPP refuses some of these where it comes first: "first" alone stands there.
table() {
  cat <<'T'
-   -   -     300 110 300  first
-   -   -     300 200 300  between last
-   -   120   120 120 120  first
-   -   200   200 110 200  first
-   -   300   300 110 300  first
-   200 -     300 200 300  first last
-   300 -     300 300 300  between
120 -   -     120 120 120  first
120 120 -     120 120 120  between last
120 120 120   120 120 120  first
120 120 300   120 120 300  between
200 -   -     200 200 200  first between last
200 200 200   200 200 200  first
300 -   -     300 200 300  first between last
300 200 -     300 200 300  between
300 200 300   300 200 300  last
300 300 -     300 300 300  first
T
}

# Standards and exceptions go round over the rows, so that each meets every order and version.
cpp_programs() {
  local target minimum c_target expect_hpp expect_minimum expect orders order turn=0
  echo "$cxx -std=c++17 alone.cpp"
  echo "$cxx -std=c++20 alone_h.cpp"
  echo "$cxx -std=c++17 net.cpp"
  echo "$cxx -std=c++20 net.cpp -DCL_HPP_ENABLE_EXCEPTIONS"
  echo "$cxx -std=c++20 net_h.cpp"
  table | while read -r target minimum c_target expect_hpp expect_minimum expect orders; do
    for order in $orders; do
      echo "$cxx -std=c++$((turn & 1 ? 20 : 17))$( ((turn & 2)) && echo ' -DCL_HPP_ENABLE_EXCEPTIONS')" \
        "$order.cpp$(define CL_HPP_TARGET_OPENCL_VERSION $target)" \
        "$(define CL_HPP_MINIMUM_OPENCL_VERSION $minimum)$(define CL_TARGET_OPENCL_VERSION $c_target)" \
        "-DEXPECT_HPP=$expect_hpp -DEXPECT_MINIMUM=$expect_minimum -DEXPECT=$expect"
      turn=$((turn + 1))
    done
    turn=$((turn + 1))
  done
}

compile() {  # PROGRAM: says what failed
  local words log
  read -ra words <<<"$1"
  if ! log=$("${words[@]}" "${strict[@]}" 2>&1); then
    echo "FAILED: $1"
    grep -m2 error <<<"$log"
  fi
}

cd "$work" || exit 1
{ c_programs; cpp_programs; } >programs
count=$(wc -l <programs)
index=0
while read -r program; do
  while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n; done
  index=$((index + 1))
  compile "$program" >failed.$index &
done <programs
wait
cat failed.* >failed

# ---- names: what the headers add to what the OpenCL and standard headers have ------------------------

allowed='CL_TARGET_OPENCL_VERSION|CL_HPP_(TARGET|MINIMUM)_OPENCL_VERSION|CL_USE_DEPRECATED_OPENCL_1_[12]_APIS'
printf '#include <CL/cl.h>\n#include <stddef.h>\n#include <stdint.h>\n' >without.c
printf '#include <CL/opencl.hpp>\n#include <array>\n#include <cstdint>\n#include <memory>\n%s\n' \
  '#include <stdexcept>' '#include <string>' '#include <utility>' '#include <vector>' >without.cpp
added() {  # COMPILER EXTENSION HEADER: the macros
  cat "without.$2" >with."$2"
  echo "#include <clconv/$3>" >>"with.$2"
  for file in without with; do
    "$1" -dM -E -DCL_TARGET_OPENCL_VERSION=300 -DCL_HPP_TARGET_OPENCL_VERSION=300 -I"$include" \
      "${opencl_flags[@]}" $file."$2" | awk '{ sub(/\(.*/, "", $2); print $2 }' | sort -u >$file.macros
  done
  comm -13 without.macros with.macros
}
declared() {  # COMPILER EXTENSION HEADER: the text the header adds, strings emptied, on one line
  { cat "without.$2"; [ "$2" = c ] || echo '#include <clconv/net.h>'; echo 'int the_header_begins;'
    echo "#include <clconv/$3>"; } >names."$2"
  "$1" -E -P -DCL_TARGET_OPENCL_VERSION=300 -DCL_HPP_TARGET_OPENCL_VERSION=300 -I"$include" \
    "${opencl_flags[@]}" names."$2" | sed '1,/the_header_begins/d; s/"[^"]*"/""/g' | tr '\n' ' '
}
{
  added "$cc" c clconv.h
  added "$cxx" cpp clconv.hpp
  added "$cc" c net.h
  added "$cxx" cpp net.hpp
} | tee macros | grep -vE "^(CLCONV_\w+|$allowed)\$" | sed 's/^/FAILED: leaked macro /' >>failed
declared "$cc" c net.h >text  # clconv.h's among them
# Enumerators, then, with every body and parameter list gone, the last word of each declaration; tags. Names of
# function pointers are no parameter list.
{
  grep -oE 'enum *\{[^}]*\}' text | sed -E 's/enum *\{//; s/\}//' | tr ',' '\n' | grep -oE '^ *\w+'
  sed -E 's/\(\*(\w+)\)/\1/g; :a; s/\{[^{}]*\}/ ;;/; ta; :b; s/\([^()]*\)//; tb; s/(struct \w+) *;;/\1/g' text | tr ';' '\n' |
    grep -oE '\w+ *$'
  grep -oE 'struct \w+' text | sed 's/struct //'
} | tr -d ' ' | sort -u | tee names | grep -vE '^(CLCONV_|clconv_|_cl_|enum$)' |
  sed 's/^/FAILED: leaked name /' >>failed
# C++: nothing stands outside of namespace clconv.
declared "$cxx" cpp net.hpp | sed -E ':a; s/\{[^{}]*\}//; ta; s/namespace clconv//g' | grep -oE '\S.*' |
  sed 's/^/FAILED: outside of namespace clconv: /' >>failed
[ "$(wc -l <macros)" -gt 2 ] && [ "$(wc -l <names)" -gt 100 ] || echo "FAILED: names were not read" >>failed

if [ -s failed ]; then
  cat failed
  exit 1
fi
echo "$count programs compile; $(wc -l <names) names and $(wc -l <macros) macros looked at"

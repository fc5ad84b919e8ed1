// parts:
// The built-in functions that the kernels use. PoCL declares all of OpenCL C in front of every program, 18,000 lines that
// its compiler reads twice: 100 of the 120 ms of an average build, and 17 of the 20 ms that it takes to find a program in
// PoCL's cache. The program cache (src/runtime/program.cpp) leaves them out and puts this in front of the program instead.
//
// As in clang's opencl-c.h: the attributes decide what the optimizer may do. Types are complete, so that a call means
// the same function with either. A function that is missing here is an error of the compiler, and the program is built
// with PoCL's declarations.

#define CLCONV_PURE __attribute__((overloadable, const))     // of its arguments alone
#define CLCONV_READS __attribute__((overloadable, pure))     // and of memory
#define CLCONV_WRITES __attribute__((overloadable))

size_t CLCONV_PURE get_global_id(uint);
size_t CLCONV_PURE get_global_size(uint);
size_t CLCONV_PURE get_group_id(uint);
size_t CLCONV_PURE get_local_id(uint);
size_t CLCONV_PURE get_local_size(uint);
size_t CLCONV_PURE get_num_groups(uint);
void __attribute__((overloadable, convergent)) barrier(cl_mem_fence_flags);

#define CLCONV_OF_SIZES(DO, t) \
  DO(t, ) DO(t, 2) DO(t, 3) DO(t, 4) DO(t, 8) DO(t, 16)
#define CLCONV_OF_VECTORS(DO, t) DO(t, 2) DO(t, 3) DO(t, 4) DO(t, 8) DO(t, 16)
#define CLCONV_OF_INTEGERS(DO, OF)                                                       \
  OF(DO, char) OF(DO, uchar) OF(DO, short) OF(DO, ushort) OF(DO, int) OF(DO, uint)       \
  OF(DO, long) OF(DO, ulong)

#define CLCONV_LIMITS(t, n)                \
  t##n CLCONV_PURE min(t##n, t##n);        \
  t##n CLCONV_PURE max(t##n, t##n);        \
  t##n CLCONV_PURE clamp(t##n, t##n, t##n);
#define CLCONV_LIMITS_OF_NUMBERS(t, n)  \
  t##n CLCONV_PURE min(t##n, t);        \
  t##n CLCONV_PURE max(t##n, t);        \
  t##n CLCONV_PURE clamp(t##n, t, t);
CLCONV_OF_INTEGERS(CLCONV_LIMITS, CLCONV_OF_SIZES)
CLCONV_OF_INTEGERS(CLCONV_LIMITS_OF_NUMBERS, CLCONV_OF_VECTORS)
CLCONV_OF_SIZES(CLCONV_LIMITS, float)
CLCONV_OF_VECTORS(CLCONV_LIMITS_OF_NUMBERS, float)

#define CLCONV_MATH(t, n)                          \
  t##n CLCONV_PURE acos(t##n);                     \
  t##n CLCONV_PURE asin(t##n);                     \
  t##n CLCONV_PURE atan(t##n);                     \
  t##n CLCONV_PURE ceil(t##n);                     \
  t##n CLCONV_PURE cos(t##n);                      \
  t##n CLCONV_PURE cosh(t##n);                     \
  t##n CLCONV_PURE erf(t##n);                      \
  t##n CLCONV_PURE exp(t##n);                      \
  t##n CLCONV_PURE expm1(t##n);                    \
  t##n CLCONV_PURE fabs(t##n);                     \
  t##n CLCONV_PURE floor(t##n);                    \
  t##n CLCONV_PURE fma(t##n, t##n, t##n);          \
  t##n CLCONV_PURE fmax(t##n, t##n);               \
  t##n CLCONV_PURE fmin(t##n, t##n);               \
  t##n CLCONV_PURE fmod(t##n, t##n);               \
  t##n CLCONV_PURE log(t##n);                      \
  t##n CLCONV_PURE log1p(t##n);                    \
  t##n CLCONV_PURE pow(t##n, t##n);                \
  t##n CLCONV_PURE rint(t##n);                     \
  t##n CLCONV_PURE sin(t##n);                      \
  t##n CLCONV_PURE sinh(t##n);                     \
  t##n CLCONV_PURE sqrt(t##n);                     \
  t##n CLCONV_PURE tan(t##n);                      \
  t##n CLCONV_PURE tanh(t##n);                     \
  int##n CLCONV_PURE isinf(t##n);                  \
  int##n CLCONV_PURE isnan(t##n);                  \
  t##n CLCONV_PURE select(t##n, t##n, int##n);     \
  t##n CLCONV_PURE select(t##n, t##n, uint##n);
CLCONV_OF_SIZES(CLCONV_MATH, float)
#define CLCONV_MATH_OF_NUMBERS(t, n)  \
  t##n CLCONV_PURE fmax(t##n, t);     \
  t##n CLCONV_PURE fmin(t##n, t);
CLCONV_OF_VECTORS(CLCONV_MATH_OF_NUMBERS, float)

#define CLCONV_CHOICES(t, n)            \
  int CLCONV_PURE all(t##n);            \
  int CLCONV_PURE any(t##n);
CLCONV_OF_SIZES(CLCONV_CHOICES, char)
CLCONV_OF_SIZES(CLCONV_CHOICES, short)
CLCONV_OF_SIZES(CLCONV_CHOICES, int)
CLCONV_OF_SIZES(CLCONV_CHOICES, long)

#define CLCONV_CONVERSIONS_TO(n, to, from)  \
  to##n CLCONV_PURE convert_##to##n(from##n);
#define CLCONV_CONVERSIONS(t, n)            \
  CLCONV_CONVERSIONS_TO(n, float, t)        \
  CLCONV_CONVERSIONS_TO(n, int, t)          \
  CLCONV_CONVERSIONS_TO(n, uint, t)         \
  CLCONV_CONVERSIONS_TO(n, ushort, t)
CLCONV_OF_INTEGERS(CLCONV_CONVERSIONS, CLCONV_OF_SIZES)
CLCONV_OF_SIZES(CLCONV_CONVERSIONS, float)

#define CLCONV_SHUFFLES(t, n)                             \
  t##n CLCONV_PURE shuffle(t##2, u##int##n);              \
  t##n CLCONV_PURE shuffle(t##4, u##int##n);              \
  t##n CLCONV_PURE shuffle(t##8, u##int##n);              \
  t##n CLCONV_PURE shuffle(t##16, u##int##n);             \
  t##n CLCONV_PURE shuffle2(t##2, t##2, u##int##n);       \
  t##n CLCONV_PURE shuffle2(t##4, t##4, u##int##n);       \
  t##n CLCONV_PURE shuffle2(t##8, t##8, u##int##n);       \
  t##n CLCONV_PURE shuffle2(t##16, t##16, u##int##n);
#define CLCONV_OF_SHUFFLED(DO, t) DO(t, 2) DO(t, 4) DO(t, 8) DO(t, 16)
CLCONV_OF_SHUFFLED(CLCONV_SHUFFLES, float)
CLCONV_OF_SHUFFLED(CLCONV_SHUFFLES, int)
CLCONV_OF_SHUFFLED(CLCONV_SHUFFLES, uint)

#define CLCONV_LOADS(t, n)                                          \
  t##n CLCONV_READS vload##n(size_t, const constant t*);            \
  t##n CLCONV_READS vload##n(size_t, const global t*);              \
  t##n CLCONV_READS vload##n(size_t, const local t*);               \
  t##n CLCONV_READS vload##n(size_t, const private t*);             \
  void CLCONV_WRITES vstore##n(t##n, size_t, global t*);            \
  void CLCONV_WRITES vstore##n(t##n, size_t, local t*);             \
  void CLCONV_WRITES vstore##n(t##n, size_t, private t*);
CLCONV_OF_VECTORS(CLCONV_LOADS, float)
CLCONV_OF_INTEGERS(CLCONV_LOADS, CLCONV_OF_VECTORS)

#define CLCONV_HALVES(t, n)                                              \
  t##n CLCONV_READS vload_half##n(size_t, const constant half*);         \
  t##n CLCONV_READS vload_half##n(size_t, const global half*);           \
  t##n CLCONV_READS vload_half##n(size_t, const local half*);            \
  t##n CLCONV_READS vload_half##n(size_t, const private half*);          \
  void CLCONV_WRITES vstore_half##n(t##n, size_t, global half*);         \
  void CLCONV_WRITES vstore_half##n(t##n, size_t, local half*);          \
  void CLCONV_WRITES vstore_half##n(t##n, size_t, private half*);
CLCONV_OF_SIZES(CLCONV_HALVES, float)

int CLCONV_WRITES atomic_cmpxchg(volatile global int*, int, int);
uint CLCONV_WRITES atomic_cmpxchg(volatile global uint*, uint, uint);

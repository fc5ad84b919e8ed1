// parts:
// The built-in functions that the kernels use. PoCL declares all of OpenCL C in front of every program, in 18,000 lines
// that its compiler reads twice: that is two thirds of the front end's time for a small program (naive: 106 ms with
// them, 40 without), and more than half of the 20 ms in which a program is found in PoCL's cache. The program cache
// (src/runtime/program.cpp) leaves them out and puts this in front of the program instead.
//
// Attributes are those of clang's opencl-c.h: they decide what the optimizer may do. Scalars have all types, so that a
// call means the same function with either. A function that is missing here is an error of the compiler, and the
// program is built with PoCL's declarations.

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

#define CLCONV_OF_VECTORS(DO, t) DO(t, 2) DO(t, 4) DO(t, 8) DO(t, 16)
#define CLCONV_OF_SIZES(DO, t) DO(t, ) CLCONV_OF_VECTORS(DO, t)

#define CLCONV_LIMITS(t, n)                \
  t##n CLCONV_PURE min(t##n, t##n);        \
  t##n CLCONV_PURE max(t##n, t##n);        \
  t##n CLCONV_PURE clamp(t##n, t##n, t##n);
#define CLCONV_LIMITS_OF_NUMBERS(t, n)  \
  t##n CLCONV_PURE min(t##n, t);        \
  t##n CLCONV_PURE max(t##n, t);        \
  t##n CLCONV_PURE clamp(t##n, t, t);
CLCONV_LIMITS(char, ) CLCONV_LIMITS(uchar, ) CLCONV_LIMITS(short, ) CLCONV_LIMITS(ushort, )
CLCONV_LIMITS(long, ) CLCONV_LIMITS(ulong, )
CLCONV_OF_SIZES(CLCONV_LIMITS, int)
CLCONV_OF_SIZES(CLCONV_LIMITS, uint)
CLCONV_OF_SIZES(CLCONV_LIMITS, float)
CLCONV_OF_VECTORS(CLCONV_LIMITS_OF_NUMBERS, int)
CLCONV_OF_VECTORS(CLCONV_LIMITS_OF_NUMBERS, uint)
CLCONV_OF_VECTORS(CLCONV_LIMITS_OF_NUMBERS, float)
uint CLCONV_PURE mul_hi(uint, uint);

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
CLCONV_OF_SIZES(CLCONV_CHOICES, int)

#define CLCONV_CONVERSIONS(t, n)                    \
  float##n CLCONV_PURE convert_float##n(t##n);      \
  uint##n CLCONV_PURE convert_uint##n(t##n);        \
  ushort##n CLCONV_PURE convert_ushort##n(t##n);
CLCONV_CONVERSIONS(long, ) CLCONV_CONVERSIONS(ulong, )
CLCONV_OF_SIZES(CLCONV_CONVERSIONS, int)
CLCONV_OF_SIZES(CLCONV_CONVERSIONS, uint)
CLCONV_OF_SIZES(CLCONV_CONVERSIONS, ushort)
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
CLCONV_OF_VECTORS(CLCONV_SHUFFLES, float)
CLCONV_OF_VECTORS(CLCONV_SHUFFLES, int)
CLCONV_OF_VECTORS(CLCONV_SHUFFLES, uint)

#define CLCONV_LOADS(t, n)                                          \
  t##n CLCONV_READS vload##n(size_t, const constant t*);            \
  t##n CLCONV_READS vload##n(size_t, const global t*);              \
  t##n CLCONV_READS vload##n(size_t, const local t*);               \
  t##n CLCONV_READS vload##n(size_t, const private t*);             \
  void CLCONV_WRITES vstore##n(t##n, size_t, global t*);            \
  void CLCONV_WRITES vstore##n(t##n, size_t, local t*);             \
  void CLCONV_WRITES vstore##n(t##n, size_t, private t*);
CLCONV_OF_VECTORS(CLCONV_LOADS, float)
CLCONV_OF_VECTORS(CLCONV_LOADS, ushort)
CLCONV_OF_VECTORS(CLCONV_LOADS, int)
CLCONV_OF_VECTORS(CLCONV_LOADS, uint)

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

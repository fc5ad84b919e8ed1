// parts: language
// Data types: how the elements of tensors lie in memory. Kernels compute in float whatever the storage.
//
//   element               type of a tensor's elements
//   GET, PUT              reads or writes the element at an index, as float
//   GET_N, PUT_N          the same for a vector of N elements at a pointer
//   STORED, TO_STORED,    a vector as it lies in memory, and its conversion from and to float
//   FROM_STORED, PACKED_OF
//
// Macros: STORAGE_FLOAT32 (or none), STORAGE_FLOAT16 or STORAGE_BFLOAT16; VW (optional). vload_half and vstore_half
// are core OpenCL C, with or without cl_khr_fp16.

// A block per type defines element, GET and PUT, packedN for N of 2, 4, 8 and 16, and where elements are not floats
// STORED_AS, the integer that one is in a vector, with of_storedN and to_storedN.
#ifdef STORAGE_FLOAT16
typedef half element;
#define STORED_AS ushort
// Vectors are loaded and stored through packed structs. PoCL 3.1 assumes that the address of a half vector is aligned
// to 16 bytes, which OpenCL C does not require, and crashes; LLVM splits its vstore of floats. float16 is converted in
// private memory, which the compiler turns into registers.
#define HALF_VECTOR(N)                                                \
  typedef struct __attribute__((packed)) { ushort##N v; } packed##N;  \
  inline float##N of_stored##N(const ushort##N bits) {                  \
    return vload_half##N(0, (const half*)&bits);                      \
  }                                                                   \
  inline ushort##N to_stored##N(const float##N value) {                 \
    ushort##N bits;                                                   \
    vstore_half##N(value, 0, (half*)&bits);                           \
    return bits;                                                      \
  }
HALF_VECTOR(2)
HALF_VECTOR(4)
HALF_VECTOR(8)
HALF_VECTOR(16)
// Single elements are converted as 4: PoCL takes about 20 instructions for each of fewer than 4.
#if defined(VW) && VW > 1
#define GET(tensor, at) of_stored4((ushort4)(((global const ushort*)(tensor))[at], 0, 0, 0)).x
#define PUT(value, tensor, at) \
  (((global ushort*)(tensor))[at] = to_stored4((float4)(value, 0.0f, 0.0f, 0.0f)).x)
#else
#define GET(tensor, at) vload_half(at, tensor)
#define PUT(value, tensor, at) vstore_half(value, at, tensor)
#endif
#elif defined(STORAGE_BFLOAT16)
// The upper half of a float's bits, rounded to nearest, ties to even. NaN stays NaN.
typedef ushort element;
#define STORED_AS ushort
#define BFLOAT_CONVERSIONS(N)                                               \
  inline float##N of_stored##N(const ushort##N stored) {                    \
    return as_float##N(convert_uint##N(stored) << (uint##N)(16));           \
  }                                                                         \
  inline ushort##N to_stored##N(const float##N value) {                     \
    const uint##N bits = as_uint##N(value);                                 \
    const uint##N up = bits >> (uint##N)(16);                               \
    const uint##N rounded = (bits + (uint##N)(0x7fff) + (up & (uint##N)(1))) >> (uint##N)(16); \
    return convert_ushort##N(value != value ? up | (uint##N)(0x40) : rounded); \
  }
#define BFLOAT_VECTOR(N)                                              \
  typedef struct __attribute__((packed)) { ushort##N v; } packed##N;  \
  BFLOAT_CONVERSIONS(N)
BFLOAT_CONVERSIONS()
BFLOAT_VECTOR(2)
BFLOAT_VECTOR(4)
BFLOAT_VECTOR(8)
BFLOAT_VECTOR(16)
#define GET(tensor, at) of_stored((tensor)[at])
#define PUT(value, tensor, at) ((tensor)[at] = to_stored(value))
#else
typedef float element;
#define GET(tensor, at) ((tensor)[at])
#define PUT(value, tensor, at) ((tensor)[at] = (value))
#define FLOAT_VECTOR(N) typedef struct __attribute__((packed)) { float##N v; } packed##N;
FLOAT_VECTOR(2)
FLOAT_VECTOR(4)
FLOAT_VECTOR(8)
FLOAT_VECTOR(16)
#endif

#ifdef STORED_AS
#define GET_N(N, pointer) CLCONV_PASTE(of_stored, N)(PACKED_OF(N, pointer))
#define STORED(N) CLCONV_PASTE(STORED_AS, N)
#define TO_STORED(N, value) CLCONV_PASTE(to_stored, N)(value)
#define FROM_STORED(N, stored) CLCONV_PASTE(of_stored, N)(stored)
#else
#define GET_N(N, pointer) PACKED_OF(N, pointer)
#define STORED(N) CLCONV_PASTE(float, N)
#define TO_STORED(N, value) (value)
#define FROM_STORED(N, stored) (stored)
#endif
#define PACKED_OF(N, pointer) (((global CLCONV_PASTE(packed, N)*)(pointer))->v)
#define PUT_N(N, value, pointer) (PACKED_OF(N, pointer) = TO_STORED(N, value))

// parts: storage
// Vectors of VW floats: LOAD_V and STORE_V move floats, GET_V and PUT_V elements of a tensor; load_some, store_some,
// get_some and put_some a part of a vector.
//
// Macros: VW (floats per vector: 1, 4, 8 or 16).

#if VW == 1
typedef float floatv;
#define LOAD_V(pointer) (*(pointer))
#define STORE_V(value, pointer) (*(pointer) = (value))
#define GET_V(pointer) GET(pointer, 0)
#define PUT_V(value, pointer) PUT(value, pointer, 0)
#else
typedef CLCONV_PASTE(float, VW) floatv;
#define LOAD_V(pointer) CLCONV_PASTE(vload, VW)(0, pointer)
#define STORE_V(value, pointer) CLCONV_PASTE(vstore, VW)(value, 0, pointer)
#define GET_V(pointer) GET_N(VW, pointer)
#define PUT_V(value, pointer) PUT_N(VW, value, pointer)
#endif

// The vector at any address in `space`, loaded or stored in one piece: LLVM splits vstore (see parts/storage.cl).
typedef struct __attribute__((packed)) { floatv v; } packed_floatv;
#define IN_ONE_PIECE(space, pointer) (((space packed_floatv*)(pointer))->v)

// The first `count` floats of a vector: all if count >= VW, none if count <= 0. load_some sets the others to 0,
// store_some leaves them in memory as they are. The loops over vectors as GPUs have them are unrolled: an array that is
// indexed by a variable would be in memory there.
#if VW <= 4
#define FOR_SOME(i, count) _Pragma("unroll") for (int i = 0; i < VW; ++i) if (i < (count))
#else
#define FOR_SOME(i, count) for (int i = 0; i < (count); ++i)
#endif
inline floatv load_some(global const float* pointer, const int count) {
  if (count >= VW) return LOAD_V(pointer);
  float values[VW];
  for (int i = 0; i < VW; ++i) values[i] = i < count ? pointer[i] : 0.0f;
  return LOAD_V(values);
}
inline void store_some(const floatv value, global float* pointer, const int count) {
  if (count >= VW) {
    STORE_V(value, pointer);
    return;
  }
  float values[VW];
  STORE_V(value, values);
  FOR_SOME(i, count) pointer[i] = values[i];
}

// The same for elements.
#if defined(STORED_AS) && VW == 1
#define get_some(pointer, count) ((count) > 0 ? GET(pointer, 0) : 0.0f)
inline void put_some(const float value, global element* pointer, const int count) {
  if (count > 0) PUT(value, pointer, 0);
}
#elif defined(STORED_AS)
inline floatv get_some(global const element* pointer, const int count) {
  if (count >= VW) return GET_V(pointer);
  STORED(VW) bits = 0;
  FOR_SOME(i, count) ((STORED_AS*)&bits)[i] = ((global const STORED_AS*)pointer)[i];
  return FROM_STORED(VW, bits);
}
inline void put_some(const floatv value, global element* pointer, const int count) {
  if (count >= VW) {
    PUT_V(value, pointer);
    return;
  }
  const STORED(VW) bits = TO_STORED(VW, value);
  FOR_SOME(i, count) ((global STORED_AS*)pointer)[i] = ((const STORED_AS*)&bits)[i];
}
#else
#define get_some load_some
#define put_some store_some
#endif

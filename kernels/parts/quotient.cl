// Divisions by numbers that the host knows, as products: src/ops/quotient.hpp makes the reciprocals.
//
//   number            the type of what is counted: int, with WIDE long
//   QUOTIENT(n, by)   n / by for 0 <= n < 2^31, by the int arguments by##_reciprocal and by##_shift;
//                     with WIDE a division, of any n
//
// Macros: WIDE (what is counted needs 64 bits; where it is not defined, 32).

#if WIDE
#define number long
#define QUOTIENT(n, by) ((n) / (by))
#else
#define number int
#define QUOTIENT(n, by) ((int)(mul_hi(2u * (uint)(n), (uint)by##_reciprocal) >> by##_shift))
#endif

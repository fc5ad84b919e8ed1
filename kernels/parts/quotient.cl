// Divisions by numbers that the host knows, as products: src/ops/quotient.hpp makes the reciprocals.
//
//   QUOTIENT(n, by)   n / by for 0 <= n < 2^31, by the int arguments by##_reciprocal and by##_shift

#define QUOTIENT(n, by) ((int)(mul_hi(2u * (uint)(n), (uint)by##_reciprocal) >> by##_shift))

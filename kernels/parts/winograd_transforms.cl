// parts: language
// Winograd's minimal filtering F(M x M, 3x3) for M = 2 and 4 (A. Lavin, S. Gray, "Fast Algorithms for Convolutional
// Neural Networks", 2016): y = A'[(G g G') * (B' d B)]A per tile of M x M results and channel, summed over channels
// before A. (M+2)^2 multiplications instead of 9*M^2. Each transform is one-dimensional and is applied to the columns,
// then to the rows of a tile.
//
// Tiles are numbered through all images, row by row. Those at the lower and right edge read zeroes and store the
// results that exist.
//
// Macros: M. The program defines the types that are transformed: floatv for weights and products, floatt for the input.

#define EDGE (M + 2)
#define XI (EDGE * EDGE)

// to(0..) = G applied to three values.
#if M == 2
#define G_TRANSFORM(g0, g1, g2, to)           \
  {                                           \
    const floatv ends = 0.5f * ((g0) + (g2)); \
    const floatv middle = 0.5f * (g1);        \
    to(0) = g0;                               \
    to(1) = ends + middle;                    \
    to(2) = ends - middle;                    \
    to(3) = g2;                               \
  }
#else
#define G_TRANSFORM(g0, g1, g2, to)                 \
  {                                                 \
    const floatv ends = -((g0) + (g2)) / 6.0f;      \
    const floatv middle = (g1) / 6.0f;              \
    const floatv wide = (g0) / 24.0f + (g2) / 6.0f; \
    const floatv half_ = (g1) / 12.0f;              \
    to(0) = 0.25f * (g0);                           \
    to(1) = ends - middle;                          \
    to(2) = ends + middle;                          \
    to(3) = wide + half_;                           \
    to(4) = wide - half_;                           \
    to(5) = g2;                                     \
  }
#endif

// to(0..) = B' applied to the EDGE values d(0..).
#if M == 2
#define B_TRANSFORM(d, to) \
  to(0) = d(0) - d(2);     \
  to(1) = d(1) + d(2);     \
  to(2) = d(2) - d(1);     \
  to(3) = d(1) - d(3);
#else
#define B_TRANSFORM(d, to)                                                                 \
  {                                                                                        \
    const floatt a = MULTIPLY_ADD((floatt)(-4.0f), d(2), d(4));                            \
    const floatt b = MULTIPLY_ADD((floatt)(-4.0f), d(1), d(3));                            \
    const floatt c = d(4) - d(2);                                                          \
    const floatt e = 2.0f * (d(3) - d(1));                                                 \
    to(0) = MULTIPLY_ADD((floatt)(4.0f), d(0), MULTIPLY_ADD((floatt)(-5.0f), d(2), d(4))); \
    to(1) = a + b;                                                                         \
    to(2) = a - b;                                                                         \
    to(3) = c + e;                                                                         \
    to(4) = c - e;                                                                         \
    to(5) = MULTIPLY_ADD((floatt)(4.0f), d(1), MULTIPLY_ADD((floatt)(-5.0f), d(3), d(5))); \
  }
#endif

// to(0..) = A' applied to the EDGE values d(0..).
#if M == 2
#define A_TRANSFORM(d, to)        \
  {                               \
    to(0) = d(0) + (d(1) + d(2)); \
    to(1) = (d(1) - d(2)) - d(3); \
  }
#else
#define A_TRANSFORM(d, to)                             \
  {                                                    \
    const floatv a = d(1) + d(2);                      \
    const floatv b = d(1) - d(2);                      \
    const floatv c = d(3) + d(4);                      \
    const floatv e = d(3) - d(4);                      \
    to(0) = d(0) + a + c;                              \
    to(1) = MULTIPLY_ADD((floatv)(2.0f), e, b);        \
    to(2) = MULTIPLY_ADD((floatv)(4.0f), c, a);        \
    to(3) = MULTIPLY_ADD((floatv)(8.0f), e, b) + d(5); \
  }
#endif

// parts: storage
// Folding many elements into one number: what is summed, multiplied, compared.
//
//   START, FOLD_1(total, value)      of floats; MAP_1(value) comes before, FINISH(total, divisor) after
//   FROM, FROM_1(pointer, at)        what is read: elements of a tensor, or with FROM_FLOAT sums in between
//   TO_1(value, pointer, at)         what is written, with TO_FLOAT sums in between
//
// NaN is larger and smaller than every number. Macros: FOLD_SUM, FOLD_PRODUCT, FOLD_MAX, FOLD_MIN or FOLD_LOG_SUM_EXP;
// MAP_ABS or MAP_SQUARE; FINISH_SQRT or FINISH_LOG; FROM_FLOAT; TO_FLOAT.

#if defined(FOLD_PRODUCT)
#define START 1.0f
#define FOLD_1(total, value) ((total) * (value))
#elif defined(FOLD_MAX) || defined(FOLD_LOG_SUM_EXP)
#define START (-INFINITY)
#define FOLD_1(total, value) ((value) > (total) || (value) != (value) ? (value) : (total))
#elif defined(FOLD_MIN)
#define START INFINITY
#define FOLD_1(total, value) ((value) < (total) || (value) != (value) ? (value) : (total))
#else
#define START 0.0f
#define FOLD_1(total, value) ((total) + (value))
#endif

#if defined(MAP_ABS)
#define MAP_1(value) fabs(value)
#elif defined(MAP_SQUARE)
#define MAP_1(value) ((value) * (value))
#else
#define MAP_1(value) (value)
#endif

#if defined(FINISH_SQRT)
#define FINISH(total, divisor) sqrt((total) / (divisor))
#elif defined(FINISH_LOG)
#define FINISH(total, divisor) log((total) / (divisor))
#else
#define FINISH(total, divisor) ((total) / (divisor))
#endif

#ifdef FROM_FLOAT
typedef float from_t;
#define FROM_1(pointer, at) ((pointer)[at])
#else
typedef element from_t;
#define FROM_1(pointer, at) GET(pointer, at)
#endif
#ifdef TO_FLOAT
typedef float to_t;
#define TO_1(value, pointer, at) ((pointer)[at] = (value))
#else
typedef element to_t;
#define TO_1(value, pointer, at) PUT(value, pointer, at)
#endif

// parts: vectors epilogue mask
// Adds up the parts of a split reduction, or the images of a gradient, in a fixed order.
//
//   parts [ part 0: count elements ]
//         [ part 1                 ]     each work-item: `span` elements, over all parts
//            + + + + + + + + +
//   result [  count elements       ]
//
// Macros: VW (vectors on a CPU; 1 on a GPU), ACCUMULATE, STORAGE_.. (of the result); GRADIENT (1: the parts are images
// of a gradient, elements instead of floats), MASK.

#if defined(GRADIENT) && GRADIENT
typedef element part_element;
#define PART(parts, y, at) MASKED(parts, y, at)
#if defined(MASK) && MASK
#define PART_V(parts, y, at) BACKWARD(GET_V((parts) + (at)), GET_V((y) + (at)))
#else
#define PART_V(parts, y, at) GET_V((parts) + (at))
#endif
#else
typedef float part_element;
#define PART(parts, y, at) ((parts)[at])
#define PART_V(parts, y, at) LOAD_V((parts) + (at))
#endif

// result[i] = sum over part of parts[part*count + i]; each work-item `span` elements.
kernel void sum_parts(global const part_element* restrict parts, global const element* restrict y,
                      global element* restrict result, long count, int parts_count, int span) {
  const long first = (long)get_global_id(0) * span;
  const long last = min(first + span, count);
  long i = first;
#if defined(VW) && VW > 1
  for (; i + VW <= last; i += VW) {
    floatv sum = (floatv)(0.0f);
    for (int part = 0; part < parts_count; ++part) sum += PART_V(parts, y, part * count + i);
    PUT_V(RESULT(GET_V(result + i), sum), result + i);
  }
#endif
  for (; i < last; ++i) {
    float sum = 0.0f;
    for (int part = 0; part < parts_count; ++part) sum += PART(parts, y, part * count + i);
    PUT(RESULT(GET(result, i), sum), result, i);
  }
}

// parts: vectors
// A row of `count` elements between float32 and storage, `span` elements per work-item:
//
//   work-item 0: elements 0 .. span-1 | work-item 1: span .. 2*span-1 | ...     each in vectors of VW
//
// Macros: VW; the storage's (parts/storage.cl).

kernel void to_storage(global const float* restrict x, global element* restrict y, long count,
                       long span) {
  const long first = get_global_id(0) * span;
  const long last = min(first + span, count);
  for (long i = first; i < last; i += VW)
    put_some(load_some(x + i, (int)min(last - i, (long)VW)), y + i, (int)min(last - i, (long)VW));
}

kernel void from_storage(global const element* restrict x, global float* restrict y, long count,
                         long span) {
  const long first = get_global_id(0) * span;
  const long last = min(first + span, count);
  for (long i = first; i < last; i += VW)
    store_some(get_some(x + i, (int)min(last - i, (long)VW)), y + i, (int)min(last - i, (long)VW));
}

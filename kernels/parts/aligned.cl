// parts: storage
// Vectors of N elements at addresses that are multiples of their size, which a GPU then moves at once, or of an
// element's, which some GPUs move at once. GET_N and PUT_N take any address, for which GPUs use a load per element or
// per byte.

#define GET_ALIGNED(N, pointer) FROM_STORED(N, *(global const STORED(N)*)(pointer))
#define PUT_ALIGNED(N, value, pointer) (*(global STORED(N)*)(pointer) = TO_STORED(N, value))
#ifdef STORED_AS
#define GET_BY_ELEMENT(N, pointer) FROM_STORED(N, CLCONV_PASTE(vload, N)(0, (global const STORED_AS*)(pointer)))
#else
#define GET_BY_ELEMENT(N, pointer) CLCONV_PASTE(vload, N)(0, pointer)
#endif

/* clconv: 2-D convolution on any OpenCL device, with a planner that chooses how and says why.
 *
 * The C ABI: these are the only symbols that libclconv exports. C++ users include clconv.hpp, which
 * wraps it.
 *
 * Conventions
 * -----------
 * - Every function that can fail returns a clconv_status. On failure nothing is written to the
 * output parameters, and clconv_last_error() has one line that names what was wrong and its value.
 * The library never prints, never exits, never lets an exception out.
 * - Tensors are dense row-major, float32 in NCHW order unless the problem says otherwise; letters: n images,
 *   c input channels, h w input height and width, k filters, kh kw filter size, sh sw stride, pt pl pb pr zero padding
 *   (top, left, bottom, right), dh dw dilation (1 = dense), g groups, oh ow output height and width.
 *       x (n,c,h,w)   w (k,c/g,kh,kw)   b (k)   y (n,k,oh,ow)
 *       oh = floor((h + pt + pb - dh*(kh-1) - 1) / sh) + 1, ow likewise
 *       y[n,k,i,j] = b[k] + sum over c',p,q of x[n, group*c/g + c', i*sh-pt+p*dh, j*sw-pl+q*dw] *
 *                    w[k,c',p,q]      (cross-correlation; x is 0 outside the image)
 * - Buffers may be sub-buffers. Outputs must not overlap inputs (clconv_relu and clconv_relu_backward may run in
 *   place), and the workspace must not overlap anything. What a call is given is checked before anything is enqueued.
 *   CLCONV_INVALID_ARGUMENT, with the argument's name, is returned for
 *     an image or a pipe; a buffer, queue or event of another cl_context; a queue of another device;
 *     a buffer that is too small, or a part that starts where the device cannot address it;
 *     buffers that overlap: one buffer, parts of one, or over the same host memory;
 *     a buffer that is written and CL_MEM_READ_ONLY, or read and CL_MEM_WRITE_ONLY;
 *     memory of CL_MEM_USE_HOST_PTR that is not aligned to its elements, and for clconv_gemm and strategies that use
 *     CLBlast to CL_DEVICE_MEM_BASE_ADDR_ALIGN.
 *   Handles that were released, or never were any, cannot be told from others.
 * - Structs start with struct_size; the _init functions set it and every default (info structs: set
 *   info.struct_size = sizeof(info)). Later versions only append fields: an older caller's shorter
 *   struct is read and written as far as it goes, a newer caller's longer one is accepted as long as
 *   the fields unknown here are zero.
 * - A batch of 0 (n, and count of relu) is valid and computes nothing: gradients of weights and bias, loss and
 *   correct become 0, or stay as they are when accumulating; events and wait lists count. Buffers that would have 0
 *   bytes may be NULL.
 * - Infinity and NaN: where one of a result's own products (those inside the image) or what is added to them is not
 *   finite, the result is what float32 arithmetic makes of them, whatever the plan; Winograd may give NaN instead
 *   of infinity. dy that ReLU, ReLU6 or hard sigmoid masks out counts as 0, also where it is NaN. A result all of
 *   whose products are finite may still be NaN, depending on the plan, in these cases only: a weight, in weight
 *   gradients a dy, that is not finite and of which one product is with padding (0 times it, or skipped; for data
 *   gradients, positions outside dy are padding); in weight gradients, an x that is not finite, for all taps of its
 *   channel; and with error_reach > 0 (Winograd), an input that near or any weight of the filter that is not finite.
 *   clconv_plan_options.deterministic changes none of this.
 * - Enumerations are int32_t with named values: their size is part of the ABI, and a value that is
 *   none of the names is refused, not undefined.
 * - Strings returned through `char**` belong to the caller: clconv_free().
 * - Functions that enqueue take OpenCL's usual wait list and optional event, do not wait, and work
 * on in-order and out-of-order queues. The queue must belong to the context's cl_context and
 * device.
 * - Thread-safe: everything, as long as no handle is released while another thread uses it. Two
 *   executions of one plan may run at once if their outputs and workspaces are distinct.
 */
#ifndef CLCONV_CLCONV_H
#define CLCONV_CLCONV_H

/* CL_TARGET_OPENCL_VERSION is the application's. Where it is not set, CL/cl.h is asked for what
 * CLHPP will ask it for, or for what it offers by default, so that an OpenCL header included later
 * lacks nothing; the functions of OpenCL 1.2 are then free of warnings, too. The library itself
 * needs OpenCL 1.2. */
#ifndef CL_TARGET_OPENCL_VERSION
#ifdef CL_HPP_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION CL_HPP_TARGET_OPENCL_VERSION
#else
#define CL_TARGET_OPENCL_VERSION 300
#ifndef CL_USE_DEPRECATED_OPENCL_1_2_APIS
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#endif
#endif
#endif
#include <CL/cl.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define CLCONV_API __attribute__((visibility("default")))
#else
#define CLCONV_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- status -------------------------------------------------------------------------------- */

/** What a call that can fail returns. */
typedef int32_t clconv_status;
enum {
  CLCONV_OK = 0,
  CLCONV_INVALID_ARGUMENT = 1, /* a null pointer, a bad option, a buffer missing or too small */
  CLCONV_INVALID_PROBLEM = 2,  /* the problem breaks a rule: the text names the field */
  CLCONV_CONSTRAINT = 3,       /* nothing can run under the constraints given */
  CLCONV_NO_DEVICE = 4,        /* no OpenCL device, or none that matches */
  CLCONV_BUILD_FAILED = 5,     /* a kernel did not compile: clconv_last_error_detail() is the log */
  CLCONV_OUT_OF_MEMORY = 6,    /* on the device or the host: the text has the size asked for */
  CLCONV_OPENCL = 7,           /* any other failing OpenCL call */
  CLCONV_GEMM = 8,             /* CLBlast refused */
  CLCONV_IO = 9,               /* a file could not be read or written */
  CLCONV_INTERNAL = 10,        /* a bug in clconv */
  CLCONV_INVALID_MODEL = 11,   /* net.h: a model is malformed, or its shapes do not fit */
  CLCONV_UNSUPPORTED = 12      /* net.h: a model needs what is not supported: the text names it */
};

/** "CLCONV_OK" etc.; "?" for a number that is none. */
CLCONV_API const char* clconv_status_name(clconv_status status);

/** One line about the last failure in this thread; valid until the next failure in this thread. */
CLCONV_API const char* clconv_last_error(void);

/** What does not fit a line (the build log), or "". Same lifetime. */
CLCONV_API const char* clconv_last_error_detail(void);

/** For libraries on top of this one, whose functions report as those here do: remembers a failure of this thread for
 *  the two functions above, and returns `status`. Control characters of `text` are escaped; `detail` may be NULL. */
CLCONV_API clconv_status clconv_set_last_error(clconv_status status, const char* text,
                                               const char* detail);

/** Library version, e.g. "0.1.0". */
CLCONV_API const char* clconv_version(void);

/** Sets the environment variable POCL_AFFINITY to 1, for an application that runs on PoCL: its worker threads are
 *  then pinned, and do not share a core now and then, at half the speed (docs/results.md). Only where pinning
 *  is right, which PoCL does not check: this process may use all CPUs of the machine, 0 to n-1, and
 *  POCL_MAX_PTHREAD_COUNT asks for no more threads; and only where the variable is not set. Call it at the start of
 *  main(), before OpenCL is used and other threads read the environment.
 *  \return 1 where the threads will be pinned, 0 where not. */
CLCONV_API int clconv_pin_pocl_threads(void);

/** Frees a string returned by this library; NULL is fine. */
CLCONV_API void clconv_free(char* text);

/* ---- problems ------------------------------------------------------------------------------ */

/** Which result is wanted. The geometry of a problem is always that of the forward convolution. A
 *  transposed convolution is its data gradient with the roles renamed: of a problem with x (n,c,h,w) and
 *  y (n,k,oh,ow) it computes (n,c,h,w) from (n,k,oh,ow), see clconv_problem_transposed(). */
typedef int32_t clconv_direction;
enum {
  CLCONV_FORWARD = 0,          /* y  from x, w [, b] */
  CLCONV_BACKWARD_DATA = 1,    /* dx from dy, w; rows of x that no output touches get 0 */
  CLCONV_BACKWARD_WEIGHTS = 2, /* dw from x, dy */
  CLCONV_BACKWARD_BIAS = 3,    /* db from dy */
  CLCONV_TRANSPOSED = 4        /* y (n,c,h,w) from x (n,k,oh,ow), w [, b (c)] */
};

/** What a result becomes. NaN stays NaN; otherwise an activation of infinity is what float32 makes of its formula
 *  (a leaky slope of 0 makes NaN of -infinity). */
typedef int32_t clconv_activation;
enum {
  CLCONV_NO_ACTIVATION = 0,
  CLCONV_RELU = 1,         /* max(v, 0) */
  CLCONV_RELU6 = 2,        /* min(max(v, 0), 6) */
  CLCONV_LEAKY_RELU = 3,   /* v < 0 ? activation_slope * v : v */
  CLCONV_SILU = 4,         /* v * sigmoid(v) */
  CLCONV_HARD_SWISH = 5,   /* v * min(max(v + 3, 0), 6) / 6 */
  CLCONV_HARD_SIGMOID = 6, /* min(max(activation_slope * v + activation_offset, 0), 1) */
  CLCONV_SIGMOID = 7,      /* 1 / (1 + exp(-v)) */
  CLCONV_TANH = 8,
  CLCONV_GELU = 9,  /* v * (1 + erf(v / sqrt 2)) / 2 */
  CLCONV_PRELU = 10 /* v < 0 ? slopes[channel] * v : v; the slopes are an operand */
};

/** "none", "relu", ... "prelu", as `clconv run --activation` has them; "?" for a number that is none. */
CLCONV_API const char* clconv_activation_name(clconv_activation activation);

/** How the elements of all operands lie in memory. Sums are float32 in any case; a result is rounded once, to
 *  nearest, ties to even; a float16 one becomes infinite beyond 65504. Needs no cl_khr_fp16. */
typedef int32_t clconv_data_type;
enum {
  CLCONV_FLOAT32 = 0,
  CLCONV_FLOAT16 = 1,
  CLCONV_BFLOAT16 = 2 /* the upper 16 bits of a float32 */
};

/** "f32", "f16", "bf16"; "?" for a number that is none. */
CLCONV_API const char* clconv_data_type_name(clconv_data_type type);

/** Order of x, y and r: (n,c,h,w), or channels last, (n,h,w,c). Forward only. */
typedef int32_t clconv_tensor_layout;
enum { CLCONV_NCHW = 0, CLCONV_NHWC = 1 };

/** Order of the weights: (k,c/g,kh,kw), or (k,kh,kw,c/g). Forward only. */
typedef int32_t clconv_weights_layout;
enum { CLCONV_KCRS = 0, CLCONV_KRSC = 1 };

/** What is to be computed: activation(sum of the products + b + r) * scale. Sizes in elements. */
typedef struct clconv_problem {
  size_t struct_size;
  int64_t n, c, h, w;
  int64_t k, kh, kw;
  int64_t sh, sw;
  int64_t pt, pl, pb, pr;
  int64_t dh, dw;
  int64_t g;
  clconv_direction direction;
  int bias; /* forward, transposed: add b, one value per channel of the result */
  clconv_activation activation; /* forward, transposed; backward with mask: whose backward it is */
  int mask;       /* backward: multiplies dy by a derivative computed from y, see below */
  int accumulate; /* backward: add to the gradient that the result buffer holds */
  int residual;   /* forward, transposed: add r, a tensor of the result's shape */
  float
      activation_slope; /* of CLCONV_LEAKY_RELU below 0, of CLCONV_HARD_SIGMOID; in [-1, 1]; 0.01 by default */
  clconv_data_type data_type;
  clconv_tensor_layout layout;
  clconv_weights_layout weights_layout;
  float activation_offset; /* of CLCONV_HARD_SIGMOID; finite; 0.5 by default */
  /* Forward and transposed, in layout CLCONV_NCHW: elements from one image of x to the next, and of y and r. Larger
   * than an image where the operand is a range of channels of a larger tensor; what lies between its images is not
   * written. 0: images lie one behind the other. The buffer begins with the range's first channel of the first image
   * and needs to reach no further than its last element. */
  int64_t x_image_stride, y_image_stride;
  int scale; /* forward, transposed, CLCONV_NCHW: multiply by one value per image and channel; not with CLCONV_PRELU */
} clconv_problem;

/* With `mask` a gradient is that of an activated convolution: dy is multiplied by the derivative of `activation`,
 * which is computed from the forward result y, as it is stored:
 *     none, relu     y > 0 ? 1 : 0
 *     relu6          0 < y < 6 ? 1 : 0
 *     leaky relu     y > 0 ? 1 : activation_slope, which must be at least 0
 *     hard sigmoid   0 < y < 1 ? activation_slope : 0
 *     sigmoid        y * (1 - y)
 *     tanh           1 - y * y
 * The derivatives of the others need what was activated, which a fused convolution does not store: SiLU, hard swish and
 * GELU take one value twice, and PReLU's slopes are no operand of a gradient. They are CLCONV_INVALID_PROBLEM. */

/** Sizes and work of a problem. */
typedef struct clconv_problem_info {
  size_t struct_size;
  int64_t oh, ow;
  int64_t x_bytes, w_bytes, b_bytes, y_bytes;
  double flops; /* of the direct algorithm, a multiply-add counted as two */
} clconv_problem_info;

/** All sizes 1, no padding, forward, no epilogue. */
CLCONV_API void clconv_problem_defaults(clconv_problem* problem, size_t size);
static inline void clconv_problem_init(clconv_problem* problem) {
  clconv_problem_defaults(problem, sizeof(*problem));
}

/** Reads "n1c64h56w56k64kh3kw3p1": fields n c h w k kh kw required, then s|sh,sw
 * p|ph,pw|pt,pl,pb,pr d|dh,dw g in any order, pairs also as "s2,1", four paddings as "p1,0,1,2"
 * (top, left, bottom, right); or oneDNN's "mb1ic64ih56oc64oh56kh3ph1". `problem` must be initialised; the result is
 *  valid; a negative pb or pr makes it CLCONV_TRANSPOSED. benchdnn's text is read by its rules: without an output
 *  the padding is 0 unless named, with one it is deduced; without fields of the width the height's hold for both,
 *  without fields of the height it is 1-D; 3-D is refused. \retval
 * CLCONV_INVALID_PROBLEM the text, or the problem it describes, is wrong. */
CLCONV_API clconv_status clconv_problem_parse(const char* text, clconv_problem* problem);

/** The problem whose transposed convolution takes x (n,c,h,w) with weights (c, k/g, kh, kw) to
 *  (n,k,H,W), H = (h-1)*sh - pt - pb + dh*(kh-1) + 1 + output_pad_h: `as_seen` has the fields as the
 *  caller of the transposed convolution sees them, `problem` (initialised) gets the forward convolution
 *  that it is the gradient of, with direction CLCONV_TRANSPOSED. 0 <= output_pad < max(stride, dilation). The
 *  padding behind (pb, pr) of `problem` is less than seen by the whole strides in output_pad, and may be negative:
 *  rows and columns that no tap reaches, which transposed convolutions alone may have. */
CLCONV_API clconv_status clconv_problem_transposed(const clconv_problem* as_seen,
                                                   int64_t output_pad_h, int64_t output_pad_w,
                                                   clconv_problem* problem);

/** The canonical text, defaults left out. Direction, epilogue and storage are not part of it. */
CLCONV_API clconv_status clconv_problem_format(const clconv_problem* problem, char** text);

/** Validates, and gives output size, byte sizes and work. Set info->struct_size before. */
CLCONV_API clconv_status clconv_problem_query(const clconv_problem* problem,
                                              clconv_problem_info* info);

/* ---- devices ------------------------------------------------------------------------------- */

/** All devices as a JSON array of {"index","default","type","name","platform","vendor","driver",
 *  "compute_units","clock_mhz","float_width","global_memory_bytes","local_memory_bytes"}. An empty
 *  array is not an error. */
CLCONV_API clconv_status clconv_devices(char** json);

/** `spec`: an index "P:D", part of a device's or platform's name (any case), or NULL or "" for
 *  CLCONV_DEVICE, else the default: the first GPU, else accelerator, else CPU. */
CLCONV_API clconv_status clconv_select_device(const char* spec, cl_device_id* device);

/* ---- contexts ------------------------------------------------------------------------------ */

/** A device in a cl_context with its compiled kernels, wisdom, plan cache and scratch memory. */
typedef struct clconv_context_s* clconv_context;

/** How a context is made. */
typedef struct clconv_context_options {
  size_t struct_size;
  /** Folder for compiled kernels. NULL: CLCONV_CACHE_DIR, else the user's cache folder, and there
   *  only for drivers that keep no such cache themselves (PoCL does). "off": none. */
  const char* cache_directory;
  int64_t cache_max_bytes; /* 0: 256 MiB; least recently used entries go first */
  /** File of measurements (SQLite). NULL: CLCONV_WISDOM, else wisdom.sqlite in the user's cache folder. "off":
   *  none. JSON lines of earlier versions are migrated once. A file that is missing, read-only, locked or corrupt
   *  never fails a plan and is left alone; the report's notes say so. */
  const char* wisdom_path;
  int64_t plan_cache_capacity; /* plans kept for being asked again; 0: 256 */
  /** Bytes of workspace kept between executions that bring none. 0: CLCONV_SCRATCH_LIMIT, else a quarter of the
   *  device's memory. An execution that needs more gets it, and gives it back when it has ended. */
  int64_t scratch_limit_bytes;
} clconv_context_options;

/** NULL and 0 in all fields. */
CLCONV_API void clconv_context_options_defaults(clconv_context_options* options, size_t size);
static inline void clconv_context_options_init(clconv_context_options* options) {
  clconv_context_options_defaults(options, sizeof(*options));
}

/** On the caller's cl_context and device (one of the cl_context's, or a sub-device of one), which are retained.
 *  `options` may be NULL. */
CLCONV_API clconv_status clconv_context_create(cl_context context, cl_device_id device,
                                               const clconv_context_options* options,
                                               clconv_context* result);

/** On a cl_context of its own; `spec` as in clconv_select_device(). */
CLCONV_API clconv_status clconv_context_create_on(const char* spec,
                                                  const clconv_context_options* options,
                                                  clconv_context* result);

/** The cl_context and device; not retained for the caller. Either pointer may be NULL. */
CLCONV_API clconv_status clconv_context_get(clconv_context context, cl_context* cl,
                                            cl_device_id* device);

/** Another reference, to be released as the first. */
CLCONV_API clconv_status clconv_context_retain(clconv_context context);

/** Drops the caller's reference; plans made in the context keep it alive. NULL is fine. */
CLCONV_API void clconv_context_release(clconv_context context);

/** The device profile that planning uses, as JSON. With `measure`, measures peak, bandwidth and
 * launch time first (well under a second), uses them from now on, keeps them in the wisdom and forgets the plan cache.
 * Devices that the model was not calibrated on are measured, in tens of milliseconds, at the first plan anyway. */
CLCONV_API clconv_status clconv_context_profile(clconv_context context, int measure, char** json);

/** {"programs":{"built","from_disk","from_memory","evicted","build_us","last_disk_failure"},
 *  "scratch_bytes","wisdom":{"path","notes":[...]}}: a note says why wisdom is not read or not kept. */
CLCONV_API clconv_status clconv_context_stats(clconv_context context, char** json);

/** What a context holds on the device and for it. */
typedef struct clconv_memory_info {
  size_t struct_size;
  int64_t
      scratch_bytes; /* workspaces of executions that bring none, in use or kept for the next ones */
  int64_t scratch_peak_bytes;  /* the most of it so far */
  int64_t scratch_limit_bytes; /* what is kept */
  int64_t scratch_buffers;
  int64_t programs; /* compiled, in memory */
  int64_t plans;    /* in the plan cache */
  int clblast_programs; /* 1: CLBlast's cache, which belongs to the process, has programs of this cl_context */
} clconv_memory_info;

/** Set info->struct_size before. The driver's own memory for programs is not counted: OpenCL does not tell. */
CLCONV_API clconv_status clconv_context_memory(clconv_context context, clconv_memory_info* info);

/** Gives back what can be made again, without waiting for a search: scratch, compiled programs, cached plans, and
 *  CLBlast's cache, which is cleared for the whole process. Plans that somebody holds stay as they are, and enqueued
 *  work goes on; what is in use is freed when it ends. The last release of a context does the same, so that nothing
 *  keeps the cl_context alive; while the process ends (static objects, atexit), CLBlast's cache is left to it. */
CLCONV_API clconv_status clconv_context_trim(clconv_context context);

/* ---- plans --------------------------------------------------------------------------------- */

/** How much work planning may cost. All use wisdom where it covers the question. */
typedef int32_t clconv_rigor;
enum {
  CLCONV_RIGOR_DEFAULT = 0, /* CLCONV_RIGOR, else estimate */
  CLCONV_WISDOM_ONLY = 1,   /* what was measured before, else CLCONV_CONSTRAINT */
  CLCONV_ESTIMATE = 2,      /* cost model, no timing */
  CLCONV_MEASURE = 3,       /* times the best few by the model */
  CLCONV_EXHAUSTIVE = 4     /* times every candidate that is not hopeless */
};

/** The least precise arithmetic that a plan may multiply in. */
typedef int32_t clconv_math;
enum {
  CLCONV_MATH_FLOAT32 = 0, /* the default */
  /** float16 products where the device has them and that is faster: factors are rounded to float16 first. Factors
   *  beyond 65504 become infinite, and so may results where sums of a few products are. clconv_plan_info.error_bound
   *  says what is lost. Storage is clconv_problem.data_type's business; either goes with either. */
  CLCONV_MATH_FLOAT16 = 1,
  /** TF32 products by matrix units where the device has them and that is faster (NVIDIA's, from compute capability 8.0
   *  on): factors are rounded to 10 bits behind the point, as in float16, and keep float32's range. CLCONV_MATH_FLOAT16
   *  allows these, too. */
  CLCONV_MATH_TF32 = 2
};

/** How a plan is chosen, and under which constraints. */
typedef struct clconv_plan_options {
  size_t struct_size;
  clconv_rigor rigor;
  double time_limit_s; /* measuring stops with the best so far; <= 0: no limit; NaN is refused */
  /** Bytes an execution may need besides its operands, weights not prepared; < 0:
   *  CLCONV_WORKSPACE_LIMIT, else the device's limit. */
  int64_t workspace_limit_bytes;
  int deterministic; /* equal inputs must give equal bits */
  /** Forced, and never replaced silently; NULL: CLCONV_STRATEGY, else free; "": free. */
  const char* strategy;
  const char* config;    /* forced variant, as reported; needs strategy */
  const char* allow;     /* comma-separated strategies, NULL: all */
  const char* deny;      /* comma-separated strategies, NULL: none */
  int64_t expected_runs; /* > 0: compiling and preparing count, spread over so many executions */
  int time_all;          /* for benchmarks: prune nothing */
  int weights_change;    /* as in training: they are packed in every execution, which counts */
  clconv_math math;      /* float32 unless less is asked for */
  int launches_apart; /* never joined to one: for who joins them himself, see clconv_plan_get_launch() */
  /** A variant that is not trusted yet is taken unchecked: clconv_plan_check() must follow. Below rigor measure,
   *  kernels are compiled only when the plan first launches them: who makes a program of his own of their texts
   *  (clconv_launch) spares that. */
  int check_later;
} clconv_plan_options;

/** No workspace limit (-1); NULL and 0 in all other fields. */
CLCONV_API void clconv_plan_options_defaults(clconv_plan_options* options, size_t size);
static inline void clconv_plan_options_init(clconv_plan_options* options) {
  clconv_plan_options_defaults(options, sizeof(*options));
}

/** A choice made executable: all kernels compiled, nothing left to decide. Immutable. */
typedef struct clconv_plan_s* clconv_plan;

/** Plans `problem`; a problem asked before with the same options comes from the context's cache.
 *  `options` may be NULL. One search at a time per context.
 *  \retval CLCONV_CONSTRAINT nothing can run it; the text gives every strategy's reason.
 *  \retval CLCONV_BUILD_FAILED, CLCONV_OPENCL the same where what meets the constraints did not compile or run. */
CLCONV_API clconv_status clconv_plan_create(clconv_context context, const clconv_problem* problem,
                                            const clconv_plan_options* options,
                                            clconv_plan* result);

/** Another reference, to be released as the first. */
CLCONV_API clconv_status clconv_plan_retain(clconv_plan plan);
/** Executions already enqueued go on. NULL is fine. */
CLCONV_API void clconv_plan_release(clconv_plan plan);

/** What was chosen, what it needs and what it costs. */
typedef struct clconv_plan_info {
  size_t struct_size;
  const char* strategy; /* these live as long as the plan */
  const char* config;
  int64_t workspace_bytes;            /* of an execution with prepared weights */
  int64_t workspace_unprepared_bytes; /* of one that packs the weights itself */
  int64_t prepared_weights_bytes;     /* 0: the strategy uses the weights as they are */
  int deterministic;
  double
      error_bound; /* |error| <= error_bound * the sum of the magnitudes added + error_floor, per element, while a
                      float16 result does not overflow; see error_reach. Slopes of CLCONV_PRELU, and the scale, count
                      as being in [-1, 1]: with larger ones, multiply this and error_floor by the largest magnitude */
  double predicted_us; /* by the model; < 0 if there is no prediction */
  double measured_us;  /* median; < 0 if it was not measured */
  int64_t steps; /* per execution with prepared weights; PoCL's CPUs may get them as one command */
  /* 0: a result is computed from its own products only. Above (Winograd): neighbours up to so many pixels
   * around its patch take part. Then error_bound is relative to the sum over channels of (largest |input| there) *
   * (sum of the filter's |weights|), and a NaN or infinity there may reach the result. For a weight gradient it is
   * relative to the sum over images of (largest |x| of the channel) * (sum of the filter's |dy|). */
  int error_reach;
  double
      error_floor; /* of activations that are not 0 at 0, and of results too small for their data type; with float16
                      products (clconv_math) also of numbers too small for float16, factors counting as in [-1, 1] */
} clconv_plan_info;

/** Set info->struct_size before. */
CLCONV_API clconv_status clconv_plan_get_info(clconv_plan plan, clconv_plan_info* info);

/** Why this plan: every candidate, chosen or not, as JSON (docs/planner.md). */
CLCONV_API clconv_status clconv_plan_report(clconv_plan plan, char** json);

/** The buffers of an execution. Which ones a direction takes stands at clconv_direction; the others are
 *  ignored. */
typedef struct clconv_operands {
  size_t struct_size;
  cl_mem x, w, b, y;
  cl_mem dx, dw, db, dy;
  /** From clconv_plan_prepare(), instead of w; or NULL: the weights are packed every time. Ignored (and
   *  w needed) where prepared_weights_bytes is 0. */
  cl_mem prepared;
  cl_mem workspace; /* the caller's, of at least the bytes in clconv_plan_info, or NULL */
  cl_mem r;         /* the residual, where the problem has one; must not overlap the result */
  cl_mem slopes;    /* of CLCONV_PRELU: one value per channel of the result, as b */
  cl_mem scale;     /* where the problem has one: (n,k), the channels of the result */
} clconv_operands;

/** NULL in all fields. */
CLCONV_API void clconv_operands_defaults(clconv_operands* operands, size_t size);
static inline void clconv_operands_init(clconv_operands* operands) {
  clconv_operands_defaults(operands, sizeof(*operands));
}

/** Packs `w` into `prepared` (prepared_weights_bytes), for any number of executions. With
 *  prepared_weights_bytes == 0 there is nothing to do; `prepared` may be NULL. */
CLCONV_API clconv_status clconv_plan_prepare(clconv_plan plan, cl_command_queue queue, cl_mem w,
                                             cl_mem prepared, cl_uint num_events,
                                             const cl_event* wait_list, cl_event* event);

/** Enqueues the convolution. In the steady state nothing is looked up, compiled or allocated on the
 *  device. The event ends the last command: its profiling times cover that one only. */
CLCONV_API clconv_status clconv_plan_execute(clconv_plan plan, cl_command_queue queue,
                                             const clconv_operands* operands, cl_uint num_events,
                                             const cl_event* wait_list, cl_event* event);

/** What an argument of a launch is. */
typedef int32_t clconv_argument_kind;
enum {
  CLCONV_ARGUMENT_BUFFER = 0,
  CLCONV_ARGUMENT_INT = 1,  /* cl_int */
  CLCONV_ARGUMENT_LONG = 2, /* cl_long */
  CLCONV_ARGUMENT_FLOAT = 3
};

/** An argument of a launch. */
typedef struct clconv_launch_argument {
  clconv_argument_kind kind;
  float number; /* of CLCONV_ARGUMENT_FLOAT */
  /** Of a buffer: the member of clconv_operands that it is part of, as offsetof(clconv_operands, x); NULL where that
   *  member is. */
  size_t operand;
  int64_t offset_bytes; /* in that buffer, where the argument begins */
  int64_t integer;      /* of CLCONV_ARGUMENT_INT and CLCONV_ARGUMENT_LONG */
} clconv_launch_argument;

/** One launch of a kernel, for those who enqueue a plan's work in ways of their own: several plans as one launch, or in
 *  a command buffer. */
typedef struct clconv_launch {
  size_t struct_size;
  /** The plan's, and it uses it: make a kernel of your own of its program. NULL where it is not compiled
   *  (clconv_plan_options::check_later). */
  cl_kernel kernel;
  size_t global_size[3];
  size_t local_size[3];
  int64_t num_arguments;
  const clconv_launch_argument*
      arguments; /* of the kernel's parameters, in order; they live as long as the plan */
  /** The kernel's program as text, its build options, and the kernel's name there; as long as the plan. */
  const char* source;
  const char* options;
  const char* function;
} clconv_launch;

/** Step `index` of an execution with prepared weights (there are clconv_plan_info::steps, in this order, each behind
 *  the one before). Set launch->struct_size before. CLCONV_CONSTRAINT: that step is no launch of one kernel. */
CLCONV_API clconv_status clconv_plan_get_launch(clconv_plan plan, int64_t index,
                                                clconv_launch* launch);

/** Enqueues launches, each behind the one before, on `queue`, which is in order; launches and operands are valid during
 *  the call only, the buffers until all have ended. \retval CLCONV_CONSTRAINT it cannot: nothing is enqueued. */
typedef clconv_status (*clconv_run_launches)(void* user, cl_command_queue queue,
                                             int64_t num_launches, const clconv_launch* launches,
                                             const clconv_operands* operands);

/** Checks the variant of a plan made with clconv_plan_options::check_later as planning does without it: the launches of
 *  a small problem of the same class are run and compared. `run` enqueues them in a way of the caller's, such as a
 *  program that the plan's kernels are part of; where it is NULL or cannot, they are launched one by one. The result is
 *  remembered for the context's device and driver: of a variant that is trusted already nothing is run. Waits.
 *  \retval CLCONV_CONSTRAINT the variant is wrong, the plan must not be used; a new one takes another variant. */
CLCONV_API clconv_status clconv_plan_check(clconv_plan plan, clconv_run_launches run, void* user);

/** Executes once on a profiling queue of its own and waits: [{"step","us"}] as JSON. */
CLCONV_API clconv_status clconv_plan_profile(clconv_plan plan, const clconv_operands* operands,
                                             char** json);

/** The report without a plan, also where nothing can run ("chosen" is null). Up to CLCONV_ESTIMATE
 *  nothing is compiled or run. */
CLCONV_API clconv_status clconv_explain(clconv_context context, const clconv_problem* problem,
                                        const clconv_plan_options* options, char** json);

/** The same for a device that is not here: `profile` is the JSON of clconv_context_profile(). Rigor
 *  CLCONV_ESTIMATE only. */
CLCONV_API clconv_status clconv_explain_profile(const char* profile, const clconv_problem* problem,
                                                const clconv_plan_options* options, char** json);

/* ---- batches over devices ------------------------------------------------------------------
 *
 * One problem over several devices, each with a context of its own (of any platform; two contexts may be of one
 * device). The images are divided: part i is images first to first + images - 1, on device i. Weights, bias and slopes
 * go to every device. Gradients of weights and bias are sums over the images: each device sums up its own, and the host
 * adds the sums in the order of the contexts, in float32, and rounds once more. Equal inputs give equal bits if the
 * division is equal (see images) and the plans are deterministic. Wisdom, caches and environment are each context's.
 */

/** A division of a problem's images, and a plan for each device. */
typedef struct clconv_batch_s* clconv_batch;

/** How a batch is divided and planned. */
typedef struct clconv_batch_options {
  size_t struct_size;
  const clconv_plan_options* plan; /* of the plan on every device; NULL: the defaults */
  /** Images of each context, which sum up to the problem's n. NULL: divided so that the last device is done as early as
   *  possible. Then the time of an equal share of the images is asked of each device: measured where all devices have
   *  that (rigor CLCONV_MEASURE, or wisdom), else predicted. Copies to and from a device are not counted. */
  const int64_t* images;
} clconv_batch_options;

/** NULL in all fields. */
CLCONV_API void clconv_batch_options_defaults(clconv_batch_options* options, size_t size);
static inline void clconv_batch_options_init(clconv_batch_options* options) {
  clconv_batch_options_defaults(options, sizeof(*options));
}

/** Divides `problem` among `count` contexts, which are retained, and plans each part. `options` may be NULL. Fewer
 *  images than devices leave some devices without any. Errors are those of clconv_plan_create(); the text names the
 *  device. \retval CLCONV_INVALID_ARGUMENT count is 0, or images do not sum up to n. */
CLCONV_API clconv_status clconv_batch_create(const clconv_context* contexts, size_t count,
                                             const clconv_problem* problem,
                                             const clconv_batch_options* options,
                                             clconv_batch* result);

/** Another reference, to be released as the first. */
CLCONV_API clconv_status clconv_batch_retain(clconv_batch batch);
/** Not while a run is going on. NULL is fine. */
CLCONV_API void clconv_batch_release(clconv_batch batch);

/** What one device does. */
typedef struct clconv_batch_part {
  size_t struct_size;
  int64_t first, images;
  double image_us;  /* of one image, by which the images were divided; < 0 where they were not */
  clconv_plan plan; /* of its images; lives as long as the batch. NULL: it has no images */
} clconv_batch_part;

/** Set part->struct_size before. Who keeps the images in buffers of the devices executes the plans of the parts as any
 *  other plan: the part's problem is the batch's with n = images. (Gradients of weights and bias are then to be added
 *  up by the caller; with `accumulate`, the first part that has images adds to its buffer, the others overwrite
 *  theirs.)
 *  \retval CLCONV_INVALID_ARGUMENT index is not below the number of contexts. */
CLCONV_API clconv_status clconv_batch_get_part(clconv_batch batch, size_t index,
                                               clconv_batch_part* part);

/** The operands of the whole problem in the host's memory, as large as buffers would have to be (clconv_problem_query,
 *  and the image strides), in the problem's data type and layout. Which ones a direction takes stands at
 *  clconv_direction; the others are ignored. With `mask`, y is read. */
typedef struct clconv_host_operands {
  size_t struct_size;
  const void *x, *w, *b; /* w NULL: that of the last clconv_batch_prepare() */
  void* y;
  void *dx, *dw, *db;
  const void *dy, *r, *slopes, *scale;
} clconv_host_operands;

/** NULL in all fields. */
CLCONV_API void clconv_host_operands_defaults(clconv_host_operands* operands, size_t size);
static inline void clconv_host_operands_init(clconv_host_operands* operands) {
  clconv_host_operands_defaults(operands, sizeof(*operands));
}

/** Copies `w` to every device and packs it there, for all runs to come whose w is NULL. `w` is free on return. */
CLCONV_API clconv_status clconv_batch_prepare(clconv_batch batch, const void* w);

/** Computes on all devices at once, each driven by a thread of its own, and waits. On CPUs operands are used where they
 *  lie, elsewhere copied. Several threads may run one batch at once if their results are distinct; they take turns at
 *  each device. Where a device fails the others end their part, the text names the first that failed, and what the
 *  result holds is undefined; the batch can be run again.
 *  \retval CLCONV_INVALID_ARGUMENT an operand is NULL, or the result overlaps an input. */
CLCONV_API clconv_status clconv_batch_run(clconv_batch batch, const clconv_host_operands* operands);

/* ---- operations ---------------------------------------------------------------------------- */

/** Shape of the im2col matrix. */
typedef int32_t clconv_layout;
enum {
  CLCONV_ROWS = 0,   /* (n*oh*ow, c*kh*kw), also called im2row */
  CLCONV_COLUMNS = 1 /* (n, c*kh*kw, oh*ow) */
};

/** The patches of x as a matrix, column (c*kh + p)*kw + q; k and g of the problem do not matter. */
CLCONV_API clconv_status clconv_im2col(clconv_context context, cl_command_queue queue,
                                       const clconv_problem* problem, clconv_layout layout,
                                       cl_mem x, cl_mem cols, cl_uint num_events,
                                       const cl_event* wait_list, cl_event* event);

/** How overlapping patches are added up. */
typedef int32_t clconv_col2im_variant;
enum {
  CLCONV_COL2IM_GATHER = 0, /* one sum per pixel, deterministic */
  CLCONV_COL2IM_ATOMIC = 1  /* scatter-add with float atomics; last bits depend on the order */
};

/** The adjoint of im2col: adds every entry of cols to the pixel of dx (n,c,h,w) it came from. dx is
 *  overwritten; pixels that no patch touches become 0. */
CLCONV_API clconv_status clconv_col2im(clconv_context context, cl_command_queue queue,
                                       const clconv_problem* problem, clconv_layout layout,
                                       clconv_col2im_variant variant, cl_mem cols, cl_mem dx,
                                       cl_uint num_events, const cl_event* wait_list,
                                       cl_event* event);

/** C = alpha * op(A) * op(B) + beta * C, row-major: op(A) is m x k, op(B) k x n, C m x n; ld in
 *  elements, at least the width of the matrix as stored. With beta 0, C is not read; with alpha 0, A and B are: a NaN
 *  or infinity there makes NaN of its results. */
typedef struct clconv_gemm_params {
  size_t struct_size;
  int transpose_a, transpose_b;
  int64_t m, n, k;
  int64_t lda, ldb, ldc;
  float alpha, beta;
} clconv_gemm_params;

/** alpha 1, beta 0, all sizes 1. */
CLCONV_API void clconv_gemm_params_defaults(clconv_gemm_params* params, size_t size);
static inline void clconv_gemm_params_init(clconv_gemm_params* params) {
  clconv_gemm_params_defaults(params, sizeof(*params));
}

/** A matrix product through CLBlast, with the parameters tuned for the device's family if there are
 *  any. The first call on a device compiles (5 s on PoCL, once per machine). */
CLCONV_API clconv_status clconv_gemm(clconv_context context, cl_command_queue queue,
                                     const clconv_gemm_params* params, cl_mem a, cl_mem b, cl_mem c,
                                     cl_uint num_events, const cl_event* wait_list,
                                     cl_event* event);

/* ---- network operations ----------------------------------------------------------------------
 *
 * What a small network needs besides convolutions. All enqueue as everything here does, and in the steady
 * state (the same sizes again) compile and allocate nothing. Buffers are checked before anything is enqueued.
 * Everything is deterministic: equal inputs give equal bits.
 */

/** A fully connected layer is planned like any convolution: y (n,outputs) = x (n,inputs) * w^T + b with w
 *  (outputs,inputs), and its gradients, are those of a 1x1 filter on 1x1 images, which is what `problem`
 *  (initialised) becomes; its direction, bias, relu, mask and accumulate stay as they are. So is one over
 *  whole images with a filter as large as the image. Strategy fully_connected computes the batch as one
 *  matrix product, with its own kernels on CPUs and through CLBlast, and packs no weights.
 *  \retval CLCONV_INVALID_PROBLEM a size below 1. */
CLCONV_API clconv_status clconv_problem_fully_connected(int64_t n, int64_t inputs, int64_t outputs,
                                                        clconv_problem* problem);

/** y = x < 0 ? 0 : x for `count` floats; NaN stays NaN. y may be x. A plan's relu costs no pass of its own. */
CLCONV_API clconv_status clconv_relu(clconv_context context, cl_command_queue queue, int64_t count,
                                     cl_mem x, cl_mem y, cl_uint num_events,
                                     const cl_event* wait_list, cl_event* event);

/** dx = y > 0 ? dy : 0 for `count` floats. dx may be dy. A plan's mask costs no pass of its own. */
CLCONV_API clconv_status clconv_relu_backward(clconv_context context, cl_command_queue queue,
                                              int64_t count, cl_mem y, cl_mem dy, cl_mem dx,
                                              cl_uint num_events, const cl_event* wait_list,
                                              cl_event* event);

/** Softmax of logits (n,m) with the categorical cross-entropy against one label a row. */
typedef struct clconv_softmax_params {
  size_t struct_size;
  int64_t n, m;         /* rows, classes */
  float gradient_scale; /* factor of dlogits; loss is the mean over n whatever this is */
  int accumulate;       /* loss and correct are added to what their buffers hold */
} clconv_softmax_params;

/** n and m 1, gradient_scale 1, not accumulating. */
CLCONV_API void clconv_softmax_params_defaults(clconv_softmax_params* params, size_t size);
static inline void clconv_softmax_params_init(clconv_softmax_params* params) {
  clconv_softmax_params_defaults(params, sizeof(*params));
}

/** What is NULL of the results is not computed; one at least must be wanted. */
typedef struct clconv_softmax_operands {
  size_t struct_size;
  cl_mem logits;  /* (n,m) float32 */
  cl_mem labels;  /* (n) int32; may be NULL where only probabilities are wanted */
  cl_mem loss;    /* one float32: the mean over the rows of -log(probability of the label) */
  cl_mem correct; /* one int32: rows whose largest logit, the first of equals, is the label's */
  cl_mem probabilities; /* (n,m) float32 */
  cl_mem dlogits;       /* (n,m) float32: gradient_scale * d loss / d logits */
} clconv_softmax_operands;

/** NULL in all fields. */
CLCONV_API void clconv_softmax_operands_defaults(clconv_softmax_operands* operands, size_t size);
static inline void clconv_softmax_operands_init(clconv_softmax_operands* operands) {
  clconv_softmax_operands_defaults(operands, sizeof(*operands));
}

/** Stable for any finite logits; -infinity has probability 0, a row with NaN, infinity or nothing but -infinity becomes
 *  NaN. With accumulate, loss and correct can sum over an epoch and be read back once
 *  (zero them before). A label outside [0,m) makes the loss NaN, counts as wrong, and its row of dlogits is that
 *  of no label. */
CLCONV_API clconv_status clconv_softmax_cross_entropy(clconv_context context,
                                                      cl_command_queue queue,
                                                      const clconv_softmax_params* params,
                                                      const clconv_softmax_operands* operands,
                                                      cl_uint num_events, const cl_event* wait_list,
                                                      cl_event* event);

/** Stochastic gradient descent. One step may take all parameters of a network: keep them in one buffer, and the
 *  layers' weights in sub-buffers of it. */
typedef struct clconv_sgd_params {
  size_t struct_size;
  int64_t count; /* of parameters */
  float learning_rate;
  float momentum;     /* 0: no velocity is kept */
  float weight_decay; /* L2: adds weight_decay * w to the gradient */
} clconv_sgd_params;

/** count 1, learning rate 0.01, the rest 0. */
CLCONV_API void clconv_sgd_params_defaults(clconv_sgd_params* params, size_t size);
static inline void clconv_sgd_params_init(clconv_sgd_params* params) {
  clconv_sgd_params_defaults(params, sizeof(*params));
}

/** v = momentum*v + dw + weight_decay*w, w -= learning_rate*v, in place. `velocity` (zero before the first step)
 *  may be NULL where momentum is 0. What changes from step to step compiles nothing. */
CLCONV_API clconv_status clconv_sgd(clconv_context context, cl_command_queue queue,
                                    const clconv_sgd_params* params, cl_mem w, cl_mem dw,
                                    cl_mem velocity, cl_uint num_events, const cl_event* wait_list,
                                    cl_event* event);

/** Adam: D. Kingma and J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, algorithm 1. */
typedef struct clconv_adam_params {
  size_t struct_size;
  int64_t count; /* of parameters */
  int64_t step;  /* 1 for the first: corrects the bias of the moments */
  float learning_rate, beta1, beta2, epsilon;
  float weight_decay; /* L2: adds weight_decay * w to the gradient (not the decoupled form) */
} clconv_adam_params;

/** count and step 1, the paper's learning rate 0.001, beta1 0.9, beta2 0.999, epsilon 1e-8; no decay. */
CLCONV_API void clconv_adam_params_defaults(clconv_adam_params* params, size_t size);
static inline void clconv_adam_params_init(clconv_adam_params* params) {
  clconv_adam_params_defaults(params, sizeof(*params));
}

/** m = beta1*m + (1-beta1)*g, v = beta2*v + (1-beta2)*g*g with g = dw + weight_decay*w, then
 *  w -= learning_rate * m/(1-beta1^step) / (sqrt(v/(1-beta2^step)) + epsilon), in place. `moment1` (m) and
 *  `moment2` (v) are zero before the first step. */
CLCONV_API clconv_status clconv_adam(clconv_context context, cl_command_queue queue,
                                     const clconv_adam_params* params, cl_mem w, cl_mem dw,
                                     cl_mem moment1, cl_mem moment2, cl_uint num_events,
                                     const cl_event* wait_list, cl_event* event);

/** What a window becomes. */
typedef int32_t clconv_pooling_mode;
enum {
  CLCONV_POOLING_MAX = 0,    /* the largest of a window, NaN above all */
  CLCONV_POOLING_AVERAGE = 1 /* the sum over the number of pixels inside the image */
};

/** x (n,c,h,w) to y (n,c,oh,ow). Windows are clipped at the edge of the image: padding never wins and is not
 *  counted. oh = floor((h + pt + pb - kh) / sh) + 1; with `ceil` rounded up, without a last window that would
 *  start behind the image. ow likewise. 0 <= padding < window. */
typedef struct clconv_pooling {
  size_t struct_size;
  int64_t n, c, h, w;
  int64_t kh, kw;
  int64_t sh, sw;
  int64_t pt, pl, pb, pr;
  clconv_pooling_mode mode;
  int ceil;
} clconv_pooling;

/** Sizes of a pooling. */
typedef struct clconv_pooling_info {
  size_t struct_size;
  int64_t oh, ow;
  int64_t x_bytes, y_bytes;
} clconv_pooling_info;

/** All sizes and strides 1, no padding, max, floor. */
CLCONV_API void clconv_pooling_defaults(clconv_pooling* pooling, size_t size);
static inline void clconv_pooling_init(clconv_pooling* pooling) {
  clconv_pooling_defaults(pooling, sizeof(*pooling));
}

/** Validates, and gives the sizes. Set info->struct_size before.
 *  \retval CLCONV_INVALID_PROBLEM a field breaks a rule: the text names it. */
CLCONV_API clconv_status clconv_pooling_query(const clconv_pooling* pooling,
                                              clconv_pooling_info* info);

/** Computes y, which is overwritten. */
CLCONV_API clconv_status clconv_pooling_forward(clconv_context context, cl_command_queue queue,
                                                const clconv_pooling* pooling, cl_mem x, cl_mem y,
                                                cl_uint num_events, const cl_event* wait_list,
                                                cl_event* event);

/** dx is overwritten; where windows overlap, their shares add up. The gradient of a maximum goes to the first of
 *  equals. `x` is the forward input; ignored by averages. */
CLCONV_API clconv_status clconv_pooling_backward(clconv_context context, cl_command_queue queue,
                                                 const clconv_pooling* pooling, cl_mem x, cl_mem dy,
                                                 cl_mem dx, cl_uint num_events,
                                                 const cl_event* wait_list, cl_event* event);

/* ---- wisdom files -------------------------------------------------------------------------- */

/* `path` NULL or "" is the user's own. A file that does not exist has no records; one that exists and cannot be
 *  read (no permission, a folder, no wisdom file, corrupt, locked for longer than a second) is CLCONV_IO, and is
 *  left alone. */

/** The file that a NULL `path` stands for below and in clconv_context_options; "" if it is off. */
CLCONV_API clconv_status clconv_wisdom_path(char** path);

/** {"path","records":[{"problem","direction","device","driver","kernels","rigor","candidates":[...],
 *  "best":{"strategy","config"}|null}],"other_records","unreadable_lines":[...]}, with "machine" in records since 0.1.
 *  "best" of those that were timed, as the planner chooses if nothing constrains it. "other_records": how many there
 *  are beside them, of speeds and of checked variants. Reads JSON lines, too. */
CLCONV_API clconv_status clconv_wisdom_read(const char* path, char** json);

/** Can records be kept in `path` now? Makes the file where it is missing. \retval CLCONV_IO no; the text says why. */
CLCONV_API clconv_status clconv_wisdom_check(const char* path);

/** Writes all of `path`, which must exist, to the file `to`, as JSON lines (docs/planner.md). */
CLCONV_API clconv_status clconv_wisdom_export(const char* path, const char* to);

/** Merges the file `from`, JSON lines or a wisdom file, into `path`, all or nothing: a line that cannot be read
 *  fails the import and changes nothing. `count` (may be NULL) gets the number of records merged. */
CLCONV_API clconv_status clconv_wisdom_import(const char* path, const char* from, int64_t* count);

/** Removes the records of `problem` (text form; NULL: everything) on devices whose name contains
 *  `device` (NULL: all). `count` may be NULL. */
CLCONV_API clconv_status clconv_wisdom_forget(const char* path, const char* problem,
                                              const char* device, int64_t* count);

/** Removes the lines that cannot be read, which everything else keeps. `count` may be NULL. */
CLCONV_API clconv_status clconv_wisdom_forget_unreadable(const char* path, int64_t* count);

#ifdef __cplusplus
}
#endif

#endif /* CLCONV_CLCONV_H */

/* libclconv-net: whole networks on any OpenCL device, on top of libclconv.
 *
 * A model is a graph of operators, read from an ONNX file or built by hand. Compiled for a context and the shapes of
 * its inputs it becomes a network: shapes are inferred, constants folded, operators fused, every convolution planned,
 * weights prepared, activations placed in one arena. Running it enqueues everything without waiting.
 *
 * The conventions of clconv.h hold here, too: statuses, clconv_last_error(), struct_size, char** and clconv_free(),
 * wait lists and events. Thread-safe: everything, as long as no handle is released while another thread uses it; a
 * model under construction belongs to one thread. Runs of one network from several threads or queues may overlap.
 */
#ifndef CLCONV_NET_H
#define CLCONV_NET_H

#include "clconv/clconv.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- models -------------------------------------------------------------------------------- */

/** A graph of operators with its constants. A network keeps a copy: later changes do not reach it. */
typedef struct clconv_net_model_s* clconv_net_model;

/** ONNX's element types, with its numbers. */
typedef int32_t clconv_net_type;
enum {
  CLCONV_NET_FLOAT32 = 1,
  CLCONV_NET_UINT8 = 2,
  CLCONV_NET_INT8 = 3,
  CLCONV_NET_UINT16 = 4,
  CLCONV_NET_INT16 = 5,
  CLCONV_NET_INT32 = 6,
  CLCONV_NET_INT64 = 7,
  CLCONV_NET_BOOL = 9,
  CLCONV_NET_FLOAT16 = 10,
  CLCONV_NET_FLOAT64 = 11,
  CLCONV_NET_UINT32 = 12,
  CLCONV_NET_UINT64 = 13,
  CLCONV_NET_BFLOAT16 = 16
};

/** Most dimensions of a tensor. */
#define CLCONV_NET_MAX_RANK 8

/** Reads an ONNX model; external data is looked for in the file's folder, and nowhere else.
 *  \retval CLCONV_IO a file cannot be read. \retval CLCONV_INVALID_MODEL the file is no model, truncated or
 *  inconsistent. \retval CLCONV_UNSUPPORTED an operator, a type or an opset is not supported (the text names the node,
 *  its operator and version), or this build has no importer. */
CLCONV_API clconv_status clconv_net_model_load(const char* path, clconv_net_model* result);

/** The same from memory, which is not needed afterwards. `folder` holds external data; NULL: there is none. */
CLCONV_API clconv_status clconv_net_model_parse(const void* bytes, size_t size, const char* folder,
                                                clconv_net_model* result);

/** An empty model whose nodes have the meaning of ONNX's opset `opset` (7 or more). Add inputs, constants, nodes in an
 *  order in which they can run, then outputs. A name is given once and used afterwards. */
CLCONV_API clconv_status clconv_net_model_create(int64_t opset, clconv_net_model* result);

/** An input of the network, float32; sizes of -1 are given when it is compiled. */
CLCONV_API clconv_status clconv_net_model_add_input(clconv_net_model model, const char* name,
                                                    int64_t rank, const int64_t* sizes);

/** A constant of a type above; `data` is copied, dense and row-major. */
CLCONV_API clconv_status clconv_net_model_add_constant(clconv_net_model model, const char* name,
                                                       clconv_net_type type, int64_t rank,
                                                       const int64_t* sizes, const void* data);

/** A node of ONNX's operator `op`. `inputs` and `outputs` are names; "" leaves an optional one out. `attributes` is a
 *  JSON object or NULL: integers, numbers with a point or an exponent (floats), strings, lists of them:
 *  {"strides": [2, 2], "auto_pad": "SAME_UPPER", "epsilon": 1e-5}. */
CLCONV_API clconv_status clconv_net_model_add_node(clconv_net_model model, const char* op,
                                                   const char* name, int64_t num_inputs,
                                                   const char* const* inputs, int64_t num_outputs,
                                                   const char* const* outputs,
                                                   const char* attributes);

/** An output of the network: the name of an input, a constant or a node's output. */
CLCONV_API clconv_status clconv_net_model_add_output(clconv_net_model model, const char* name);

/** {"opset","producer","inputs":[{"name","type","shape":[size or name or -1]}],"outputs":[{"name"}],
 *  "nodes","operators":{"Conv":53,...},"parameters"} */
CLCONV_API clconv_status clconv_net_model_describe(clconv_net_model model, char** json);

/** NULL is fine; networks made of the model live on. */
CLCONV_API void clconv_net_model_release(clconv_net_model model);

/** What is supported: {"importer":bool,"operators":[{"domain","operator","since"}],"passes":[{"pass","about"}]}. */
CLCONV_API clconv_status clconv_net_supported(char** json);

/* ---- networks ------------------------------------------------------------------------------ */

/** A model compiled for a context. */
typedef struct clconv_net_s* clconv_net;

/** The shape of an input, by name. */
typedef struct clconv_net_shape {
  size_t struct_size;
  const char* name; /* NULL: by position */
  int64_t rank;
  int64_t sizes[CLCONV_NET_MAX_RANK];
} clconv_net_shape;

/** NULL and 0 in all fields. */
CLCONV_API void clconv_net_shape_defaults(clconv_net_shape* shape, size_t size);
static inline void clconv_net_shape_init(clconv_net_shape* shape) {
  clconv_net_shape_defaults(shape, sizeof(*shape));
}

/** Told how far clconv_net_create() is: `done` of `total` layers are planned and built, `layer` is the next one's name.
 *  Called in the thread of that call, before each layer; must not throw. */
typedef void (*clconv_net_progress)(void* user, int64_t done, int64_t total, const char* layer);

/** How a model is compiled. */
typedef struct clconv_net_options {
  size_t struct_size;
  /** Shapes of inputs; those not named keep the model's, whose open sizes (-1) then become `batch` in front and are an
   *  error elsewhere. NULL where num_shapes is 0. */
  int64_t num_shapes;
  const clconv_net_shape* shapes;
  int64_t
      batch; /* > 0: the first size of every input, whatever the model says; 0: the model's, 1 where it is open */
  /** Of every convolution, as in clconv_plan_options. */
  clconv_rigor rigor;
  double time_limit_s; /* for measuring, of each layer; compiling is not counted; <= 0: no limit */
  int64_t workspace_limit_bytes; /* < 0: CLCONV_WORKSPACE_LIMIT, else the device's */
  int deterministic;
  int64_t expected_runs; /* compiling counts, spread over so many runs; 0: as many as take 150 s */
  clconv_data_type data_type;   /* of activations and weights; sums are float32 */
  const char* skip_passes;      /* comma-separated names of passes that are not run; NULL: none */
  int64_t plan_capacity;        /* sets of input shapes that stay compiled; 0: 8 */
  clconv_net_progress progress; /* NULL: nobody is told */
  void* progress_user;          /* handed on to it */
  clconv_math math;             /* of every convolution, as in clconv_plan_options */
} clconv_net_options;

/** No workspace limit (-1); NULL and 0 in all other fields. */
CLCONV_API void clconv_net_options_defaults(clconv_net_options* options, size_t size);
static inline void clconv_net_options_init(clconv_net_options* options) {
  clconv_net_options_defaults(options, sizeof(*options));
}

/** Compiles. `options` may be NULL. The model may be released afterwards; the context is kept alive.
 *  \retval CLCONV_INVALID_MODEL shapes do not fit each other, or an operator does not have an attribute: the text names
 *  the node. \retval CLCONV_UNSUPPORTED a node cannot be computed, or its opset is newer than what is known of the
 *  operator: the text names it, its operator and version.
 *  \retval CLCONV_INVALID_ARGUMENT a shape is missing or its name unknown. */
CLCONV_API clconv_status clconv_net_create(clconv_context context, clconv_net_model model,
                                           const clconv_net_options* options, clconv_net* result);

/** Runs already enqueued go on. NULL is fine. */
CLCONV_API void clconv_net_release(clconv_net net);

/** An input or output of a network, for the shapes it was compiled for. */
typedef struct clconv_net_tensor_info {
  size_t struct_size;
  const char* name;     /* lives as long as the network */
  clconv_net_type type; /* of the caller's buffer: CLCONV_NET_FLOAT32 */
  int64_t rank;
  int64_t sizes[CLCONV_NET_MAX_RANK];
  int64_t bytes;
} clconv_net_tensor_info;

/** How many inputs and outputs there are. */
CLCONV_API clconv_status clconv_net_counts(clconv_net net, int64_t* num_inputs,
                                           int64_t* num_outputs);
/** Set info->struct_size before. */
CLCONV_API clconv_status clconv_net_input(clconv_net net, int64_t index,
                                          clconv_net_tensor_info* info);
/** Set info->struct_size before. */
CLCONV_API clconv_status clconv_net_output(clconv_net net, int64_t index,
                                           clconv_net_tensor_info* info);

/** Compiles for other shapes of the inputs, unless they are compiled already, and gives the outputs' (num_outputs
 *  structs with struct_size set; may be NULL with 0). The networks' least recently used set of shapes goes. */
CLCONV_API clconv_status clconv_net_prepare(clconv_net net, int64_t num_shapes,
                                            const clconv_net_shape* shapes, int64_t num_outputs,
                                            clconv_net_tensor_info* outputs);

/** Enqueues one run: `inputs` and `outputs` are buffers in the order of clconv_net_input() and _output(), float32,
 *  distinct from each other; `shapes` are those of the inputs where they differ from what was compiled (else NULL and
 *  0). After the first run of a shape nothing is compiled or allocated. Runs that overlap need
 *  outputs of their own and may share inputs; more of them than before allocate an arena more. A shape that is not
 *  compiled yet is compiled first, in the caller's thread. Buffers may be larger than needed. */
CLCONV_API clconv_status clconv_net_run(clconv_net net, cl_command_queue queue, int64_t num_shapes,
                                        const clconv_net_shape* shapes, int64_t num_inputs,
                                        const cl_mem* inputs, int64_t num_outputs,
                                        const cl_mem* outputs, cl_uint num_events,
                                        const cl_event* wait_list, cl_event* event);

/** What a network holds on the device. */
typedef struct clconv_net_memory_info {
  size_t struct_size;
  int64_t weights_bytes;   /* constants on the device, prepared weights among them */
  int64_t arena_bytes;     /* activations of one run */
  int64_t alive_bytes;     /* the largest set of activations alive at once: no arena is below it */
  int64_t workspace_bytes; /* shared by all layers of one run */
  int64_t arenas;          /* runs that may overlap without waiting for each other, so far */
  int64_t plans;           /* sets of input shapes compiled */
} clconv_net_memory_info;

/** Set info->struct_size before. */
CLCONV_API clconv_status clconv_net_memory(clconv_net net, clconv_net_memory_info* info);

/** What the network is, layer by layer, for the shapes it was compiled for: docs/networks.md has the fields. */
CLCONV_API clconv_status clconv_net_report(clconv_net net, char** json);

/** Runs on a profiling queue `rounds` times and waits: the report with "measured_us" (medians) of every layer, of the
 *  sum of them, and of the whole as it runs without profiling. Buffers as for clconv_net_run(). */
CLCONV_API clconv_status clconv_net_profile(clconv_net net, int64_t num_inputs,
                                            const cl_mem* inputs, int64_t num_outputs,
                                            const cl_mem* outputs, int64_t rounds, char** json);

/** Runs layer by layer and compares every convolution with strategy naive on the same operands: the report with
 *  "error" and "error_bound" (of the element whose difference is largest against its bound) and "ok" of every
 *  convolution checked, "run_as_steps", whether a run gives the bits of its steps one by one (absent where one is not
 *  deterministic), and "ok" of the whole. */
CLCONV_API clconv_status clconv_net_check(clconv_net net, int64_t num_inputs, const cl_mem* inputs,
                                          int64_t num_outputs, const cl_mem* outputs, char** json);

/* ---- networks over devices ----------------------------------------------------------------- */

/** A network over several devices: its images, the first size of every input and output, are divided among contexts,
 *  which may be of one device. Each device has a network for its images. Inputs and outputs lie in the host's memory,
 *  since devices of several platforms share no buffers. Compiled for one set of shapes. */
typedef struct clconv_net_batch_s* clconv_net_batch;

/** How a network is divided and compiled. */
typedef struct clconv_net_batch_options {
  size_t struct_size;
  /** Of the network on every device, with the shapes, or the batch, of all images; NULL: the defaults. */
  const clconv_net_options* net;
  /** Images of each context, which sum up to all. NULL: divided so that the last device is done as early as possible.
   *  Then each device compiles an equal share of the images, and the division goes by the time of that: measured with
   *  rigor CLCONV_MEASURE and above, by runs on zeros; else the sum over the layers of times that are known from
   *  wisdom, or predicted. Copies to and from a device are not counted. */
  const int64_t* images;
} clconv_net_batch_options;

/** NULL in all fields. */
CLCONV_API void clconv_net_batch_options_defaults(clconv_net_batch_options* options, size_t size);
static inline void clconv_net_batch_options_init(clconv_net_batch_options* options) {
  clconv_net_batch_options_defaults(options, sizeof(*options));
}

/** Divides the images of `model` among `count` contexts, which are kept alive, and compiles a network for each part.
 *  The model may be released afterwards. Fewer images than devices leave some devices without any. Every image must be
 *  computed by itself: what follows from the inputs must have a first size in proportion to the images, all its other
 *  sizes must not depend on them, and no operator may compute along the first dimension, as a Softmax or Concat with
 *  axis 0 does. Not checked: constants that are made of the number of images, such as a Range over it.
 *  Errors are those of clconv_net_create(); the text names the device.
 *  \retval CLCONV_INVALID_ARGUMENT count is 0, an input has not the images as its first size, or `images` does not sum
 *  up to them. \retval CLCONV_UNSUPPORTED the images cannot be divided: the text names the node or the output. */
CLCONV_API clconv_status clconv_net_batch_create(const clconv_context* contexts, size_t count,
                                                 clconv_net_model model,
                                                 const clconv_net_batch_options* options,
                                                 clconv_net_batch* result);

/** Not while a run is going on. NULL is fine. */
CLCONV_API void clconv_net_batch_release(clconv_net_batch batch);

/** How many inputs and outputs there are. */
CLCONV_API clconv_status clconv_net_batch_counts(clconv_net_batch batch, int64_t* num_inputs,
                                                 int64_t* num_outputs);
/** Of all images. Set info->struct_size before. */
CLCONV_API clconv_status clconv_net_batch_input(clconv_net_batch batch, int64_t index,
                                                clconv_net_tensor_info* info);
/** Of all images. Set info->struct_size before. */
CLCONV_API clconv_status clconv_net_batch_output(clconv_net_batch batch, int64_t index,
                                                 clconv_net_tensor_info* info);

/** What one device does. */
typedef struct clconv_net_batch_part {
  size_t struct_size;
  int64_t first, images;
  double image_us; /* of one image, by which the images were divided; < 0 where they were not */
  clconv_net
      net; /* of its images; lives as long as the batch, not to be released. NULL: it has no images */
} clconv_net_batch_part;

/** Set part->struct_size before. Who keeps the images in buffers of the devices runs the networks of the parts as any
 *  other network. \retval CLCONV_INVALID_ARGUMENT index is not below the number of contexts. */
CLCONV_API clconv_status clconv_net_batch_get_part(clconv_net_batch batch, size_t index,
                                                   clconv_net_batch_part* part);

/** Computes on all devices at once, each driven by a thread of its own, and waits. `inputs` and `outputs` are memory of
 *  the host with all images, in the order of clconv_net_batch_input() and _output(). On CPUs it is used where it lies,
 *  if it is aligned to CL_DEVICE_MEM_BASE_ADDR_ALIGN, elsewhere copied. Several threads may run one batch at once if
 *  their outputs are distinct; they take turns at each device. Where a device fails the others end their part, the text
 *  names the first that failed, and what the outputs hold is undefined; the batch can be run again.
 *  \retval CLCONV_INVALID_ARGUMENT a pointer is NULL, a number is not the network's, or an output overlaps another
 *  operand. */
CLCONV_API clconv_status clconv_net_batch_run(clconv_net_batch batch, int64_t num_inputs,
                                              const float* const* inputs, int64_t num_outputs,
                                              float* const* outputs);

#ifdef __cplusplus
}
#endif

#endif /* CLCONV_NET_H */

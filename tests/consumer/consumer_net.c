/* A network in C, built by hand: y = max(x, 0). Exit status 0 if the worked value comes out. */
#include <clconv/net.h>
#include <stdio.h>

static int failed(const char* what) {
  fprintf(stderr, "%s: %s\n", what, clconv_last_error());
  return 1;
}

int main(void) {
  const float x[4] = {-1, 2, -3, 4};
  float y[4] = {9, 9, 9, 9};
  const int64_t sizes[4] = {1, 1, 2, 2};
  const char* const in[] = {"x"};
  const char* const out[] = {"y"};
  clconv_context context = NULL;
  clconv_net_model model = NULL;
  clconv_net net = NULL;
  cl_context cl = NULL;
  cl_device_id device = NULL;
  cl_command_queue queue;
  cl_mem from, to;
  cl_int status = CL_SUCCESS;

  if (clconv_context_create_on(NULL, NULL, &context) != CLCONV_OK) return failed("context");
  if (clconv_context_get(context, &cl, &device) != CLCONV_OK) return failed("get");
  if (clconv_net_model_create(13, &model) != CLCONV_OK) return failed("model");
  if (clconv_net_model_add_input(model, "x", 4, sizes) != CLCONV_OK) return failed("input");
  if (clconv_net_model_add_node(model, "Relu", "relu", 1, in, 1, out, NULL) != CLCONV_OK)
    return failed("node");
  if (clconv_net_model_add_output(model, "y") != CLCONV_OK) return failed("output");
  if (clconv_net_create(context, model, NULL, &net) != CLCONV_OK) return failed("net");
  queue = clCreateCommandQueue(cl, device, 0, &status);
  from = clCreateBuffer(cl, CL_MEM_COPY_HOST_PTR, sizeof(x), (void*)x, &status);
  to = clCreateBuffer(cl, CL_MEM_READ_WRITE, sizeof(y), NULL, &status);
  if (clconv_net_run(net, queue, 0, NULL, 1, &from, 1, &to, 0, NULL, NULL) != CLCONV_OK)
    return failed("run");
  clEnqueueReadBuffer(queue, to, CL_TRUE, 0, sizeof(y), y, 0, NULL, NULL);
  clReleaseMemObject(from);
  clReleaseMemObject(to);
  clReleaseCommandQueue(queue);
  clconv_net_release(net);
  clconv_net_model_release(model);
  clconv_context_release(context);
  printf("C, a network: %g %g %g %g\n", y[0], y[1], y[2], y[3]);
  return y[0] == 0 && y[1] == 2 && y[2] == 0 && y[3] == 4 ? 0 : 1;
}

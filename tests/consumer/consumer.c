/* A C program outside the tree: plans and runs one convolution through the C ABI. Exit status 0 if
 * the worked value comes out. */
#include <clconv/clconv.h>
#include <stdio.h>

static int failed(const char* what) {
  fprintf(stderr, "%s: %s\n", what, clconv_last_error());
  return 1;
}

int main(void) {
  const float x[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  const float w[4] = {10, 11, 12, 13};
  float y[4] = {0, 0, 0, 0};
  clconv_context context = NULL;
  clconv_plan plan = NULL;
  clconv_problem problem;
  clconv_operands operands;
  cl_context cl = NULL;
  cl_device_id device = NULL;
  cl_command_queue queue;
  cl_int status = CL_SUCCESS;

  if (clconv_context_create_on(NULL, NULL, &context) != CLCONV_OK) return failed("context");
  if (clconv_context_get(context, &cl, &device) != CLCONV_OK) return failed("get");
  clconv_problem_init(&problem);
  if (clconv_problem_parse("n1c1h3w3k1kh2kw2", &problem) != CLCONV_OK) return failed("problem");
  if (clconv_plan_create(context, &problem, NULL, &plan) != CLCONV_OK) return failed("plan");
  queue = clCreateCommandQueue(cl, device, 0, &status);
  clconv_operands_init(&operands);
  operands.x = clCreateBuffer(cl, CL_MEM_COPY_HOST_PTR, sizeof(x), (void*)x, &status);
  operands.w = clCreateBuffer(cl, CL_MEM_COPY_HOST_PTR, sizeof(w), (void*)w, &status);
  operands.y = clCreateBuffer(cl, CL_MEM_READ_WRITE, sizeof(y), NULL, &status);
  if (clconv_plan_execute(plan, queue, &operands, 0, NULL, NULL) != CLCONV_OK)
    return failed("execute");
  clEnqueueReadBuffer(queue, operands.y, CL_TRUE, 0, sizeof(y), y, 0, NULL, NULL);
  clReleaseMemObject(operands.x);
  clReleaseMemObject(operands.w);
  clReleaseMemObject(operands.y);
  clReleaseCommandQueue(queue);
  clconv_plan_release(plan);
  clconv_context_release(context);
  printf("C: %g %g %g %g\n", y[0], y[1], y[2], y[3]);
  return y[0] == 145 && y[1] == 191 && y[2] == 283 && y[3] == 329 ? 0 : 1;
}

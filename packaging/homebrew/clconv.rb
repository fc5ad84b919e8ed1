# Homebrew on Linux: builds the checkout that this file lies in. Put it into a tap, then: brew install --HEAD clconv
class Clconv < Formula
  desc "2-D convolution and whole networks on any OpenCL device"
  license "Apache-2.0"
  head "file://#{File.expand_path("../..", __dir__)}", using: :git, branch: "main"

  depends_on "cli11" => :build
  depends_on "cmake" => :build
  depends_on "ninja" => :build
  depends_on "nlohmann-json" => :build
  depends_on "onnx" => :build
  depends_on "pkgconf" => :test
  depends_on "clblast"
  depends_on "jpeg-turbo"
  depends_on "libpng"
  # The libraries are linked with GNU ld's version scripts.
  depends_on :linux
  depends_on "opencl-clhpp-headers"
  depends_on "opencl-headers"
  depends_on "opencl-icd-loader"
  depends_on "pocl"
  depends_on "protobuf"
  depends_on "sqlite"

  def install
    system "cmake", "-S", ".", "-B", "build", "-G", "Ninja", "-DCLCONV_TESTS=OFF", "-DCLCONV_EXAMPLES=OFF",
           "-DCLCONV_BENCH=OFF", *std_cmake_args
    system "cmake", "--build", "build"
    system "cmake", "--install", "build"
  end

  test do
    (testpath/"test.c").write <<~C
      #include <clconv/clconv.h>
      int main(void) {
        clconv_problem problem;
        clconv_problem_init(&problem);
        return clconv_problem_parse("n1c3h227w227k96kh11kw11s4", &problem);
      }
    C
    flags = shell_output("pkgconf --cflags --libs clconv").split
    system ENV.cc, "test.c", "-o", "test", *flags
    system "./test"
    assert_match "0.1", shell_output("#{bin}/clconv --version")
  end
end

"""Conan 2: `conan create packaging/conan`, in the repository. What the library stands on are the system's packages."""

import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeToolchain
from conan.tools.files import copy, load
from conan.tools.system.package_manager import Apt

required_conan_version = ">=2.0"


class Clconv(ConanFile):
    name = "clconv"
    description = "2-D convolution and whole networks on any OpenCL device, with a planner that says why"
    license = "Apache-2.0"
    topics = ("convolution", "opencl", "onnx", "neural-networks")
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"shared": [True, False], "onnx": [True, False], "program": [True, False]}
    default_options = {"shared": True, "onnx": True, "program": True}

    @property
    def _repository(self):
        return os.path.join(self.recipe_folder, "..", "..")

    def set_version(self):
        text = load(self, os.path.join(self._repository, "CMakeLists.txt"))
        self.version = re.search(r"project\(clconv VERSION ([0-9.]+)", text)[1]

    def export_sources(self):
        for pattern in (
            "CMakeLists.txt",
            "LICENSE",
            "cmake/*",
            "docs/*.md",
            "include/*",
            "kernels/*",
            "packaging/*",
            "src/*",
        ):
            copy(self, pattern, self._repository, self.export_sources_folder)

    def validate(self):
        check_min_cppstd(self, 17)

    def system_requirements(self):
        packages = ["ocl-icd-opencl-dev", "opencl-clhpp-headers", "libclblast-dev", "libsqlite3-dev"]
        packages.append("nlohmann-json3-dev")
        if self.options.onnx:
            packages += ["protobuf-compiler", "libprotobuf-dev", "libonnx-dev"]
        if self.options.program:
            packages += ["libcli11-dev", "libpng-dev", "libjpeg62-turbo-dev"]
        Apt(self).install(packages)

    def layout(self):
        self.folders.build = "build"
        self.folders.generators = "build/generators"

    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.cache_variables["CLCONV_CLI"] = bool(self.options.program)
        toolchain.cache_variables["CLCONV_ONNX"] = bool(self.options.onnx)
        for part in ("TESTS", "EXAMPLES", "BENCH"):
            toolchain.cache_variables[f"CLCONV_{part}"] = False
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        CMake(self).install()
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))

    def package_info(self):
        # The package's own clconv-config.cmake, with the targets clconv::clconv and clconv::net.
        self.cpp_info.set_property("cmake_find_mode", "none")
        self.cpp_info.builddirs = [os.path.join("lib", "cmake", "clconv")]
        self.cpp_info.libs = ["clconv-net", "clconv"]

# CUDA where its toolkit is: SPIKELOOM_HAS_CUDA says whether sim/backends/cuda is built for devices or says that it is not.
# Devices of compute capability 7.5, 8.x, 9.x and 12.x have code of their own, others what the driver makes of the PTX.
option(SPIKELOOM_CUDA "Build the CUDA backend where nvcc is found (PATH, CUDA_HOME, CUDA_PATH)" ON)

set(SPIKELOOM_HAS_CUDA OFF)
# Instrumented programs are for the host's code.
if(SPIKELOOM_CUDA AND NOT SPIKELOOM_SANITIZE)
  include(CheckLanguage)
  if(NOT CMAKE_CUDA_COMPILER)
    find_program(SPIKELOOM_NVCC nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH PATH_SUFFIXES bin)
    if(SPIKELOOM_NVCC)
      set(CMAKE_CUDA_COMPILER ${SPIKELOOM_NVCC})
    endif()
  endif()
  if(CMAKE_CUDA_COMPILER)
    if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
      set(CMAKE_CUDA_ARCHITECTURES 75 80-real 90-real 120 CACHE STRING "GPU targets; those without -real have PTX, too")
    endif()
    if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      set(CMAKE_CUDA_HOST_COMPILER g++)  # the toolkit's headers are not for every compiler
    endif()
    enable_language(CUDA)
    # CMake before 3.25.2 does not know that nvcc has C++20.
    if(NOT DEFINED CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
      set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
      set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
    endif()
    find_package(CUDAToolkit 13 QUIET)
    if(CUDAToolkit_FOUND)
      set(SPIKELOOM_HAS_CUDA ON)
    else()
      message(STATUS "CUDA ${CMAKE_CUDA_COMPILER_VERSION} is older than 13: built without it")
    endif()
  endif()
endif()

# Contraction is off, as everywhere. Kernels that spill, use local memory or, unless DOUBLES, compute in double do not build.
function(spikeloom_cuda_sources target)
  cmake_parse_arguments(ARG "" "" "SOURCES;DOUBLES" ${ARGN})
  target_sources(${target} PRIVATE ${ARG_SOURCES} ${ARG_DOUBLES})
  set_target_properties(${target} PROPERTIES CUDA_STANDARD 20 CUDA_STANDARD_REQUIRED ON)
  set(flags -fmad=false --expt-relaxed-constexpr -lineinfo -compress-mode=none -Wdefault-stream-launch)
  if(SPIKELOOM_WERROR)
    list(APPEND flags -Werror=all-warnings)
  endif()
  set(ptxas -warn-spills,-warn-lmem-usage,-Werror)
  # -Wconversion of the host's half alone: -Wpedantic would see lines that nvcc wrote.
  set_source_files_properties(${ARG_SOURCES} PROPERTIES COMPILE_OPTIONS
    "${flags};-Xcompiler=-Wall,-Wextra,-Wshadow,-ffp-contract=off;-Xptxas=${ptxas},-warn-double-usage")
  set_source_files_properties(${ARG_DOUBLES} PROPERTIES COMPILE_OPTIONS
    "${flags};-Xcompiler=-Wall,-Wextra,-Wshadow,-ffp-contract=off;-Xptxas=${ptxas}")
endfunction()

# The parity table through the runtime and the kernels of the product on a device, for tests/gpu/on_device.sh.
add_executable(test_gpu_device ${parity} parity_targets.cpp)
target_link_libraries(test_gpu_device PRIVATE spikeloom_catch_main spikeloom_reference spikeloom_cpu spikeloom_cuda spikeloom_plan fmt::fmt)
add_test(NAME gpu_device COMMAND sh -c
  "$<TARGET_FILE:spikeloom> list devices | grep -q '^cuda:0 ' || { echo 'skipped: there is no device'; exit 77; }; exec $<TARGET_FILE:test_gpu_device>")
set_tests_properties(gpu_device PROPERTIES LABELS gpu TIMEOUT 1200 SKIP_RETURN_CODE 77)

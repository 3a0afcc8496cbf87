# `cmake --install`: the program, the libraries with their headers, and how CMake (find_package(Spikeloom), targets
# Spikeloom::<name>) and pkg-config (spikeloom) find them. Spikeloom::run is the door; bench stays at home.
include(CMakePackageConfigHelpers)

get_property(libraries GLOBAL PROPERTY SPIKELOOM_LIBRARIES)
list(REMOVE_ITEM libraries bench)
set(targets ${libraries})
list(TRANSFORM targets PREPEND spikeloom_)
set_target_properties(spikeloom_flags PROPERTIES EXPORT_NAME flags)
install(TARGETS ${targets} spikeloom_flags EXPORT SpikeloomTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})

foreach(folder core neurons sim models datasets hw_model run)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${folder} DESTINATION ${SPIKELOOM_HEADERS} FILES_MATCHING PATTERN "*.hpp")
endforeach()
install(FILES ${PROJECT_BINARY_DIR}/generated/run/version.hpp DESTINATION ${SPIKELOOM_HEADERS}/run)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/Spikeloom)
install(EXPORT SpikeloomTargets NAMESPACE Spikeloom:: DESTINATION ${package})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/SpikeloomConfig.cmake.in ${PROJECT_BINARY_DIR}/SpikeloomConfig.cmake
  INSTALL_DESTINATION ${package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/SpikeloomConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/SpikeloomConfig.cmake ${PROJECT_BINARY_DIR}/SpikeloomConfigVersion.cmake DESTINATION ${package})

# Static libraries that need each other in one group; HDF5 as CMake found it.
set(SPIKELOOM_PC_LIBS ${libraries})
list(TRANSFORM SPIKELOOM_PC_LIBS PREPEND "-lspikeloom_")
list(JOIN SPIKELOOM_PC_LIBS " " SPIKELOOM_PC_LIBS)
list(JOIN HDF5_LIBRARIES " " SPIKELOOM_PC_HDF5)
set(SPIKELOOM_PC_CUDA "")
if(SPIKELOOM_HAS_CUDA)
  set(SPIKELOOM_PC_CUDA "${CUDAToolkit_LIBRARY_DIR}/libcudart_static.a -ldl -lrt")
endif()
configure_file(${PROJECT_SOURCE_DIR}/cmake/spikeloom.pc.in ${PROJECT_BINARY_DIR}/spikeloom.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/spikeloom.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# The engine for other programs: one archive of all rooms, its public headers, a CMake package and a pkg-config file.
#
#   cmake --install BUILD --component lsm --prefix DIR
#   find_package(SiltLsm) and silt::lsm, or pkg-config silt-lsm     (lsm/README.md; tests/lsm/face builds both)
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# These need no header that is not among them; tests/lsm/face compiles each alone.
set(SILT_LSM_PUBLIC_HEADERS clock.h db.h iterator.h options.h pinned_value.h repair.h snapshot.h stats.h status.h
                            storage/storage.h types.h write_batch.h CACHE INTERNAL "")

add_library(lsm_archive STATIC)
foreach(room base storage wal memtable table version compaction db)
  target_sources(lsm_archive PRIVATE $<TARGET_OBJECTS:lsm_${room}>)
endforeach()
set_target_properties(lsm_archive PROPERTIES LINKER_LANGUAGE CXX OUTPUT_NAME silt_lsm EXPORT_NAME lsm)
target_compile_features(lsm_archive INTERFACE cxx_std_20)
set(silt_lsm_include ${CMAKE_INSTALL_INCLUDEDIR}/silt)
target_include_directories(lsm_archive INTERFACE $<INSTALL_INTERFACE:${silt_lsm_include}>)
target_link_libraries(lsm_archive PUBLIC tl::expected PRIVATE fmt::fmt PkgConfig::XXHASH Snappy::snappy PkgConfig::ZSTD
                      Threads::Threads)

# `cmake --install` by itself installs the program; who wants the engine asks for it.
set(silt_lsm_unasked EXCLUDE_FROM_ALL)
if(SILT_LSM_ONLY)
  set(silt_lsm_unasked "")
endif()

foreach(header ${SILT_LSM_PUBLIC_HEADERS})
  get_filename_component(folder ${header} DIRECTORY)
  install(FILES ${header} DESTINATION ${silt_lsm_include}/lsm/${folder} COMPONENT lsm ${silt_lsm_unasked})
endforeach()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/SiltLsm)
install(TARGETS lsm_archive EXPORT SiltLsm ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT lsm ${silt_lsm_unasked})
install(EXPORT SiltLsm FILE SiltLsmTargets.cmake NAMESPACE silt:: DESTINATION ${package_dir} COMPONENT lsm ${silt_lsm_unasked})
configure_package_config_file(SiltLsmConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/SiltLsmConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/SiltLsmConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/SiltLsmConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/SiltLsmConfigVersion.cmake
        DESTINATION ${package_dir} COMPONENT lsm ${silt_lsm_unasked})

# The prefix is known when it is installed, not now: the file finds itself.
file(RELATIVE_PATH silt_lsm_prefix_from_pc ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(silt-lsm.pc.in ${CMAKE_CURRENT_BINARY_DIR}/silt-lsm.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/silt-lsm.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT lsm ${silt_lsm_unasked})
install(FILES README.md FORMAT.md DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/silt-lsm COMPONENT lsm ${silt_lsm_unasked})

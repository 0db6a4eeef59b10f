# What `cmake --install` puts where, component "runtime". The engine for other programs is the component "lsm"
# (lsm/package.cmake), which is installed when it is asked for.
include(GNUInstallDirs)
set(SILT_SYSTEMD_UNIT_DIR lib/systemd/system CACHE STRING "Where systemd's units go")
set(SILT_MODPROBE_DIR lib/modprobe.d CACHE STRING "Where settings of kernel modules go")
set(SILT_BASH_COMPLETION_DIR ${CMAKE_INSTALL_DATADIR}/bash-completion/completions CACHE STRING "Where bash's completions go")
set(SILT_ZSH_COMPLETION_DIR ${CMAKE_INSTALL_DATADIR}/zsh/site-functions CACHE STRING "Where zsh's completions go")

install(TARGETS siltfs RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT runtime)

# mount(8) and its kin look for them in /sbin.
file(RELATIVE_PATH from_sbin ${CMAKE_INSTALL_FULL_SBINDIR} ${CMAKE_INSTALL_FULL_BINDIR}/siltfs)
get_property(helpers TARGET siltfs PROPERTY SILT_HELPERS)
set(links ${CMAKE_CURRENT_BINARY_DIR}/sbin)
file(MAKE_DIRECTORY ${links})
foreach(name ${helpers})
  file(CREATE_LINK ${from_sbin} ${links}/${name} SYMBOLIC)
  install(FILES ${links}/${name} DESTINATION ${CMAKE_INSTALL_SBINDIR} COMPONENT runtime)
endforeach()

file(GLOB pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/packaging/man/*.[158])
foreach(page ${pages})
  string(REGEX MATCH "[158]$" section ${page})
  install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section} COMPONENT runtime)
endforeach()

set(completions ${PROJECT_SOURCE_DIR}/packaging/completions)
install(FILES ${completions}/siltfs.bash DESTINATION ${SILT_BASH_COMPLETION_DIR} RENAME siltfs COMPONENT runtime)
install(FILES ${completions}/_siltfs DESTINATION ${SILT_ZSH_COMPLETION_DIR} COMPONENT runtime)
install(FILES ${PROJECT_SOURCE_DIR}/packaging/systemd/siltfs@.service DESTINATION ${SILT_SYSTEMD_UNIT_DIR} COMPONENT runtime)
install(FILES ${PROJECT_SOURCE_DIR}/packaging/systemd/siltfs-modprobe.conf DESTINATION ${SILT_MODPROBE_DIR}
        RENAME siltfs.conf COMPONENT runtime)

set(monitoring ${PROJECT_SOURCE_DIR}/packaging/monitoring)
install(FILES ${monitoring}/README.md ${monitoring}/alert-rules.yml ${monitoring}/grafana-dashboard.json
        DESTINATION ${CMAKE_INSTALL_DATADIR}/siltfs/monitoring COMPONENT runtime)

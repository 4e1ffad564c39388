# An installed tree works elsewhere: the command finds the catalogue and the scenarios beside it and
# gives the digest of the build tree. Run by ctest with -DBUILD=FOLDER -DSOURCE=FOLDER.

function(run_command output)
  execute_process(
    COMMAND ${CMAKE_COMMAND} -E env --unset=YARDMASTER_CATALOGUE ${ARGN}
    WORKING_DIRECTORY ${elsewhere}
    OUTPUT_VARIABLE text ERROR_VARIABLE errors RESULT_VARIABLE code)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "${ARGN} ended with ${code}:\n${text}${errors}")
  endif()
  set(${output} "${text}" PARENT_SCOPE)
endfunction()

function(digest_of output json)
  string(JSON digest GET "${json}" digest)
  set(${output} ${digest} PARENT_SCOPE)
endfunction()

set(first ${BUILD}/install_test/first)
set(elsewhere ${BUILD}/install_test/elsewhere)
file(REMOVE_RECURSE ${BUILD}/install_test)
file(MAKE_DIRECTORY ${elsewhere})
run_command(ignored ${CMAKE_COMMAND} --install ${BUILD} --prefix ${first})
# Nothing may depend on the prefix that was given.
file(REMOVE_RECURSE ${elsewhere})
file(RENAME ${first} ${elsewhere})
set(installed ${elsewhere}/bin/yardmaster)

# A name that only the installed catalogue has.
set(gpus ${elsewhere}/share/yardmaster/scenarios/catalogue/gpus.yaml)
file(READ ${gpus} text)
string(REPLACE "\nrtx-4090:" "\nonly-installed:" text "${text}")
file(WRITE ${gpus} "${text}")
run_command(listed ${installed} list gpus)
if(NOT listed MATCHES "only-installed")
  message(FATAL_ERROR "the installed command reads another catalogue:\n${listed}")
endif()
run_command(listed ${installed} list scenarios)
if(NOT listed MATCHES "share/yardmaster/scenarios/minimal.yaml")
  message(FATAL_ERROR "the installed command lists other scenarios:\n${listed}")
endif()

run_command(there ${installed} run scenarios/minimal.yaml --set "duration=5 s" --json)
run_command(here ${BUILD}/yardmaster run ${SOURCE}/scenarios/minimal.yaml --set "duration=5 s"
            --json)
digest_of(there "${there}")
digest_of(here "${here}")
if(NOT there STREQUAL here)
  message(FATAL_ERROR "digest ${there} of the installed command, ${here} of the build tree")
endif()

if(EXISTS ${BUILD}/yardmaster_torch.so AND NOT EXISTS ${elsewhere}/bin/yardmaster_torch.so)
  message(FATAL_ERROR "the LibTorch module is not beside the installed command")
endif()
file(REMOVE_RECURSE ${BUILD}/install_test)

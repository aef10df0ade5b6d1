# Each file here must fail to compile, with the sentence in its first line: "// expect: SENTENCE". Compiled with -DFIXED
# it must compile, so that it fails for that reason alone.
file(GLOB cases CONFIGURE_DEPENDS "${CMAKE_CURRENT_LIST_DIR}/*.cpp")
foreach(case IN LISTS cases)
  get_filename_component(name "${case}" NAME_WE)
  add_test(NAME "compile_fail: ${name}"
           COMMAND "${CMAKE_COMMAND}" "-DCOMPILER=${CMAKE_CXX_COMPILER}" "-DSOURCE=${case}"
                   "-DINCLUDE=${CMAKE_SOURCE_DIR}/include" -P "${CMAKE_CURRENT_LIST_DIR}/check.cmake")
endforeach()

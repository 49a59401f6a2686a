# A stand-in for Mbed CE's build system, for this machine.
list(APPEND CMAKE_MODULE_PATH ${CMAKE_CURRENT_LIST_DIR})
get_filename_component(STAND_IN ${CMAKE_CURRENT_LIST_DIR} REALPATH)
get_filename_component(STAND_IN ${STAND_IN}/../../.. ABSOLUTE)

# Third-party libraries as targets ext_<name>, named as in layers.txt. deps/fetch makes what Debian does not package.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
    ${CMAKE_SOURCE_DIR}/deps/lock.json ${CMAKE_SOURCE_DIR}/deps/fetch)
execute_process(
    COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/deps/fetch --prefix
    OUTPUT_VARIABLE PUFFIN_PREFIX OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE fetch_result)
if(NOT fetch_result EQUAL 0)
    message(FATAL_ERROR "deps/fetch failed, see above")
endif()

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

function(external_from_pkg_config name package debian)
    pkg_check_modules(EXT_${name} QUIET IMPORTED_TARGET ${package})
    if(NOT EXT_${name}_FOUND)
        message(FATAL_ERROR "${package} is missing: run deps/install-debian (Debian package ${debian})")
    endif()
    add_library(ext_${name} INTERFACE)
    target_link_libraries(ext_${name} INTERFACE PkgConfig::EXT_${name})
endfunction()

# Headers of the prefix lie side by side, so every target names the folder; check_layers guards who includes which.
function(external_from_prefix name library)
    add_library(ext_${name} INTERFACE)
    target_include_directories(ext_${name} SYSTEM INTERFACE ${PUFFIN_PREFIX}/include)
    target_link_libraries(ext_${name} INTERFACE ${library} ${ARGN})
endfunction()

external_from_pkg_config(curl       libcurl       libcurl4-openssl-dev)
external_from_pkg_config(deflate    libdeflate    libdeflate-dev)
external_from_pkg_config(edit       libedit       libedit-dev)
external_from_pkg_config(lz4        liblz4        liblz4-dev)
external_from_pkg_config(microhttpd libmicrohttpd libmicrohttpd-dev)
external_from_pkg_config(openssl    openssl       libssl-dev)
external_from_pkg_config(xxhash     libxxhash     libxxhash-dev)
external_from_pkg_config(zlib       zlib          zlib1g-dev)
external_from_pkg_config(zstd       libzstd       libzstd-dev)

# Debian's snappy has no pkg-config file with the C header's path everywhere.
find_library(SNAPPY_LIBRARY snappy)
find_path(SNAPPY_INCLUDE snappy-c.h)
if(NOT SNAPPY_LIBRARY OR NOT SNAPPY_INCLUDE)
    message(FATAL_ERROR "snappy is missing: run deps/install-debian (Debian package libsnappy-dev)")
endif()
add_library(ext_snappy INTERFACE)
target_link_libraries(ext_snappy INTERFACE ${SNAPPY_LIBRARY})

external_from_prefix(yyjson ${PUFFIN_PREFIX}/lib/libyyjson.a)
external_from_prefix(valkey ${PUFFIN_PREFIX}/lib/libvalkey.a ext_openssl Threads::Threads)

# The engine is a shared library: it lies in <build>/lib, and programs in <build>/<folder> find it by $ORIGIN/../lib.
set(PUFFIN_DUCKDB ${CMAKE_BINARY_DIR}/lib/libduckdb.so)
configure_file(${PUFFIN_PREFIX}/lib/libduckdb.so ${PUFFIN_DUCKDB} COPYONLY)
external_from_prefix(duckdb ${PUFFIN_DUCKDB})

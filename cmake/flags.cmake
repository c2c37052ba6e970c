# Compiler flags for all of our C. Asserts stay on in every build type.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_C_FLAGS_DEBUG "-O1 -g -fno-omit-frame-pointer")
set(CMAKE_C_FLAGS_RELEASE "-O2 -g -fstack-protector-strong -D_FORTIFY_SOURCE=2")
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

# Programs are relocatable: they look for libraries beside themselves, in the build folder and when installed.
set(CMAKE_BUILD_RPATH "$ORIGIN/../lib")
set(CMAKE_INSTALL_RPATH "$ORIGIN/../lib")
set(CMAKE_BUILD_WITH_INSTALL_RPATH ON)

include(CheckPIESupported)
check_pie_supported()

add_library(puffin_flags INTERFACE)
target_include_directories(puffin_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_definitions(puffin_flags INTERFACE _GNU_SOURCE PUFFIN_VERSION="${PROJECT_VERSION}")
target_compile_options(puffin_flags INTERFACE
    -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wundef
    -include ${CMAKE_SOURCE_DIR}/src/base/banned.h
    -ffile-prefix-map=${CMAKE_SOURCE_DIR}/= -ffile-prefix-map=${PUFFIN_PREFIX}/=deps/
    -fno-common
    # snprintf cuts on purpose: messages and log lines. clang wants literals even from functions that take a va_list.
    $<$<C_COMPILER_ID:GNU>:-Wno-format-truncation>
    $<$<C_COMPILER_ID:Clang>:-Wno-format-nonliteral>)
if(PUFFIN_WERROR)
    target_compile_options(puffin_flags INTERFACE -Werror)
endif()
target_link_options(puffin_flags INTERFACE -Wl,--build-id=sha1 -Wl,-z,relro,-z,now -Wl,--as-needed)
target_link_libraries(puffin_flags INTERFACE Threads::Threads m)

if(PUFFIN_SANITIZE)
    target_compile_options(puffin_flags INTERFACE -fsanitize=${PUFFIN_SANITIZE} -fno-sanitize-recover=all)
    target_link_options(puffin_flags INTERFACE -fsanitize=${PUFFIN_SANITIZE})
endif()
if(PUFFIN_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID MATCHES Clang)
        message(FATAL_ERROR "PUFFIN_FUZZ needs clang (cmake --preset fuzz)")
    endif()
    target_compile_options(puffin_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

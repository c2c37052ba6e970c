/* SPDX-License-Identifier: MIT */
/* Runs a fuzz target over files and folders named on the command line, and over the empty input: what found a bug
 * once is kept as a test with any compiler. */
#include "support/fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int replayed;

static void replay_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        fprintf(stderr, "open %s: %s\n", path, strerror(errno));
        exit(1);
    }
    size_t size = 0, capacity = 1 << 16;
    uint8_t *bytes = malloc(capacity);
    while (bytes) {
        size += fread(bytes + size, 1, capacity - size, file);
        if (size < capacity) break;
        capacity *= 2;
        bytes = realloc(bytes, capacity);
    }
    fclose(file);
    fprintf(stderr, "%s\n", path);            /* a crash is the last one named */
    uint8_t *exact = malloc(size ? size : 1); /* so that a read past the end is seen */
    if (!bytes || !exact) abort();
    memcpy(exact, bytes, size);
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    free(bytes);
    replayed++;
}

static void replay(const char *path) {
    DIR *folder = opendir(path);
    if (!folder) {
        replay_file(path);
        return;
    }
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        if (entry->d_name[0] == '.') continue;
        char below[4096];
        snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        replay(below);
    }
    closedir(folder);
}

int main(int argc, char **argv) {
    (void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    replayed++;
    for (int i = 1; i < argc; i++) replay(argv[i]);
    printf("%d passed, 0 failed\n", replayed);
    return 0;
}

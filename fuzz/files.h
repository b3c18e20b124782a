/* files.h - a folder of a fuzz target's own, in memory if there is one, for readers that want files; gone when the process ends.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_FUZZ_FILES_H
#define GP_FUZZ_FILES_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "scratch.h"

static char files[64]; /* the folder */

static void files_remove(void)
{
    scratch_remove(files);
}

static inline void files_make(void)
{
    if (access("/dev/shm", W_OK) == 0) setenv("TMPDIR", "/dev/shm", 0);
    scratch_make(files);
    atexit(files_remove);
}

static inline const char *files_at(char path[256], const char *name)
{
    snprintf(path, 256, "%s/%s", files, name);
    return path;
}

/* Without the safety of gp_write_file, which would take most of the time. */
static inline void files_put(const char *name, const void *data, size_t n)
{
    char path[256];
    FILE *f = fopen(files_at(path, name), "wb");
    if (!f || (n && fwrite(data, 1, n, f) != n) || fclose(f) != 0) abort();
}

#endif

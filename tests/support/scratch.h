/* scratch.h - a temporary folder for a test, removed with all it holds.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_TEST_SCRATCH_H
#define GP_TEST_SCRATCH_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline int scratch_remove_one(const char *path, const struct stat *s, int type, struct FTW *w)
{
    (void)s;
    (void)type;
    (void)w;
    return remove(path);
}

/* out has room for at least 64 bytes. */
static inline void scratch_make(char *out)
{
    const char *base = getenv("TMPDIR");
    if (!base || strlen(base) > 40) base = P_tmpdir;
    snprintf(out, 64, "%s/gopro-XXXXXX", base);
    if (!mkdtemp(out)) abort();
}

static inline void scratch_remove(const char *path)
{
    nftw(path, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif

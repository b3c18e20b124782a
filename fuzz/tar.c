/* tar.c - fuzzes the reader of archives: every listed member lies inside the archive and can be read back.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "data/bytes.h"
#include "data/dataset_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The header's checksum, so that a change in a header is more than a broken header. */
static void mend(uint8_t *h)
{
    unsigned sum = 0;
    char text[8];
    for (size_t i = 0; i < 512; i++) sum += i >= 148 && i < 156 ? ' ' : h[i];
    snprintf(text, sizeof text, "%06o", sum);
    memcpy(h + 148, text, 7);
    h[155] = ' ';
}

static void list(const char *folder, const char *path, size_t size)
{
    gp_ds_build b;
    gp_rows r = {0};
    gp_names *names = NULL;
    gopro_error err;
    if (gp_ds_init(&b, NULL, NULL, &err) != GOPRO_OK) return;
    if (gp_rows_init(&r, &b, &err) == GOPRO_OK && gp_rows_from_tar(&r, path, "x.tar", GP_PARTS, &names, &err) == GOPRO_OK)
        for (size_t i = 0; i < r.n; i++) {
            const gp_row *x = &r.row[i];
            const gp_item it = {.path = x->path, .size = x->size, .offset = x->offset};
            char *bytes = NULL;
            size_t n = 0;
            if (x->size == 0 || x->offset < 512 || x->size > size || x->offset > size - x->size || !gp_path_inside(x->path)) abort();
            if (gp_item_bytes(&bytes, &n, folder, &it, &err) == GOPRO_OK && n != x->size) abort();
            free(bytes);
        }
    gp_names_free(&names);
    gp_rows_free(&r);
    gp_ds_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char folder[64], path[80];
    snprintf(folder, sizeof folder, "/dev/shm/gopro-fuzz-tar.%ld", (long)getpid());
    gopro_error err;
    if (size > 1 << 20 || gp_mkdirs(folder, &err) != GOPRO_OK) return 0;
    snprintf(path, sizeof path, "%s/x.tar", folder);
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy) return 0;
    if (size) memcpy(copy, data, size);
    for (size_t at = 0; at + 512 <= size; at += 512)
        if (memcmp(copy + at + 257, "ustar", 5) == 0) mend(copy + at);
    FILE *f = fopen(path, "wb");
    if (f) {
        if (size) fwrite(copy, 1, size, f);
        fclose(f);
        list(folder, path, size);
        unlink(path);
    }
    free(copy);
    rmdir(folder);
    return 0;
}

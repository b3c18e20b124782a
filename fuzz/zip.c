/* zip.c - fuzz target: whatever the bytes, the directory is refused or every stored entry lies inside them and overlaps no other.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "weights/zip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gp_zip z;
    gopro_error err = {0};
    if (gp_zip_open(&z, data, size, "input", &err) != GOPRO_OK) {
        if (z.entry || z.n || strlen(err.msg) == 0) abort();
        return 0;
    }
    size_t total = 0;
    for (size_t i = 0; i < z.n; i++) {
        const gp_zip_entry *e = &z.entry[i];
        if (gp_zip_find(&z, e->name) != e) abort();
        if (e->compressed) continue;
        if (e->data < data || e->size > size || e->data + e->size > data + size) abort();
        total += e->size;
    }
    if (total > size) abort(); /* more is stored than there is: entries overlap */
    gp_zip_close(&z);
    return 0;
}

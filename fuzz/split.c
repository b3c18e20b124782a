/* split.c - fuzzes the split-file reader: what is accepted has relative paths, named labels and nothing outside its lists.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "data/dataset_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gp_ds_build b;
    gopro_error err;
    /* Labels are bounded, but a table of a million empty names per input would only slow the search down. */
    if (size > 65536 || gp_ds_init(&b, NULL, NULL, &err) != GOPRO_OK) return 0;
    if (gp_ds_from_json(&b, (const char *)data, size, "split.json", &err) == GOPRO_OK) {
        for (int p = 0; p < GP_PARTS; p++)
            for (size_t i = 0; i < b.n[p]; i++) {
                const gp_item *it = &b.item[p][i];
                if (it->path[0] == '/' || it->path[0] == '\0' || strstr(it->path, "/../") || strncmp(it->path, "../", 3) == 0) abort();
                if (it->label >= b.n_classes || !b.class_name[it->label]) abort();
            }
    }
    gp_ds_free(&b);
    return 0;
}

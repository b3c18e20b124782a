/* table.c - fuzzes the reader of CSV and TSV: what is accepted has relative paths in valid UTF-8, and finishes as labelled lists.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "data/dataset_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gp_ds_build b;
    gp_rows r;
    gopro_error err;
    if (gp_ds_init(&b, NULL, NULL, &err) != GOPRO_OK) return 0;
    if (gp_rows_init(&r, &b, &err) == GOPRO_OK && gp_rows_from_table(&r, (const char *)data, size, "list.csv", &err) == GOPRO_OK) {
        for (size_t i = 0; i < r.n; i++) {
            if (!gp_path_inside(r.row[i].path) || !gp_utf8_ok(r.row[i].path, strlen(r.row[i].path))) abort();
            if (r.row[i].key >= r.key.n || r.row[i].domain >= r.domain.n || r.row[i].part > GP_PARTS) abort();
        }
        const size_t n = r.n;
        if (n > 0 && gp_rows_finish(&r, &(gp_rows_plan){.what = "list.csv"}, &err) == GOPRO_OK) {
            if (b.n[0] + b.n[1] + b.n[2] != n) abort();
            for (int p = 0; p < GP_PARTS; p++)
                for (size_t i = 0; i < b.n[p]; i++)
                    if (b.item[p][i].label >= b.n_classes || !b.class_name[b.item[p][i].label]) abort();
        }
    }
    gp_rows_free(&r);
    gp_ds_free(&b);
    return 0;
}

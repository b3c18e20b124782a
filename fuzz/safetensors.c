/* safetensors.c - fuzz target: whatever the bytes, the reader refuses them or every tensor lies inside them.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "weights/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every byte that the file object hands out is touched, so that the address sanitizer sees a wrong pointer. */
static void use_tensor(const gp_safetensors *f, const gp_tensor *t)
{
    if (gp_safetensors_find(f, t->name) != t) abort();
    unsigned sum = 0;
    for (size_t i = 0; i < t->count * gp_dtype_size(t->dtype); i++) sum += t->data[i];
    if (t->count > 4096) return;
    double *d = malloc(sizeof *d * (t->count + 1));
    if (!d) return;
    gp_tensor_to_f64(d, t, NULL);
    gp_tensor_to_f32((float *)d, t, NULL);
    gp_tensor_to_i32((int32_t *)d, t, NULL);
    free(d);
    if (sum == 0xffffffffu) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gp_safetensors *f;
    gopro_error err;
    gopro_status st = gp_safetensors_open_memory(&f, data, size, "input", &err);
    if (st != GOPRO_OK) {
        if (f || strlen(err.msg) == 0) abort();
        return 0;
    }
    for (size_t i = 0; i < gp_safetensors_count(f); i++) use_tensor(f, gp_safetensors_at(f, i));
    const char *key, *value;
    size_t n = 0;
    for (void *at = NULL; gp_safetensors_meta_next(f, &at, &key, &value); n++)
        if (!key || !value || !gp_safetensors_meta(f, key)) abort();
    if (n != gp_safetensors_meta_count(f)) abort();
    gp_safetensors_close(&f);
    return 0;
}

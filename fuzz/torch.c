/* torch.c - fuzz target: a checkpoint file of any kind, read and renamed; every number of every tensor lies in the input or in memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "weights/tensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned touch(const gp_tensors *t)
{
    unsigned sum = 0;
    for (size_t i = 0; i < t->n; i++) {
        const gp_tensor *x = &t->v[i];
        size_t count = 1;
        for (size_t d = 0; d < x->rank; d++) count *= x->shape[d];
        if (count != x->count || gp_tensors_find(t, x->name) != x) abort();
        for (size_t k = 0; k < x->count * gp_dtype_size(x->dtype); k++) sum += x->data[k];
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gp_tensors *t;
    gopro_error err = {0};
    if (gp_tensors_open_memory(&t, data, size, "input", &err) != GOPRO_OK) {
        if (t || strlen(err.msg) == 0) abort();
        return 0;
    }
    unsigned sum = touch(t);
    if (gp_tensors_to_hf(t, "input", &err) == GOPRO_OK)
        sum += touch(t);
    else if (strlen(err.msg) == 0)
        abort();
    gp_tensors_close(&t);
    if (sum == 0xffffffffu) abort();
    return 0;
}

/* pickle.c - fuzz target: the first byte chooses TorchScript or not, the rest is a pickle; every node that comes out is a valid one.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "weights/torch_types.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_node(const gp_pickle *p, uint32_t i, const uint8_t *data, size_t size)
{
    const gp_pk *v = &p->node[i];
    if (v->kind == GP_PK_TEXT || v->kind == GP_PK_BIG) {
        const uint8_t *s = (const uint8_t *)v->s;
        if (v->i < 0 || s < data || (size_t)v->i > size || s + v->i > data + size) abort();
        return;
    }
    if (v->kind < GP_PK_TUPLE || v->kind == GP_PK_TYPE) return;
    uint32_t n = 0;
    for (uint32_t c = v->first; n < v->n; c = p->cell[c].next, n++)
        if (c >= p->n_cell || p->cell[c].key >= p->n_node || p->cell[c].value >= p->n_node) abort();
    if (v->n && p->cell[v->last].next != GP_PK_NIL && v->kind != GP_PK_TENSOR && v->kind != GP_PK_STORAGE) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gp_pickle p;
    gopro_error err = {0};
    if (size == 0) return 0;
    if (gp_pickle_read(&p, data + 1, size - 1, data[0] & 1 ? &gp_torch_script_types : &gp_torch_types, "input", &err) != GOPRO_OK) {
        if (p.node || strlen(err.msg) == 0) abort();
        return 0;
    }
    if (p.root >= p.n_node || p.used > size - 1) abort();
    for (uint32_t i = 0; i < p.n_node; i++) check_node(&p, i, data, size);
    (void)gp_pk_lookup(&p, p.root, "state_dict");
    gp_pickle_free(&p);
    return 0;
}

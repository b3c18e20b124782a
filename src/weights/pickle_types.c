/* pickle_types.c - the list of types, and looking into what a pickle held.
 * SPDX-License-Identifier: Apache-2.0 */
#include "weights/pickle_types.h"

#include <string.h>

#include "weights/pickle.h"
#include "weights/safetensors.h"

static const struct {
    const char *module, *name; /* name NULL: any */
    gp_pk_use use;
    int dtype;
} types[] = {
    {"torch._utils", "_rebuild_tensor_v2", GP_USE_TENSOR, -1},
    {"torch._utils", "_rebuild_parameter", GP_USE_FIRST, -1},
    {"torch.jit._pickle", "build_intlist", GP_USE_FIRST, -1},
    {"torch.jit._pickle", "build_doublelist", GP_USE_FIRST, -1},
    {"torch.jit._pickle", "build_boollist", GP_USE_FIRST, -1},
    {"torch.jit._pickle", "build_tensorlist", GP_USE_FIRST, -1},
    {"torch.jit._pickle", "restore_type_tag", GP_USE_FIRST, -1},
    {"collections", "OrderedDict", GP_USE_ORDERED, -1},
    {"torch", "DoubleStorage", GP_USE_STORAGE, GP_DT_F64},
    {"torch", "FloatStorage", GP_USE_STORAGE, GP_DT_F32},
    {"torch", "HalfStorage", GP_USE_STORAGE, GP_DT_F16},
    {"torch", "BFloat16Storage", GP_USE_STORAGE, GP_DT_BF16},
    {"torch", "LongStorage", GP_USE_STORAGE, GP_DT_I64},
    {"torch", "IntStorage", GP_USE_STORAGE, GP_DT_I32},
    {"torch", "ShortStorage", GP_USE_STORAGE, GP_DT_I16},
    {"torch", "CharStorage", GP_USE_STORAGE, GP_DT_I8},
    {"torch", "ByteStorage", GP_USE_STORAGE, GP_DT_U8},
    {"torch", "BoolStorage", GP_USE_STORAGE, GP_DT_BOOL},
    {"torch", "Size", GP_USE_OBJECT, -1},
    {"torch", "device", GP_USE_OBJECT, -1},
    {"torch", "float64", GP_USE_OBJECT, -1},
    {"torch", "float32", GP_USE_OBJECT, -1},
    {"torch", "float16", GP_USE_OBJECT, -1},
    {"torch", "bfloat16", GP_USE_OBJECT, -1},
    /* what training scripts keep beside the weights: settings, counters, times */
    {"argparse", "Namespace", GP_USE_OBJECT, -1},
    {"pathlib", "PosixPath", GP_USE_OBJECT, -1},
    {"pathlib", "PurePosixPath", GP_USE_OBJECT, -1},
    {"_codecs", "encode", GP_USE_OBJECT, -1},
    {"numpy", "dtype", GP_USE_OBJECT, -1},
    {"numpy", "ndarray", GP_USE_OBJECT, -1},
    {"numpy.core.multiarray", "scalar", GP_USE_OBJECT, -1},
    {"numpy.core.multiarray", "_reconstruct", GP_USE_OBJECT, -1},
    {"numpy._core.multiarray", "scalar", GP_USE_OBJECT, -1},
    {"numpy._core.multiarray", "_reconstruct", GP_USE_OBJECT, -1},
    {"__torch__", NULL, GP_USE_OBJECT, -1}, /* the last row: classes of a TorchScript archive */
};

static bool is(const char *s, size_t n, const char *want)
{
    return strlen(want) == n && memcmp(s, want, n) == 0;
}

int gp_pk_type_find(const char *module, size_t n_module, const char *name, size_t n_name, bool script)
{
    int last = (int)GP_COUNT(types) - 1;
    for (int i = 0; i < last; i++)
        if (is(module, n_module, types[i].module) && is(name, n_name, types[i].name)) return i;
    bool prefix = n_module >= 9 && memcmp(module, "__torch__", 9) == 0 && (n_module == 9 || module[9] == '.');
    return script && prefix ? last : -1;
}

gp_pk_use gp_pk_type_use(int64_t row)
{
    return types[row].use;
}

int gp_pk_type_dtype(int64_t row)
{
    return types[row].dtype;
}

/* ---- looking into a pickle ---- */

uint32_t gp_pk_item(const gp_pickle *p, uint32_t node, uint32_t i)
{
    const gp_pk *v = &p->node[node];
    bool has = v->kind == GP_PK_TUPLE || v->kind == GP_PK_LIST || v->kind >= GP_PK_STORAGE;
    if (!has || i >= v->n) return GP_PK_NIL;
    uint32_t c = v->first;
    while (i--) c = p->cell[c].next;
    return p->cell[c].value;
}

bool gp_pk_is_text(const gp_pickle *p, uint32_t node, const char *text)
{
    return node != GP_PK_NIL && p->node[node].kind == GP_PK_TEXT && is(p->node[node].s, (size_t)p->node[node].i, text);
}

uint32_t gp_pk_lookup(const gp_pickle *p, uint32_t dict, const char *key)
{
    if (dict == GP_PK_NIL || p->node[dict].kind != GP_PK_DICT) return GP_PK_NIL;
    uint32_t found = GP_PK_NIL;
    for (uint32_t k = 0, c = p->node[dict].first; k < p->node[dict].n; k++, c = p->cell[c].next)
        if (gp_pk_is_text(p, p->cell[c].key, key)) found = p->cell[c].value; /* the last one set counts */
    return found;
}

bool gp_pk_int(const gp_pickle *p, uint32_t node, size_t *v)
{
    if (node == GP_PK_NIL || p->node[node].kind != GP_PK_INT || p->node[node].i < 0) return false;
    *v = (size_t)p->node[node].i;
    return true;
}

int gp_pk_storage_dtype(const gp_pickle *p, uint32_t node)
{
    if (node == GP_PK_NIL || p->node[node].kind != GP_PK_TYPE) return -1;
    return gp_pk_type_dtype(p->node[node].i);
}

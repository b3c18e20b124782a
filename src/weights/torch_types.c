/* torch_types.c - see torch_types.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "weights/torch_types.h"

#include <string.h>

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
#define SCRIPT_CLASS ((int)GP_COUNT(types) - 1)

static bool is(const char *s, size_t n, const char *want)
{
    return strlen(want) == n && memcmp(s, want, n) == 0;
}

static int find(const char *module, size_t n_module, const char *name, size_t n_name, gp_pk_use *use)
{
    for (int i = 0; i < SCRIPT_CLASS; i++) {
        if (!is(module, n_module, types[i].module) || !is(name, n_name, types[i].name)) continue;
        *use = types[i].use;
        return i;
    }
    return -1;
}

static int find_script(const char *module, size_t n_module, const char *name, size_t n_name, gp_pk_use *use)
{
    const char *prefix = types[SCRIPT_CLASS].module;
    const size_t n = strlen(prefix);
    const int i = find(module, n_module, name, n_name, use);
    if (i >= 0 || n_module < n || memcmp(module, prefix, n) != 0 || (n_module > n && module[n] != '.')) return i;
    *use = types[SCRIPT_CLASS].use;
    return SCRIPT_CLASS;
}

#define OWNER  "list of weights"
#define ADVICE "save its state dict as safetensors"
const gp_pk_types gp_torch_types = {find, OWNER, ADVICE}, gp_torch_script_types = {find_script, OWNER, ADVICE};

int gp_pk_storage_dtype(const gp_pickle *p, uint32_t node)
{
    if (node == GP_PK_NIL || p->node[node].kind != GP_PK_TYPE) return -1;
    return types[p->node[node].i].dtype;
}

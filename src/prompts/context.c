/* context.c - the learnable context tokens.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "prompts/prompts.h"

size_t gp_bottleneck(size_t width)
{
    return gp_max_size(1, width / 16);
}

gopro_status gp_context_declare(gp_params *p, size_t M, size_t Dt, const gp_real *words, gopro_error *err)
{
    const size_t shape[] = {M, Dt};
    return gp_params_add(p, "ctx", shape, 2, words ? GP_INIT_COPY : GP_INIT_NORMAL, 0.02, words, err);
}

gopro_status gp_class_contexts_declare(gp_params *p, size_t K, size_t M, size_t Dt, const gp_real *words, gopro_error *err)
{
    const size_t shape[] = {K, M, Dt};
    if (!words) return gp_params_add(p, "ctx", shape, 3, GP_INIT_NORMAL, 0.02, NULL, err);
    gp_real *all = calloc(K, M * Dt * sizeof *all);
    if (!all) return gp_fail_nomem(err, K * M * Dt * sizeof *all, "the contexts of the classes");
    for (size_t k = 0; k < K; k++) memcpy(all + k * M * Dt, words, M * Dt * sizeof *all);
    const gopro_status st = gp_params_add(p, "ctx", shape, 3, GP_INIT_COPY, 0, all, err);
    free(all);
    return st;
}

/* context.c - the learnable context tokens, and how far they moved.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
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

double gp_ctx_drift(const gp_real *ctx, const gp_real *start, size_t n)
{
    double moved = 0, length = 0;
    for (size_t i = 0; i < n; i++) {
        moved += ((double)ctx[i] - (double)start[i]) * ((double)ctx[i] - (double)start[i]);
        length += (double)start[i] * (double)start[i];
    }
    return sqrt(moved / fmax(length, 1e-300));
}

double gp_ctx_spread(const gp_real *shift, size_t B, size_t M, size_t Dt)
{
    const size_t n = M * Dt;
    double variance = 0, length = 0;
    for (size_t j = 0; j < n; j++) {
        double mean = 0;
        for (size_t b = 0; b < B; b++) mean += (double)shift[b * n + j];
        mean /= (double)B;
        for (size_t b = 0; b < B; b++) variance += ((double)shift[b * n + j] - mean) * ((double)shift[b * n + j] - mean);
    }
    for (size_t b = 0; b < B; b++) {
        double sq = 0;
        for (size_t j = 0; j < n; j++) sq += (double)shift[b * n + j] * (double)shift[b * n + j];
        length += sqrt(sq);
    }
    return length > 0 ? sqrt(variance / (double)B) / (length / (double)B) : 0;
}

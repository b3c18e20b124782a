/* text.c - running the text tower for a method: which context meets which class.
 * SPDX-License-Identifier: Apache-2.0 */
#include "methods/methods.h"

gp_pair *gp_all_classes(gp_arena *a, size_t K)
{
    gp_pair *pair = gp_arena_alloc(a, K, sizeof *pair);
    for (size_t k = 0; pair && k < K; k++) pair[k].cls = (uint32_t)k;
    return pair;
}

gp_var gp_text_per_image(gp_tape *t, gp_step *s, gp_var tokens, size_t first, size_t n)
{
    const size_t K = s->K, M = s->setup->M;
    gp_pair *pair = gp_arena_alloc(gp_tape_arena(t), n * K, sizeof *pair);
    const gp_var none = {0};
    if (gp_tape_failed(t)) return none;
    if (!pair) {
        gp_tape_fail(t, GOPRO_E_NOMEM, "out of memory for the prompts of a step");
        return none;
    }
    for (size_t i = 0; i < n * K; i++) pair[i] = (gp_pair){(uint32_t)(i / K), (uint32_t)(i % K)};
    return gp_text_encode(t, s->setup->model, s->plan, gp_rows(t, tokens, first * M, n * M), n, pair, n * K);
}

/* branches.c - see branches.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "methods/branches.h"

#include <string.h>

const char *const gp_branch_loss[GP_N_LOSSES] = {"ce", "sem_moco", "sem_augmix", "con"};
static const char *const text_name[GP_N_BRANCHES] = {"image.text_features", "view_moco.text_features", "view_augmix.text_features"};

void gp_branches_views(const double lambda[GP_N_LOSSES], gp_view_kind kind[GP_MAX_VIEWS])
{
    kind[GP_X] = GP_VIEW_CROP;
    kind[GP_X1] = lambda[GP_SEM1] > 0 || lambda[GP_CON] > 0 ? GP_VIEW_MOCO : GP_VIEW_NONE;
    kind[GP_X2] = lambda[GP_SEM2] > 0 ? GP_VIEW_AUGMIX : GP_VIEW_NONE;
}

bool gp_branches_text(const gp_branches *x, const gp_step *s, size_t b)
{
    return b == GP_X || (s->training && x->lambda[b == GP_X1 ? GP_SEM1 : GP_SEM2] > 0);
}

void gp_branches_begin(gp_step *s, gp_branches *x)
{
    x->all_classes = !s->training || s->logits || x->lambda[GP_CE] > 0 || x->mse_all;
    s->full_branches = 0;
    for (size_t b = GP_X; b < GP_N_BRANCHES; b++)
        if (gp_branches_text(x, s, b) && (b == GP_X ? x->all_classes : x->mse_all)) s->full_branches++;
}

/* Normalised text features.  text[GP_X] [n K, E]: all classes of each image (the true one if only L_Sem asks); text[GP_X1], text[GP_X2]:
 * the true class [n, E], or all classes for mse_all.  One call of the text tower, so that its matrix products are large. */
static void encode(gp_tape *t, gp_step *s, const gp_branches *x, size_t first, size_t n, gp_var text[GP_N_BRANCHES])
{
    const size_t M = s->setup->M, K = s->K;
    gp_var tokens[GP_N_BRANCHES];
    gp_pair *pair = gp_arena_alloc(gp_tape_arena(t), GP_N_BRANCHES * n * K, sizeof *pair);
    size_t n_pairs = 0, n_branches = 0, at[GP_N_BRANCHES + 1] = {0};
    if (gp_tape_failed(t) || !pair) {
        gp_tape_fail(t, GOPRO_E_NOMEM, "out of memory for the prompts of a step");
        return;
    }
    for (size_t b = GP_X; b < GP_N_BRANCHES; b++) {
        at[b] = n_pairs;
        if (!x->tokens[b].v) continue;
        const bool all = b == GP_X ? x->all_classes : x->mse_all;
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < K; k++)
                if (all || k == s->label[first + i]) pair[n_pairs++] = (gp_pair){(uint32_t)(n_branches * n + i), (uint32_t)k};
        tokens[n_branches++] = gp_rows(t, x->tokens[b], first * M, n * M);
    }
    at[GP_N_BRANCHES] = n_pairs;
    if (n_pairs == 0) return;
    const gp_var contexts = gp_concat_rows(t, tokens, n_branches);
    const gp_var raw = gp_text_encode(t, s->setup->model, s->plan, contexts, n_branches * n, pair, n_pairs);
    const gp_var all = gp_unit_rows(t, raw, 1);
    for (size_t b = GP_X; b < GP_N_BRANCHES; b++) {
        text[b] = gp_rows(t, all, at[b], at[b + 1] - at[b]);
        if (x->tokens[b].v) gp_step_show(s, text_name[b], gp_rows(t, raw, at[b], at[b + 1] - at[b]));
    }
}

/* lambda_sem (1/B) sum_b ||t^_y(x) - t^_y(x_b)||, or the mean square over all classes */
static void semantic_loss(gp_tape *t, gp_step *s, const gp_branches *x, size_t first, size_t n, int which, gp_var original, gp_var view)
{
    if (x->detach_anchor) original = gp_detach(original);
    if (x->mse_all) {
        gp_step_term(t, s, gp_branch_loss[which], x->lambda[which], gp_mse(t, original, view, s->B * s->K * view.cols));
        return;
    }
    if (!x->all_classes) {
        gp_step_term(t, s, gp_branch_loss[which], x->lambda[which], gp_l2_distance(t, original, view, s->B));
        return;
    }
    uint32_t *true_row = gp_arena_alloc(gp_tape_arena(t), n, sizeof *true_row);
    for (size_t i = 0; true_row && i < n; i++) true_row[i] = (uint32_t)(i * s->K) + s->label[first + i];
    if (!true_row) {
        gp_tape_fail(t, GOPRO_E_NOMEM, "out of memory for a loss");
        return;
    }
    const gp_var anchor = gp_gather(t, original, true_row, n);
    gp_step_term(t, s, gp_branch_loss[which], x->lambda[which], gp_l2_distance(t, anchor, view, s->B));
}

void gp_branches_images(gp_tape *t, gp_step *s, gp_branches *x, size_t first, size_t n)
{
    gp_var text[GP_N_BRANCHES] = {0}, logits = {0};
    encode(t, s, x, first, n, text);
    if (x->all_classes) logits = gp_row_dots(t, gp_unit_rows(t, gp_rows(t, x->w, first, n), 1), text[GP_X], (gp_real)s->logit_scale);
    if (gp_tape_failed(t)) return;
    if (s->logits) memcpy(s->logits + first * s->K, logits.v, n * s->K * sizeof *logits.v);
    if (!s->training) return;
    if (x->lambda[GP_CE] > 0)
        gp_step_term(t, s, gp_branch_loss[GP_CE], x->lambda[GP_CE], gp_cross_entropy(t, logits, s->label + first, s->B));
    if (x->lambda[GP_SEM1] > 0) semantic_loss(t, s, x, first, n, GP_SEM1, text[GP_X], text[GP_X1]);
    if (x->lambda[GP_SEM2] > 0) semantic_loss(t, s, x, first, n, GP_SEM2, text[GP_X], text[GP_X2]);
}

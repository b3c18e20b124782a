/* zeroshot.c - CLIP as it is: logits from hand-written prompts, nothing to learn (METHODS 3.1).
 * SPDX-License-Identifier: Apache-2.0 */
#include "methods/methods.h"

static void views(const gp_setup *s, gp_view_kind kind[GP_MAX_VIEWS])
{
    (void)s;
    kind[0] = GP_VIEW_CROP;
    for (size_t i = 1; i < GP_MAX_VIEWS; i++) kind[i] = GP_VIEW_NONE;
}

static gp_pair *all_classes(gp_arena *a, size_t K)
{
    gp_pair *pair = gp_arena_alloc(a, K, sizeof *pair);
    for (size_t k = 0; pair && k < K; k++) pair[k].cls = (uint32_t)k;
    return pair;
}

/* t^_k, once for all images */
static void shared(gp_tape *t, gp_step *s)
{
    const size_t K = s->K, E = gp_model_arch(s->setup->model)->embed;
    gp_var *text = gp_arena_alloc(gp_tape_arena(t), 1, sizeof *text);
    if (!text) {
        gp_tape_fail(t, GOPRO_E_NOMEM, "out of memory for text features");
        return;
    }
    s->shared = text;
    *text = gp_tape_var(t, K, E, false);
    if (!text->v) return;
    if (s->class_feat) {
        for (size_t i = 0; i < K * E; i++) text->v[i] = s->class_feat[i];
        return;
    }
    gopro_error e;
    const gopro_status st = gp_class_features(s->setup->model, &s->plan, 1, text->v, &e);
    if (st != GOPRO_OK) gp_tape_fail(t, st, e.msg);
}

/* l_k = s <v^, t^_k> */
static void images(gp_tape *t, gp_step *s, size_t first, size_t n)
{
    if (gp_tape_failed(t)) return;
    const size_t K = s->K, E = gp_model_arch(s->setup->model)->embed;
    const gp_var v = gp_const(s->view[0].feat + first * E, n, E), *text = s->shared;
    const gp_var logits = gp_matmul_nt(t, v, *text, (gp_real)s->logit_scale);
    if (!logits.v) return;
    if (s->logits)
        for (size_t i = 0; i < n * K; i++) s->logits[first * K + i] = logits.v[i];
    if (s->training) gp_step_term(t, s, "ce", 1, gp_cross_entropy(t, logits, s->label + first, s->B));
}

const gp_method gp_method_zeroshot = {.name = "zeroshot", .views = views, .shared = shared, .images = images};

static void add_normalised(gp_real *sum, const gp_kernels *k, gp_real *x, size_t E)
{
    gp_unit(x, k, E);
    k->add(sum, x, E);
}

gopro_status gp_class_features(gp_model *m, const gp_text_plan *const *plan, size_t n_plans, gp_real *out, gopro_error *err)
{
    const size_t K = gp_text_plan_classes(plan[0]), E = gp_model_arch(m)->embed;
    const gp_kernels *k = gp_model_compute(m)->k;
    gopro_status st = GOPRO_OK;
    gp_arena *a = gp_arena_create(K * E * sizeof(gp_real) + 4096);
    gp_real *x = a ? gp_arena_alloc(a, K * E, sizeof *x) : NULL;
    const gp_pair *pairs = a ? all_classes(a, K) : NULL;
    if (!x || !pairs) {
        st = gp_fail_nomem(err, K * E * sizeof *x, "text features");
        goto out;
    }
    for (size_t i = 0; i < K * E; i++) out[i] = 0;
    for (size_t r = 0; r < n_plans; r++) {
        if (gp_text_plan_classes(plan[r]) != K) {
            st = gp_fail(err, GOPRO_E_INVALID, "the templates' label sets differ in size");
            goto out;
        }
        GP_CHECK(gp_text_fwd(m, plan[r], x, NULL, 1, pairs, K, NULL, NULL, err));
        for (size_t c = 0; c < K; c++) add_normalised(out + c * E, k, x + c * E, E);
    }
    for (size_t c = 0; c < K; c++) gp_unit(out + c * E, k, E);
out:
    gp_arena_free(&a);
    return st;
}

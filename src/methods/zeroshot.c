/* zeroshot.c - CLIP as it is: logits from hand-written prompts, nothing to learn (METHODS 3.1).
 * SPDX-License-Identifier: Apache-2.0 */
#include "methods/methods.h"

/* t^_k of one template; label sets with several give class_feat instead */
gp_var gp_template_features(gp_tape *t, gp_step *s)
{
    const gp_pair *pairs = gp_all_classes(gp_tape_arena(t), s->K);
    const gp_var none = {0};
    if (!pairs) {
        gp_tape_fail(t, GOPRO_E_NOMEM, "out of memory for text features");
        return none;
    }
    const gp_var text = gp_text_encode(t, s->setup->model, s->plan, none, 1, pairs, s->K);
    gp_step_show(s, "text_features", text);
    return gp_unit_rows(t, text, 1);
}

/* l_k = s <v^, t^_k> */
static void images(gp_tape *t, gp_step *s, size_t first, size_t n)
{
    const size_t E = gp_model_arch(s->setup->model)->embed;
    gp_step_classify(t, s, first, gp_const(s->view[0].feat + first * E, n, E));
}

const gp_method gp_method_zeroshot = {
    .name = "zeroshot",
    .title = "CLIP",
    .wants = GP_WANT_TEMPLATES,
    .views = gp_views_crop,
    .class_features = gp_template_features,
    .images = images,
};

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
    const gp_pair *pairs = a ? gp_all_classes(a, K) : NULL;
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

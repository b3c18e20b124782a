/* test_maple.c - what must hold for a step of MaPLe (METHODS 3.5; 6, invariants 8, 9, 15, 19, 20, 22).
 * SPDX-License-Identifier: Apache-2.0 */
#include "steptest.h"

#define TOL 2e-5

static double distance(const gp_real *a, const gp_real *b, size_t n)
{
    double top = 0, off = 0;
    for (size_t i = 0; i < n; i++) {
        top = fmax(top, fabs((double)a[i]));
        off = fmax(off, fabs((double)a[i] - (double)b[i]));
    }
    return off / fmax(top, 1e-30);
}

/* Invariant 20 */
static void test_parameter_counts(void **state)
{
    static const struct {
        size_t J, total;
    } count[] = {{9, 3555072}, {3, 1185024}, {1, 1024 + 393984}};
    (void)state;
    for (size_t i = 0; i < GP_COUNT(count); i++) {
        gp_params *p = gp_params_create();
        assert_int_equal(gp_coupled_declare(p, 2, count[i].J, 512, 768, NULL, NULL), GOPRO_OK);
        assert_int_equal(gp_params_total(p), count[i].total);
        assert_int_equal(gp_params_count(p), 3 + 3 * (count[i].J - 1));
        gp_params_free(&p);
    }
}

/* Invariant 22: all proj_l are equal at the start, proj and the prompts are not. */
static void test_start(void **state)
{
    const size_t Dt = 24, Dv = 16, n = 2;
    gp_params *p = gp_params_create();
    (void)state;
    assert_int_equal(gp_coupled_declare(p, n, 4, Dt, Dv, NULL, NULL), GOPRO_OK);
    assert_int_equal(gp_params_finish(p, 7, NULL), GOPRO_OK);
    const gp_real *w = gp_param(p, "compound_prompt_projections.0.weight").v, *b = gp_param(p, "compound_prompt_projections.0.bias").v;
    assert_memory_equal(gp_param(p, "compound_prompt_projections.1.weight").v, w, Dt * Dv * sizeof *w);
    assert_memory_equal(gp_param(p, "compound_prompt_projections.2.weight").v, w, Dt * Dv * sizeof *w);
    assert_memory_equal(gp_param(p, "compound_prompt_projections.2.bias").v, b, Dv * sizeof *b);
    assert_true(distance(gp_param(p, "proj.weight").v, w, Dt * Dv) > 0.1);
    assert_true(distance(gp_param(p, "compound_prompts_text.0").v, gp_param(p, "compound_prompts_text.1").v, n * Dt) > 0.1);
    for (size_t i = 0; i < Dt * Dv; i++) assert_true(fabs((double)w[i]) <= 1 / sqrt((double)Dt));
    gp_params_free(&p);
}

/* Invariant 22: with J = 1 the text features at the start are zero-shot's; with deeper prompts they are not. */
static void test_text_at_the_start(void **state)
{
    static const char *const shallow[] = {"maple.depth", "1", NULL};
    enum { K = 5 };
    (void)state;
    for (int deep = 0; deep < 2; deep++) {
        steptest x;
        gp_real words[2 * 32], zs[K * 16], text[K * 16];
        const uint32_t ids[] = {1, 2};
        steptest_make(&x, &(steptest_config){.method = "zeroshot", .K = K, .B = 1, .M = 2});
        gp_text_embed(x.model.m, words, ids, 2);
        steptest_free(&x);
        steptest_make(&x,
                      &(steptest_config){.method = "maple", .options = deep ? NULL : shallow, .K = K, .B = 1, .M = 2, .word_ctx = words});
        gp_text_plan *plain = NULL;
        assert_int_equal(gp_text_plan_create(&plain, x.model.m, x.prompt, K, 0, GP_POS_END, NULL), GOPRO_OK);
        assert_int_equal(gp_class_features(x.model.m, (const gp_text_plan *const *)&plain, 1, zs, NULL), GOPRO_OK);
        assert_int_equal(gp_step_class_features(x.method, x.t, &x.s, text, NULL), GOPRO_OK);
        const double d = distance(zs, text, K * gp_model_arch(x.model.m)->embed);
        assert_true(deep ? d > 1e-3 : d < TOL);
        gp_text_plan_free(&plain);
        steptest_free(&x);
    }
}

/* Invariant 9, and what a test does: features from the learnt tower, once, then logits of a label set from them. */
static void test_features_then_logits(void **state)
{
    enum { K = 4, B = 3, E = 16 };
    steptest x;
    gp_real logits[B * K], feat[B * E], text[K * E], again[B * K], one[K];
    (void)state;
    steptest_make(&x, &(steptest_config){.method = "maple", .K = K, .B = B, .M = 2, .random_start = true});
    const size_t embed = gp_model_arch(x.model.m)->embed, px = 3 * gp_model_arch(x.model.m)->image * gp_model_arch(x.model.m)->image;
    assert_true(embed <= E);
    steptest_run(&x);
    memcpy(logits, x.s.logits, sizeof logits);
    gp_tape_set_recording(x.t, false);
    x.method->embed(x.t, &x.s, feat);
    assert_int_equal(gp_step_class_features(x.method, x.t, &x.s, text, NULL), GOPRO_OK);
    gp_step s = {.setup = &x.setup, .p = x.p, .plan = x.plan, .K = K, .B = B, .logit_scale = x.s.logit_scale, .logits = again};
    s.view[0].feat = feat;
    s.class_feat = text;
    assert_int_equal(gp_step_run(x.method, x.t, &s, NULL), GOPRO_OK);
    assert_true(distance(logits, again, B * K) < TOL);
    for (size_t b = 0; b < B; b++) { /* one image without its companions, from its pixels */
        s = (gp_step){.setup = &x.setup, .p = x.p, .plan = x.plan, .K = K, .B = 1, .logit_scale = x.s.logit_scale, .logits = one};
        s.view[0].pixels = x.s.view[0].pixels + b * px;
        assert_int_equal(gp_step_run(x.method, x.t, &s, NULL), GOPRO_OK);
        assert_true(distance(logits + b * K, one, K) < TOL);
    }
    assert_true(distance(logits, logits + K, K) > 1e-3);
    steptest_free(&x);
}

/* Invariant 8: classes in another order give the same logits in that order, and the same loss. */
static void test_classes_permute(void **state)
{
    enum { K = 5, B = 3 };
    steptest x;
    gp_prompt turned[K];
    uint32_t label[B];
    gp_real logits[B * K];
    (void)state;
    steptest_make(&x, &(steptest_config){.method = "maple", .K = K, .B = B, .M = 3, .random_start = true});
    const double loss = steptest_run(&x);
    memcpy(logits, x.s.logits, sizeof logits);
    for (size_t k = 0; k < K; k++) turned[k] = x.prompt[K - 1 - k];
    for (size_t b = 0; b < B; b++) label[b] = K - 1 - x.s.label[b];
    gp_text_plan_free(&x.plan);
    assert_int_equal(gp_text_plan_create(&x.plan, x.model.m, turned, K, 3, GP_POS_END, NULL), GOPRO_OK);
    x.s.plan = x.plan;
    x.s.label = label;
    assert_true(fabs(steptest_run(&x) - loss) < TOL);
    for (size_t b = 0; b < B; b++)
        for (size_t k = 0; k < K; k++) assert_float_equal(x.s.logits[b * K + K - 1 - k], logits[b * K + k], 1e-4);
    steptest_free(&x);
}

static gp_real *gradients(steptest *x, size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < gp_params_count(x->p); i++) *n += gp_params_info(x->p, i)->count;
    gp_real *g = malloc(*n * sizeof *g), *to = g;
    assert_non_null(g);
    for (size_t i = 0; i < gp_params_count(x->p); i++) {
        const size_t count = gp_params_info(x->p, i)->count;
        memcpy(to, gp_param_at(x->p, i).g, count * sizeof *g);
        to += count;
    }
    return g;
}

/* Invariants 15 and 19: the same bytes for any number of threads; the model is not touched. */
static void test_threads(void **state)
{
    gp_real *first = NULL;
    size_t n = 0, n_first = 0;
    (void)state;
    for (size_t threads = 1; threads <= 4; threads++) {
        steptest x;
        steptest_make(&x, &(steptest_config){.method = "maple", .K = 6, .B = 5, .M = 2, .threads = threads, .random_start = true});
        const size_t w = 3 * x.model.w->arch.v.width * x.model.w->arch.v.width;
        gp_real *before = malloc(w * sizeof *before);
        memcpy(before, x.model.w->v_block[0].qkv.w, w * sizeof *before);
        steptest_run(&x);
        assert_memory_equal(before, x.model.w->v_block[0].qkv.w, w * sizeof *before);
        gp_real *g = gradients(&x, &n);
        if (!first) {
            first = g;
            n_first = n;
        } else {
            assert_int_equal(n, n_first);
            assert_memory_equal(g, first, n * sizeof *g);
            free(g);
        }
        free(before);
        steptest_free(&x);
    }
    free(first);
}

/* More images than may be kept at once: the batch is cut into equal parts, and its gradient is that of its thirds. */
static void test_micro_steps(void **state)
{
    enum { B = 300 };
    gp_clip_arch a = steptest_arch();
    steptest x;
    size_t n;
    (void)state;
    a.image = 16;
    a.patch = 2;
    a.v = (gp_tower_arch){.width = 32, .layers = 8, .heads = 2, .hidden = 128, .act = GP_ACT_QUICKGELU, .eps = 1e-5};
    steptest_make(&x, &(steptest_config){.method = "maple", .K = 3, .B = B, .M = 2, .threads = 2, .random_start = true, .arch = &a});
    const size_t micro = gp_step_micro(x.method, &x.s), px = 3 * a.image * a.image;
    assert_int_equal(micro, B / 2);
    assert_true(micro * gp_vision_prompt_bytes(x.model.m, 2) <= (size_t)192 << 20);
    const double loss = steptest_run(&x);
    gp_real *whole = gradients(&x, &n), *third[3];
    double sum = 0;
    x.s.B = B / 3;
    for (size_t i = 0; i < 3; i++) {
        sum += steptest_run(&x) / 3;
        third[i] = gradients(&x, &n);
        x.s.view[0].pixels += B / 3 * px;
        x.s.label += B / 3;
    }
    assert_true(fabs(sum - loss) < 1e-4);
    for (size_t i = 0; i < n; i++) third[0][i] = (third[0][i] + third[1][i] + third[2][i]) / 3;
    assert_true(distance(whole, third[0], n) < 1e-4);
    free(whole), free(third[0]), free(third[1]), free(third[2]);
    steptest_free(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parameter_counts),     cmocka_unit_test(test_start),           cmocka_unit_test(test_text_at_the_start),
        cmocka_unit_test(test_features_then_logits), cmocka_unit_test(test_classes_permute), cmocka_unit_test(test_threads),
        cmocka_unit_test(test_micro_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

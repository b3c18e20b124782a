/* test_rivals.c - what must hold for every step of CoOp, CoCoOp, StyLIP and the SLIP adaptation (METHODS 6, invariants 7, 8, 9, 14, 20).
 * SPDX-License-Identifier: Apache-2.0 */
#include "steptest.h"

#define TOL 2e-5

typedef struct rival {
    const char *method, *options[6];
    size_t M;
} rival;

static const rival rivals[] = {
    {"coop", {NULL}, 3},
    {"coop", {"coop.position", "middle"}, 3},
    {"coop", {"coop.position", "front"}, 2},
    {"cocoop", {NULL}, 2},
    {"stylip", {NULL}, 3},
    {"stylip", {"stylip.content", "token"}, 2},
    {"slip", {"slip.mlp_dim", "6"}, 0},
    {"slip", {"slip.mlp_dim", "6", "slip.clip_loss", "infonce"}, 0},
};

static double distance(const gp_real *a, const gp_real *b, size_t n)
{
    double top = 0, off = 0;
    for (size_t i = 0; i < n; i++) {
        top = fmax(top, fabs((double)a[i]));
        off = fmax(off, fabs((double)a[i] - (double)b[i]));
    }
    return off / fmax(top, 1e-30);
}

static void make(steptest *x, const rival *r, size_t K, size_t B)
{
    steptest_make(x, &(steptest_config){.method = r->method, .options = r->options, .K = K, .B = B, .M = r->M, .random_start = true});
}

static void new_plan(steptest *x, const gp_prompt *prompt, size_t K, size_t M)
{
    gopro_error e = {0};
    gp_text_plan_free(&x->plan);
    if (gp_text_plan_create(&x->plan, x->model.m, prompt, K, M, x->setup.pos, &e) != GOPRO_OK) fail_msg("%s", e.msg);
    x->s.plan = x->plan;
    x->s.K = K;
}

/* Invariant 7: with words and nothing learnt, the logits are zero-shot's on the prompts with these words. */
static void test_start_is_zero_shot(void **state)
{
    static const rival start[] = {
        {"coop", {NULL}, 4},   {"coop", {"coop.csc", "1"}, 4},     {"cocoop", {NULL}, 4},
        {"stylip", {NULL}, 4}, {"slip", {"slip.mlp_dim", "6"}, 0},
    };
    const uint32_t ids[] = {1, 2, 3, 4};
    (void)state;
    for (size_t i = 0; i < GP_COUNT(start); i++) {
        steptest z, x;
        gp_real words[4 * 32];
        const rival *r = &start[i];
        steptest_make(&z, &(steptest_config){.method = "zeroshot", .K = 5, .B = 3, .M = 4});
        gp_text_embed(z.model.m, words, ids, 4);
        const gp_real *from = r->M ? words : NULL;
        steptest_make(&x, &(steptest_config){.method = r->method, .options = r->options, .K = 5, .B = 3, .M = 4, .word_ctx = from});
        if (gp_param_exists(x.p, "meta_net.linear2.weight")) { /* CoCoOp does not start at zero by itself */
            const gp_var w = gp_param(x.p, "meta_net.linear2.weight"), b = gp_param(x.p, "meta_net.linear2.bias");
            memset(w.v, 0, w.rows * w.cols * sizeof *w.v);
            memset(b.v, 0, b.rows * b.cols * sizeof *b.v);
        }
        steptest_run(&z);
        steptest_run(&x);
        if (!(distance(z.s.logits, x.s.logits, 15) < TOL)) fail_msg("%s: %g", r->method, distance(z.s.logits, x.s.logits, 15));
        steptest_free(&z);
        steptest_free(&x);
    }
}

/* Invariant 8 */
static void test_classes_permute(void **state)
{
    enum { K = 5, B = 3 };
    static const uint32_t order[K] = {3, 0, 4, 1, 2};
    (void)state;
    for (size_t i = 0; i < GP_COUNT(rivals); i++) {
        steptest x;
        gp_real before[B * K];
        uint32_t label[B];
        gp_prompt permuted[K];
        make(&x, &rivals[i], K, B);
        const double loss = steptest_run(&x);
        memcpy(before, x.s.logits, sizeof before);
        for (size_t k = 0; k < K; k++) permuted[k] = x.prompt[order[k]];
        for (size_t b = 0; b < B; b++)
            for (uint32_t k = 0; k < K; k++)
                if (order[k] == x.s.label[b]) label[b] = k;
        new_plan(&x, permuted, K, x.M);
        x.s.label = label;
        assert_true(fabs(steptest_run(&x) - loss) < 2e-4);
        for (size_t b = 0; b < B; b++)
            for (size_t k = 0; k < K; k++) assert_true(fabs((double)x.s.logits[b * K + k] - (double)before[b * K + order[k]]) < TOL * 20);
        new_plan(&x, x.prompt, K - 1, x.M);
        x.s.training = false;
        steptest_run(&x);
        for (size_t b = 0; b < B; b++)
            for (size_t k = 0; k < K - 1; k++)
                assert_true(fabs((double)x.s.logits[b * (K - 1) + k] - (double)before[b * K + k]) < TOL * 20);
        steptest_free(&x);
    }
}

/* Class-specific contexts follow their classes when rows are taken by class_row. */
static void test_class_rows(void **state)
{
    enum { K = 4, B = 2 };
    static const uint32_t order[] = {2, 0, 3};
    const rival csc = {"coop", {"coop.csc", "1"}, 2};
    steptest x;
    gp_real before[B * K], text[3 * 16];
    gp_prompt some[3];
    (void)state;
    make(&x, &csc, K, B);
    steptest_run(&x);
    memcpy(before, x.s.logits, sizeof before);
    for (size_t k = 0; k < 3; k++) some[k] = x.prompt[order[k]];
    new_plan(&x, some, 3, x.M);
    x.s.class_row = order;
    x.s.training = false;
    steptest_run(&x);
    for (size_t b = 0; b < B; b++)
        for (size_t k = 0; k < 3; k++) assert_true(fabs((double)x.s.logits[b * 3 + k] - (double)before[b * K + order[k]]) < TOL * 20);
    /* features computed before give the same logits */
    gp_real again[B * 3];
    assert_int_equal(gp_step_class_features(x.method, x.t, &x.s, text, NULL), GOPRO_OK);
    memcpy(again, x.s.logits, sizeof again);
    x.s.class_feat = text;
    x.s.plan = NULL;
    steptest_run(&x);
    assert_true(distance(again, x.s.logits, B * 3) < TOL);
    steptest_free(&x);
}

/* Invariant 9: logits of a sample do not depend on its companions; SLIP's not on its SSL views. */
static void test_samples_are_independent(void **state)
{
    enum { K = 4, B = 4 };
    (void)state;
    for (size_t i = 0; i < GP_COUNT(rivals); i++) {
        steptest x;
        gp_real all[B * K], alone[K];
        make(&x, &rivals[i], K, B);
        steptest_run(&x);
        memcpy(all, x.s.logits, sizeof all);
        const size_t E = gp_model_arch(x.model.m)->embed, per_stat = 2 * 8;
        x.s.view[1] = x.s.view[2] = (gp_view){0};
        x.s.view[0].feat += 2 * E;
        x.s.view[0].mu += 2 * per_stat;
        x.s.view[0].sigma += 2 * per_stat;
        x.s.B = 1;
        x.s.training = false;
        x.s.label = NULL;
        x.s.logits = alone;
        steptest_run(&x);
        assert_true(distance(all + 2 * K, alone, K) < TOL);
        assert_int_equal(x.s.n_terms, 0);
        steptest_free(&x);
    }
}

static void test_training_lowers_the_loss(void **state)
{
    (void)state;
    for (size_t i = 0; i < GP_COUNT(rivals); i++) {
        steptest x;
        const rival *r = &rivals[i];
        steptest_make(&x, &(steptest_config){.method = r->method, .options = r->options, .K = 4, .B = 4, .M = r->M});
        const double first = steptest_run(&x);
        for (int n = 0; n < 60; n++) {
            gp_sgd_step(x.p, &(gp_sgd){0.9, 5e-4}, 0.002);
            steptest_run(&x);
        }
        if (!(x.s.loss < first)) fail_msg("%s: %g after %g", r->method, x.s.loss, first);
        steptest_free(&x);
    }
}

/* Each option in its other position gives another step from the same parameters. */
static void test_options_matter(void **state)
{
    static const rival other[] = {
        {"coop", {"coop.position", "middle"}, 3},
        {"coop", {"coop.position", "front"}, 3},
        {"coop", {"coop.csc", "1"}, 3},
        {"stylip", {"stylip.frg_norm", "unit"}, 3},
        {"stylip", {"stylip.frg_norm", "none"}, 3},
        {"stylip", {"stylip.frg_center", "0"}, 3},
        {"stylip", {"stylip.decoder_bias", "1"}, 3},
        {"stylip", {"stylip.content", "token"}, 3},
        {"stylip", {"stylip.alpha", "1"}, 3},
        {"slip", {"slip.mlp_dim", "6", "slip.clip_loss", "infonce"}, 0},
        {"slip", {"slip.mlp_dim", "6", "slip.alpha", "1"}, 0},
        {"slip", {"slip.mlp_dim", "6", "slip.tau", "0.5"}, 0},
        {"slip", {"slip.mlp_dim", "7"}, 0},
        {"maple", {"maple.depth", "1"}, 2},
    };
    (void)state;
    for (size_t i = 0; i < GP_COUNT(other); i++) {
        steptest x, y;
        rival plain = {other[i].method, {NULL}, other[i].M};
        if (strcmp(plain.method, "slip") == 0) plain.options[0] = "slip.mlp_dim", plain.options[1] = "6";
        make(&x, &plain, 4, 4);
        make(&y, &other[i], 4, 4);
        const double a = steptest_run(&x), b = steptest_run(&y);
        if (!(fabs(a - b) > 1e-4)) fail_msg("%s, option %zu: the loss is %g either way", plain.method, i, a);
        steptest_free(&x);
        steptest_free(&y);
    }
}

/* Threads, and micro-steps that cut a batch, change nothing. */
static void test_threads_do_not_matter(void **state)
{
    (void)state;
    for (size_t i = 0; i < GP_COUNT(rivals); i++) {
        steptest x[2];
        for (size_t n = 0; n < 2; n++) {
            const rival *r = &rivals[i];
            steptest_make(
                &x[n],
                &(steptest_config){
                    .method = r->method, .options = r->options, .K = 5, .B = 3, .M = r->M, .threads = n ? 3 : 1, .random_start = true});
            steptest_run(&x[n]);
        }
        assert_memory_equal(x[0].s.logits, x[1].s.logits, 15 * sizeof(gp_real));
        for (size_t k = 0; k < gp_params_count(x[0].p); k++) {
            const gp_var a = gp_param_at(x[0].p, k), b = gp_param_at(x[1].p, k);
            if (a.g) assert_memory_equal(a.g, b.g, a.rows * a.cols * sizeof *a.g);
        }
        steptest_free(&x[0]);
        steptest_free(&x[1]);
    }
}

/* Invariant 14, as far as SLIP's head goes: two calls are two updates, evaluation changes nothing, one image is refused. */
static void test_head_statistics(void **state)
{
    const rival r = {"slip", {"slip.mlp_dim", "6"}, 0};
    steptest x;
    gopro_error e = {0};
    (void)state;
    make(&x, &r, 4, 3);
    gp_real *mean = gp_param(x.p, "head.bn1.running_mean").v, *var = gp_param(x.p, "head.bn1.running_var").v;
    for (size_t j = 0; j < 6; j++) var[j] = 1, mean[j] = 1000;
    steptest_run(&x);
    for (size_t j = 0; j < 6; j++) assert_true(fabs((double)mean[j] - 810) < 5); /* 1000 * 0.9 * 0.9 and a little */
    const gp_real kept = mean[0];
    x.s.training = false;
    steptest_run(&x);
    assert_true(mean[0] == kept);
    x.s.training = true;
    x.s.B = 1;
    assert_int_equal(gp_step_run(x.method, x.t, &x.s, &e), GOPRO_E_INVALID);
    gp_params *p = gp_params_create();
    assert_int_equal(gp_options_set(x.opt, "optim.batch", "1", "test", NULL), GOPRO_OK);
    assert_int_equal(x.method->declare(p, &x.setup, &e), GOPRO_E_INVALID);
    gp_params_free(&p);
    steptest_free(&x);
}

/* InfoNCE spreads its target over equal captions: a batch of one class has the loss ln B of even guessing left, with distinct ones less. */
static void test_info_nce(void **state)
{
    const rival r = {"slip", {"slip.mlp_dim", "6", "slip.clip_loss", "infonce"}, 0};
    steptest x;
    const uint32_t same[] = {2, 2, 2}, apart[] = {0, 1, 2};
    (void)state;
    make(&x, &r, 4, 3);
    x.s.logit_scale = 1e-6; /* all cosines alike */
    x.s.label = same;
    steptest_run(&x);
    assert_true(fabs(steptest_term(&x, "clip") - log(3)) < 1e-4);
    x.s.logit_scale = 20;
    x.s.label = apart;
    steptest_run(&x);
    const double before = steptest_term(&x, "clip");
    for (int n = 0; n < 200; n++) {
        gp_sgd_step(x.p, &(gp_sgd){0, 0}, 0.05);
        steptest_run(&x);
    }
    assert_true(steptest_term(&x, "clip") < 0.9 * before);
    steptest_free(&x);
}

/* Invariant 20: ViT-B/16 */
static void test_parameter_counts(void **state)
{
    const gp_frg_config frg = {.L = 12, .Dv = 768, .Dt = 512};
    gp_params *p = gp_params_create();
    (void)state;
    assert_int_equal(gp_context_declare(p, 4, 512, NULL, NULL), GOPRO_OK);
    assert_int_equal(gp_params_total(p), 2048); /* CoOp */
    assert_int_equal(gp_bias_net_declare(p, "meta_net", 512, 512, NULL), GOPRO_OK);
    assert_int_equal(gp_params_total(p), 35360); /* CoCoOp */
    gp_params_free(&p);
    p = gp_params_create();
    assert_int_equal(gp_class_contexts_declare(p, 10, 16, 512, NULL, NULL), GOPRO_OK);
    assert_int_equal(gp_params_total(p), 10 * 8192);
    gp_params_free(&p);
    p = gp_params_create();
    assert_int_equal(gp_context_declare(p, 4, 512, NULL, NULL), GOPRO_OK);
    assert_int_equal(gp_frg_declare(p, &frg, NULL), GOPRO_OK);
    assert_int_equal(gp_token_nets_declare(p, "rho", 4, 12, 512, true, NULL), GOPRO_OK);
    assert_int_equal(gp_params_add_linear(p, "content", 512, 512, true, true, NULL), GOPRO_OK);
    assert_int_equal(gp_params_total(p), 9847472); /* StyLIP */
    gp_params_free(&p);
    p = gp_params_create();
    assert_int_equal(gp_projector_declare(p, GP_PV_RESIDUAL, 512, NULL), GOPRO_OK);
    assert_int_equal(gp_params_total(p), 262656);
    assert_int_equal(gp_ssl_head_declare(p, "head", 512, 4096, NULL), GOPRO_OK);
    assert_int_equal(gp_params_total(p), 262656 + 19947776); /* SLIP adaptation */
    gp_params_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_is_zero_shot),
        cmocka_unit_test(test_classes_permute),
        cmocka_unit_test(test_class_rows),
        cmocka_unit_test(test_samples_are_independent),
        cmocka_unit_test(test_training_lowers_the_loss),
        cmocka_unit_test(test_options_matter),
        cmocka_unit_test(test_threads_do_not_matter),
        cmocka_unit_test(test_head_statistics),
        cmocka_unit_test(test_info_nce),
        cmocka_unit_test(test_parameter_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

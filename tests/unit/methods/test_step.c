/* test_step.c - what must hold for every step of zero-shot and GOPro (METHODS 6, invariants 7-11, 15, 20).
 * SPDX-License-Identifier: Apache-2.0 */
#include "steptest.h"

#define TOL 2e-5

static double gradient_norm(steptest *x, const char *name)
{
    const gp_var w = gp_param(x->p, name);
    double sum = 0;
    for (size_t i = 0; i < w.rows * w.cols; i++) sum += (double)w.g[i] * (double)w.g[i];
    return sqrt(sum);
}

static double distance(const gp_real *a, const gp_real *b, size_t n)
{
    double top = 0, off = 0;
    for (size_t i = 0; i < n; i++) {
        top = fmax(top, fabs((double)a[i]));
        off = fmax(off, fabs((double)a[i] - (double)b[i]));
    }
    return off / fmax(top, 1e-30);
}

/* Invariant 7: at the start, with words, GOPro's logits are zero-shot's; invariant 10: what moves then and what does not. */
static void test_start_is_zero_shot(void **state)
{
    static const char *const still[] = {
        "rho.f.encoder.weight",  "rho.f.mix", "frg.content.0.weight", "frg.style.1.bias", "rho.mo.decoder.weight",
        "rho.au.encoder.weight", "rho.au.mix"};
    static const char *const moving[] = {"ctx", "rho.f.decoder.weight", "rho.f.decoder.bias", "projector.weight", "projector.bias"};
    static const char *const options[] = {"gopro.decoder_bias", "1", NULL};
    steptest z, x;
    gp_real words[4 * 32];
    const uint32_t ids[] = {1, 2, 3, 4};
    (void)state;
    steptest_make(&z, &(steptest_config){.method = "zeroshot", .K = 5, .B = 3, .M = 0});
    gp_text_embed(z.model.m, words, ids, 4);
    steptest_make(&x, &(steptest_config){.method = "gopro", .options = options, .K = 5, .B = 3, .M = 4, .word_ctx = words});
    /* the same prompts for both: the words in place of the context */
    gp_text_plan_free(&z.plan);
    assert_int_equal(gp_text_plan_create(&z.plan, z.model.m, x.prompt, 5, 0, GP_POS_END, NULL), GOPRO_OK);
    z.s.plan = z.plan;
    steptest_run(&z);
    steptest_run(&x);
    assert_true(distance(z.s.logits, x.s.logits, 15) < TOL);
    assert_true(fabs(steptest_term(&x, "ce") - steptest_term(&z, "ce")) < TOL);
    assert_true(steptest_term(&x, "sem_moco") == 0 && steptest_term(&x, "sem_augmix") == 0);
    for (size_t i = 0; i < GP_COUNT(still); i++) assert_true(gradient_norm(&x, still[i]) == 0);
    for (size_t i = 0; i < GP_COUNT(moving); i++) assert_true(gradient_norm(&x, moving[i]) > 1e-6);
    /* L_Con is that of the raw features */
    const size_t E = gp_model_arch(x.model.m)->embed;
    const gp_var con = gp_nt_xent(x.t, gp_const(x.s.view[0].feat, 3, E), gp_const(x.s.view[1].feat, 3, E), (gp_real)0.1);
    assert_true(fabs((double)con.v[0] - steptest_term(&x, "con")) < 1e-6);
    steptest_free(&z);
    steptest_free(&x);
}

/* Invariant 8 */
static void test_classes_permute(void **state)
{
    enum { K = 5, B = 3 };
    static const uint32_t order[K] = {3, 0, 4, 1, 2};
    steptest x;
    gp_real before[B * K];
    uint32_t label[B];
    gp_prompt permuted[K];
    (void)state;
    steptest_make(&x, &(steptest_config){.method = "gopro", .K = K, .B = B, .M = 2, .random_start = true});
    steptest_run(&x);
    memcpy(before, x.s.logits, sizeof before);
    const double ce = steptest_term(&x, "ce"), sem = steptest_term(&x, "sem_moco"), sem2 = steptest_term(&x, "sem_augmix");
    for (size_t k = 0; k < K; k++) permuted[k] = x.prompt[order[k]];
    for (size_t b = 0; b < B; b++)
        for (uint32_t k = 0; k < K; k++)
            if (order[k] == x.s.label[b]) label[b] = k;
    gp_text_plan_free(&x.plan);
    assert_int_equal(gp_text_plan_create(&x.plan, x.model.m, permuted, K, 2, GP_POS_END, NULL), GOPRO_OK);
    x.s.plan = x.plan;
    x.s.label = label;
    steptest_run(&x);
    for (size_t b = 0; b < B; b++)
        for (size_t k = 0; k < K; k++) assert_true(fabs((double)x.s.logits[b * K + k] - (double)before[b * K + order[k]]) < TOL * 15);
    assert_true(fabs(steptest_term(&x, "ce") - ce) < TOL);
    assert_true(fabs(steptest_term(&x, "sem_moco") - sem) < TOL && fabs(steptest_term(&x, "sem_augmix") - sem2) < TOL);
    assert_true(sem > 1e-3 && fabs(sem - sem2) > 1e-6);
    /* without the last class the others' logits stay */
    gp_text_plan_free(&x.plan);
    assert_int_equal(gp_text_plan_create(&x.plan, x.model.m, x.prompt, K - 1, 2, GP_POS_END, NULL), GOPRO_OK);
    x.s.plan = x.plan;
    x.s.K = K - 1;
    x.s.training = false;
    steptest_run(&x);
    for (size_t b = 0; b < B; b++)
        for (size_t k = 0; k < K - 1; k++) assert_true(fabs((double)x.s.logits[b * (K - 1) + k] - (double)before[b * K + k]) < TOL * 15);
    steptest_free(&x);
}

/* Invariant 9: a sample's logits do not depend on its companions, nor on the views, nor on training. */
static void test_samples_are_independent(void **state)
{
    enum { K = 4, B = 4 };
    static const char *const one_loss[] = {"gopro.lambda_sem1", "0", "gopro.lambda_sem2", "0", "gopro.lambda_con", "0", NULL};
    steptest all, few;
    (void)state;
    steptest_make(&all, &(steptest_config){.method = "gopro", .K = K, .B = B, .M = 2, .random_start = true});
    steptest_make(&few, &(steptest_config){.method = "gopro", .options = one_loss, .K = K, .B = B, .M = 2, .random_start = true});
    steptest_run(&all);
    steptest_run(&few);
    assert_true(distance(all.s.logits, few.s.logits, B * K) < TOL);
    assert_true(isnan(steptest_term(&few, "sem_moco")) && isnan(steptest_term(&few, "con")));
    gp_real alone[K];
    const size_t E = gp_model_arch(few.model.m)->embed, per_stat = 2 * 8;
    few.s.view[1] = few.s.view[2] = (gp_view){0};
    few.s.view[0].feat += 2 * E;
    few.s.view[0].mu += 2 * per_stat;
    few.s.view[0].sigma += 2 * per_stat;
    few.s.B = 1;
    few.s.training = false;
    few.s.label = NULL;
    few.s.logits = alone;
    steptest_run(&few);
    assert_true(distance(all.s.logits + 2 * K, alone, K) < TOL);
    assert_int_equal(few.s.n_terms, 0);
    steptest_free(&all);
    steptest_free(&few);
}

static void copy_param(gp_params *p, const char *to, const char *from)
{
    const gp_var a = gp_param(p, to), b = gp_param(p, from);
    memcpy(a.v, b.v, a.rows * a.cols * sizeof *a.v);
}

static void swap_params(gp_params *p, const char *a, const char *b)
{
    const gp_var x = gp_param(p, a), y = gp_param(p, b);
    for (size_t i = 0; i < x.rows * x.cols; i++) {
        const gp_real keep = x.v[i];
        x.v[i] = y.v[i];
        y.v[i] = keep;
    }
}

/* Invariant 11 */
static void test_equal_views_agree(void **state)
{
    static const char *const part[][3] = {{"rho.f.mix", "rho.mo.mix", "rho.au.mix"},
                                          {"rho.f.encoder.weight", "rho.mo.encoder.weight", "rho.au.encoder.weight"},
                                          {"rho.f.encoder.bias", "rho.mo.encoder.bias", "rho.au.encoder.bias"},
                                          {"rho.f.decoder.weight", "rho.mo.decoder.weight", "rho.au.decoder.weight"}};
    steptest x;
    (void)state;
    steptest_make(&x, &(steptest_config){.method = "gopro", .K = 4, .B = 3, .M = 2, .random_start = true});
    steptest_run(&x);
    const double sem1 = steptest_term(&x, "sem_moco"), sem2 = steptest_term(&x, "sem_augmix"), loss = x.s.loss;
    const gp_view keep[] = {x.s.view[1], x.s.view[2]};
    /* symmetric in swapping (x1, rho_mo) with (x2, rho_au) */
    x.s.view[1].mu = keep[1].mu;
    x.s.view[1].sigma = keep[1].sigma;
    x.s.view[2].mu = keep[0].mu;
    x.s.view[2].sigma = keep[0].sigma;
    for (size_t i = 0; i < GP_COUNT(part); i++) swap_params(x.p, part[i][1], part[i][2]);
    steptest_run(&x);
    assert_true(fabs(steptest_term(&x, "sem_moco") - sem2) < TOL && fabs(steptest_term(&x, "sem_augmix") - sem1) < TOL);
    assert_true(fabs(x.s.loss - loss) < TOL * loss);
    for (size_t i = 0; i < GP_COUNT(part); i++)
        for (size_t b = 1; b < 3; b++) copy_param(x.p, part[i][b], part[i][0]);
    x.s.view[1] = x.s.view[2] = x.s.view[0];
    steptest_run(&x);
    assert_true(steptest_term(&x, "sem_moco") < 1e-5 && steptest_term(&x, "sem_augmix") < 1e-5);
    steptest_free(&x);
}

/* The same step with its images cut by hand. */
static void run_cut(steptest *x, size_t micro)
{
    gp_params_zero_grad(x->p);
    x->s.n_terms = 0;
    const gp_tape_mark start = gp_tape_mark_get(x->t);
    x->method->shared(x->t, &x->s);
    for (size_t first = 0; first < x->B; first += micro) {
        const gp_tape_mark m = gp_tape_mark_get(x->t);
        x->method->images(x->t, &x->s, first, gp_min_size(micro, x->B - first));
        gp_tape_backward(x->t, m);
        gp_tape_pop(x->t, m);
    }
    x->method->batch(x->t, &x->s);
    gp_tape_backward(x->t, start);
    gp_tape_pop(x->t, start);
    assert_false(gp_tape_failed(x->t));
}

static void test_micro_steps_equal_one_step(void **state)
{
    steptest x;
    (void)state;
    steptest_make(&x, &(steptest_config){.method = "gopro", .K = 5, .B = 5, .M = 3, .random_start = true});
    const size_t n = gp_params_info(x.p, gp_params_count(x.p) - 1)->offset;
    gp_real *whole = gp_arena_alloc(x.a, n, sizeof *whole);
    const gp_real *g = gp_param_at(x.p, 0).g;
    steptest_run(&x);
    memcpy(whole, g, n * sizeof *whole);
    const double ce = steptest_term(&x, "ce"), sem = steptest_term(&x, "sem_moco");
    for (size_t micro = 1; micro <= 5; micro++) {
        run_cut(&x, micro);
        assert_true(distance(whole, g, n) < TOL);
        assert_true(fabs(steptest_term(&x, "ce") - ce) < TOL && fabs(steptest_term(&x, "sem_moco") - sem) < TOL);
    }
    steptest_free(&x);
}

static void test_micro_step_size(void **state)
{
    steptest x;
    (void)state;
    steptest_make(&x, &(steptest_config){.method = "gopro", .K = 300, .B = 4, .M = 2});
    const size_t rows = gp_text_plan_rows(x.plan);
    const size_t n = gp_step_micro(x.method, &x.s);
    assert_true(n >= 1 && n < 4 && n * rows <= 2048);
    x.s.B = 1;
    assert_int_equal(gp_step_micro(x.method, &x.s), 1);
    x.s.B = 1000;
    assert_int_equal(gp_step_micro(&gp_method_zeroshot, &x.s), 1000);
    steptest_free(&x);
}

/* Bit for bit the same with any number of threads, over several SGD steps; the frozen weights stay (invariant 15). */
static void test_threads_do_not_matter(void **state)
{
    gp_real *first = NULL;
    size_t n = 0;
    (void)state;
    for (size_t threads = 1; threads <= 4; threads *= 2) {
        steptest x;
        steptest_make(&x, &(steptest_config){.method = "gopro", .K = 90, .B = 4, .M = 3, .threads = threads});
        const gp_clip_weights *w = gp_model_weights(x.model.m);
        const gp_real tok = w->t_tok[7], qkv = w->t_block[1].qkv.w[5], proj = w->v_proj[3];
        for (size_t i = 0; i < 4; i++) {
            steptest_run(&x);
            gp_sgd_step(x.p, &(gp_sgd){.momentum = 0.9, .weight_decay = 5e-4}, 0.01);
        }
        assert_true(tok == w->t_tok[7] && qkv == w->t_block[1].qkv.w[5] && proj == w->v_proj[3]);
        const gp_real *v = gp_params_values(x.p, &n);
        if (first) assert_memory_equal(first, v, n * sizeof *v);
        if (!first) {
            first = malloc(n * sizeof *first);
            assert_non_null(first);
            memcpy(first, v, n * sizeof *first);
        }
        steptest_free(&x);
    }
    free(first);
}

static void test_training_lowers_the_loss(void **state)
{
    steptest x;
    (void)state;
    steptest_make(&x, &(steptest_config){.method = "gopro", .K = 4, .B = 4, .M = 2});
    const double before = steptest_run(&x);
    for (size_t i = 0; i < 30; i++) {
        gp_sgd_step(x.p, &(gp_sgd){.momentum = 0.9, .weight_decay = 5e-4}, 0.002);
        steptest_run(&x);
    }
    assert_true(x.s.loss < 0.95 * before);
    steptest_free(&x);
}

static void test_unreached_parameters(void **state)
{
    static const char *const options[] = {"gopro.lambda_sem1", "0", "gopro.lambda_con", "0", NULL};
    static const char *const con_only[] = {"gopro.lambda_ce", "0", "gopro.lambda_sem1", "0", "gopro.lambda_sem2", "0", NULL};
    steptest x;
    gp_view_kind kind[GP_MAX_VIEWS];
    (void)state;
    steptest_make(&x, &(steptest_config){.method = "gopro", .options = options, .K = 4, .B = 3, .M = 2});
    steptest_run(&x);
    assert_false(*gp_param(x.p, "rho.mo.mix").reached);
    assert_true(*gp_param(x.p, "rho.au.mix").reached);
    x.method->views(&x.setup, kind);
    assert_int_equal(kind[1], GP_VIEW_NONE);
    assert_int_equal(kind[2], GP_VIEW_AUGMIX);
    steptest_free(&x);
    for (int logits = 0; logits < 2; logits++) {
        steptest_make(&x, &(steptest_config){.method = "gopro", .options = con_only, .K = 4, .B = 3, .M = 2});
        if (!logits) x.s.logits = NULL;
        steptest_run(&x);
        for (size_t i = 0; i < gp_params_count(x.p); i++) {
            const gp_param_info *info = gp_params_info(x.p, i);
            if (!info->state) assert_true(*gp_param_at(x.p, i).reached == (strncmp(info->name, "projector", 9) == 0));
        }
        steptest_free(&x);
    }
}

static void test_semantic_loss_alone_needs_only_the_true_class(void **state)
{
    static const char *const options[] = {"gopro.lambda_ce", "0", NULL};
    steptest x;
    (void)state;
    steptest_make(&x, &(steptest_config){.method = "gopro", .options = options, .K = 6, .B = 3, .M = 2, .random_start = true});
    const double all = steptest_run(&x), g_all = gradient_norm(&x, "rho.f.decoder.weight");
    const uint64_t macs = gp_gemm_macs(x.model.c);
    x.s.logits = NULL;
    const double few = steptest_run(&x), g_few = gradient_norm(&x, "rho.f.decoder.weight");
    const uint64_t macs_few = gp_gemm_macs(x.model.c) - macs;
    assert_true(fabs(all - few) < TOL * all && fabs(g_all - g_few) < TOL * g_all);
    steptest_run(&x);
    assert_true(macs_few > 0 && macs_few < macs);
    steptest_free(&x);
}

static void test_not_finite_is_reported(void **state)
{
    steptest x;
    gopro_error e = {0};
    (void)state;
    steptest_make(&x, &(steptest_config){.method = "gopro", .K = 4, .B = 3, .M = 2});
    gp_param(x.p, "ctx").v[0] = (gp_real)NAN;
    gp_params_zero_grad(x.p);
    assert_int_equal(gp_step_run(x.method, x.t, &x.s, &e), GOPRO_E_NUMERIC);
    assert_non_null(strstr(e.msg, "'ce'"));
    x.s.training = false;
    assert_int_equal(gp_step_run(x.method, x.t, &x.s, &e), GOPRO_E_NUMERIC);
    assert_non_null(strstr(e.msg, "logits"));
    steptest_free(&x);
}

static bool always(void *user)
{
    (void)user;
    return true;
}

static void test_cancel(void **state)
{
    steptest x;
    gopro_error e = {0};
    const gp_log log = {.cancelled = always};
    (void)state;
    steptest_make(&x, &(steptest_config){.method = "gopro", .K = 4, .B = 3, .M = 2});
    x.s.log = &log;
    assert_int_equal(gp_step_run(x.method, x.t, &x.s, &e), GOPRO_E_CANCELLED);
    steptest_free(&x);
}

typedef struct countdown {
    size_t left;
} countdown;

static bool after_some(void *user)
{
    countdown *c = user;
    return c->left == 0 || c->left-- == 0;
}

static void sgd(steptest *x)
{
    const gp_sgd o = {.momentum = 0.9};
    steptest_run(x);
    gp_sgd_step(x->p, &o, 0.01);
}

/* Running statistics are written before the first image and asked for again by a resumed run: a step that was not taken must not move them.
 */
static void test_a_cancelled_step_leaves_no_trace(void **state)
{
    static const char *const bn[] = {"gopro.pv", "linear_bn", NULL}, *const small[] = {"slip.mlp_dim", "8", NULL};
    static const struct {
        const char *method, *const *options;
    } with[] = {{"gopro", bn}, {"gopro_release", NULL}, {"slip", small}};
    size_t in_the_middle = 0;
    (void)state;
    for (size_t i = 0; i < 2 * GP_COUNT(with); i++) {
        steptest x, y;
        gopro_error e = {0};
        countdown c = {.left = i % 2};
        const gp_log log = {.cancelled = after_some, .user = &c};
        const steptest_config config = {
            .method = with[i / 2].method, .options = with[i / 2].options, .K = 120, .B = 8, .M = 2, .random_start = true};
        steptest_make(&x, &config);
        steptest_make(&y, &config);
        x.s.log = &log;
        size_t n;
        const gp_real *a = gp_params_values(x.p, &n), *b = gp_params_values(y.p, &n);
        const bool several = gp_step_micro(x.method, &x.s) < x.B;
        in_the_middle += several && i % 2 == 1;
        if (several || i % 2 == 0) {
            assert_int_equal(gp_step_run(x.method, x.t, &x.s, &e), GOPRO_E_CANCELLED);
            assert_memory_equal(a, b, n * sizeof *a);
        }
        x.s.log = NULL;
        gp_tape_free(&x.t); /* what failed stays failed */
        assert_int_equal(gp_tape_create(&x.t, x.model.c, NULL), GOPRO_OK);
        sgd(&x);
        sgd(&y);
        assert_memory_equal(a, b, n * sizeof *a); /* as if it had never been tried */
        steptest_free(&x);
        steptest_free(&y);
    }
    assert_true(in_the_middle > 0);
}

static void test_batchnorm_projector_needs_a_batch(void **state)
{
    static const char *const options[] = {"gopro.pv", "linear_bn", NULL};
    steptest x;
    gopro_error e = {0};
    (void)state;
    steptest_make(&x, &(steptest_config){.method = "gopro", .options = options, .K = 4, .B = 1, .M = 2});
    assert_int_equal(gp_step_run(x.method, x.t, &x.s, &e), GOPRO_E_INVALID);
    assert_int_equal(gp_options_set(x.opt, "optim.batch", "1", "test", &e), GOPRO_OK);
    gp_params *p = gp_params_create();
    assert_int_equal(x.method->declare(p, &x.setup, &e), GOPRO_E_INVALID);
    gp_params_free(&p);
    steptest_free(&x);
}

static void test_class_features(void **state)
{
    steptest z;
    (void)state;
    steptest_make(&z, &(steptest_config){.method = "zeroshot", .K = 5, .B = 3, .M = 0});
    const size_t E = gp_model_arch(z.model.m)->embed;
    gp_real one[5 * 16], two[5 * 16], logits[15];
    const gp_text_plan *plan[] = {z.plan, z.plan};
    steptest_run(&z);
    memcpy(logits, z.s.logits, sizeof logits);
    assert_int_equal(gp_class_features(z.model.m, plan, 1, one, NULL), GOPRO_OK);
    assert_int_equal(gp_class_features(z.model.m, plan, 2, two, NULL), GOPRO_OK); /* the same template twice changes nothing */
    assert_true(distance(one, two, 5 * E) < TOL);
    z.s.class_feat = one;
    z.s.plan = NULL;
    steptest_run(&z);
    assert_true(distance(logits, z.s.logits, 15) < TOL);
    steptest_free(&z);
}

static void test_diagnostics(void **state)
{
    steptest x;
    (void)state;
    steptest_make(&x, &(steptest_config){.method = "gopro", .K = 4, .B = 3, .M = 2, .random_start = true});
    x.s.ctx_shift = gp_arena_alloc(x.a, 3 * 2 * 32, sizeof(gp_real));
    steptest_run(&x);
    for (size_t b = 1; b < 3; b++) assert_true(distance(x.s.ctx_shift, x.s.ctx_shift + b * 2 * 32, 2 * 32) > 1e-3); /* of each image */
    gp_real out[3 * 16];
    x.s.training = false;
    x.method->embed(x.t, &x.s, out);
    const size_t E = gp_model_arch(x.model.m)->embed;
    assert_true(fabs(x.model.c->k->dot(out, out, E) - 1) < 1e-5);
    steptest_free(&x);
}

/* Invariant 20: ViT-B/16, M = 4 */
static void test_parameter_counts(void **state)
{
    static const struct {
        size_t M, total;
        bool bias;
    } count[] = {{4, 9814256, true}, {8, 9816448, true}, {16, 9820832, true}, {4, 9814256 - 3 * 512, false}};
    const gp_frg_config frg = {.L = 12, .Dv = 768, .Dt = 512};
    (void)state;
    for (size_t i = 0; i < GP_COUNT(count); i++) {
        static const char *const rho[] = {"rho.f", "rho.mo", "rho.au"};
        gp_params *p = gp_params_create();
        assert_int_equal(gp_context_declare(p, count[i].M, 512, NULL, NULL), GOPRO_OK);
        assert_int_equal(gp_frg_declare(p, &frg, NULL), GOPRO_OK);
        for (size_t b = 0; b < 3; b++) assert_int_equal(gp_meta_net_declare(p, rho[b], count[i].M, 12, 512, count[i].bias, NULL), GOPRO_OK);
        assert_int_equal(gp_projector_declare(p, GP_PV_RESIDUAL, 512, NULL), GOPRO_OK);
        assert_int_equal(gp_params_total(p), count[i].total);
        gp_params_free(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_is_zero_shot),
        cmocka_unit_test(test_classes_permute),
        cmocka_unit_test(test_samples_are_independent),
        cmocka_unit_test(test_equal_views_agree),
        cmocka_unit_test(test_micro_steps_equal_one_step),
        cmocka_unit_test(test_micro_step_size),
        cmocka_unit_test(test_threads_do_not_matter),
        cmocka_unit_test(test_training_lowers_the_loss),
        cmocka_unit_test(test_unreached_parameters),
        cmocka_unit_test(test_semantic_loss_alone_needs_only_the_true_class),
        cmocka_unit_test(test_not_finite_is_reported),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_a_cancelled_step_leaves_no_trace),
        cmocka_unit_test(test_batchnorm_projector_needs_a_batch),
        cmocka_unit_test(test_class_features),
        cmocka_unit_test(test_diagnostics),
        cmocka_unit_test(test_parameter_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

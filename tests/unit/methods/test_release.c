/* test_release.c - what the released variant of GOPro computes and how each of its defects is kept or repaired (METHODS 3.8, 6.9, 6.13,
 * 6.14).
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "steptest.h"

#define TOL 2e-5
enum { E_ = 10, T_ = 32 }; /* embedding and text width of the tests' model */

static double distance(const gp_real *a, const gp_real *b, size_t n)
{
    double top = 0, off = 0;
    for (size_t i = 0; i < n; i++) {
        top = fmax(top, fabs((double)a[i]));
        off = fmax(off, fabs((double)a[i] - (double)b[i]));
    }
    return off / fmax(top, 1e-30);
}

static double gradient_norm(steptest *x, const char *name)
{
    const gp_var w = gp_param(x->p, name);
    double sum = 0;
    for (size_t i = 0; i < w.rows * w.cols; i++) sum += (double)w.g[i] * (double)w.g[i];
    return sqrt(sum);
}

static void make(steptest *x, const char *const *options, size_t K, size_t B, size_t M)
{
    steptest_make(x, &(steptest_config){.method = "gopro_release", .options = options, .K = K, .B = B, .M = M, .random_start = true});
    assert_int_equal(gp_model_arch(x->model.m)->t.width, T_);
    assert_int_equal(gp_model_arch(x->model.m)->embed, E_);
    const gp_var mean = gp_param(x->p, "batchnorm.running_mean"), var = gp_param(x->p, "batchnorm.running_var");
    for (size_t j = 0; j < E_; j++) mean.v[j] = 0, var.v[j] = 1; /* at random a variance could be negative */
}

/* Adds to every number of a tensor. */
static void disturb(steptest *x, const char *name)
{
    const gp_var w = gp_param(x->p, name);
    gp_rng r = gp_rng_make(77, GP_RNG_TEST, 0, 0);
    for (size_t i = 0; i < w.rows * w.cols; i++) w.v[i] += (gp_real)gp_rng_normal(&r);
}

/* R1: without the projector in the logits nothing about it changes a prediction and L_Con reaches it alone; with it, it does. */
static void test_projector_in_the_logits(void **state)
{
    enum { K = 4, B = 3 };
    static const char *const off[] = {"gopro_release.pv_in_ce",
                                      "0",
                                      "gopro_release.lambda_ce",
                                      "0",
                                      "gopro_release.lambda_sem1",
                                      "0",
                                      "gopro_release.lambda_sem2",
                                      "0",
                                      NULL};
    static const char *const on[] = {"gopro_release.pv_in_ce", "1", NULL};
    gp_real before[K * B];
    (void)state;
    for (int in = 0; in < 2; in++)
        for (int training = 0; training < 2; training++) {
            steptest x;
            make(&x, in ? on : off, K, B, 2);
            x.s.training = training;
            steptest_run(&x);
            memcpy(before, x.s.logits, sizeof before);
            assert_true(!training || gradient_norm(&x, "simproj.linear.weight") > 1e-6);
            for (size_t i = 0; training && i < gp_params_count(x.p); i++) {
                const char *name = gp_params_info(x.p, i)->name;
                const gp_var w = gp_param_at(x.p, i);
                if (!in && w.g && strncmp(name, "simproj.", 8) != 0) assert_false(*w.reached);
            }
            disturb(&x, "simproj.linear.weight");
            disturb(&x, "simproj.batchnorm.bias");
            steptest_run(&x);
            assert_true((distance(before, x.s.logits, K * B) > 1e-3) == in);
            if (!in) assert_memory_equal(before, x.s.logits, sizeof before);
            steptest_free(&x);
        }
}

/* R2 */
static void test_frozen_projector(void **state)
{
    static const char *const q[] = {"simproj.linear.weight", "simproj.linear.bias", "simproj.batchnorm.weight", "simproj.batchnorm.bias"};
    static const char *const frozen[] = {"gopro_release.train_q", "0", NULL}, *const trained[] = {"gopro_release.train_q", "1", NULL};
    double con[2];
    (void)state;
    for (int train = 0; train < 2; train++) {
        steptest x;
        make(&x, train ? trained : frozen, 4, 3, 2);
        steptest_run(&x);
        con[train] = steptest_term(&x, "con");
        for (size_t i = 0; i < GP_COUNT(q); i++) assert_int_equal(*gp_param(x.p, q[i]).reached, train);
        assert_true(*gp_param(x.p, "ctx").reached);
        steptest_free(&x);
    }
    assert_true(con[0] > 0 && con[0] == con[1]); /* computed in both cases */
}

typedef struct seen {
    gp_real shift[3][8 * T_], text[3][8 * 8 * E_], q[2][8 * E_];
    size_t n_text[3];
} seen;

static void see(void *to, const char *name, const gp_real *v, size_t rows, size_t cols)
{
    static const char *const view[] = {"image", "view_moco", "view_augmix"};
    seen *s = to;
    for (size_t b = 0; b < 3; b++) {
        char full[64];
        snprintf(full, sizeof full, "%s.ctx_shift", view[b]);
        if (strcmp(name, full) == 0) memcpy(s->shift[b], v, rows * cols * sizeof *v);
        snprintf(full, sizeof full, "simproj.%s", view[b]);
        if (strcmp(name, full) == 0) memcpy(s->q[b], v, rows * cols * sizeof *v);
        snprintf(full, sizeof full, "%s.text_features", view[b]);
        if (strcmp(name, full) != 0) continue;
        memcpy(s->text[b] + s->n_text[b], v, rows * cols * sizeof *v);
        s->n_text[b] += rows * cols;
    }
}

/* R3, METHODS 6.13: one shift for all tokens of an image and one rho for all views; the other variant's tokens differ. */
static void test_one_shift_for_all_tokens(void **state)
{
    enum { B = 3, M = 4 };
    (void)state;
    for (int paper = 0; paper < 2; paper++) {
        steptest x;
        gp_real shift[B * M * T_];
        steptest_make(&x, &(steptest_config){.method = paper ? "gopro" : "gopro_release", .K = 3, .B = B, .M = M, .random_start = true});
        x.s.ctx_shift = shift;
        steptest_run(&x);
        for (size_t b = 0; b < B; b++)
            for (size_t m = 1; m < M; m++) {
                const gp_real *one = shift + b * M * T_, *other = one + m * T_;
                assert_true((memcmp(one, other, T_ * sizeof *one) == 0) != paper);
            }
        assert_true(distance(shift, shift + M * T_, T_) > 1e-3); /* images differ */
        if (!paper) {
            /* the same image as every view: the same shift, no semantic loss, at any parameters */
            seen s = {0};
            x.s.view[1] = x.s.view[2] = x.s.view[0];
            x.s.show = see;
            x.s.show_to = &s;
            steptest_run(&x);
            assert_true(distance(s.shift[0], s.shift[1], B * T_) < TOL && distance(s.shift[0], s.shift[2], B * T_) < TOL);
            assert_true(steptest_term(&x, "sem_moco") < 1e-9 && steptest_term(&x, "sem_augmix") < 1e-9);
        }
        steptest_free(&x);
    }
}

/* R4: the mean square over all classes, or the distance of the true class; R5: the weights. */
static void test_semantic_loss(void **state)
{
    enum { K = 5, B = 3 };
    static const char *const all[] = {"gopro_release.sem", "mse_all", NULL}, *const label[] = {"gopro_release.sem", "l2_label", NULL};
    steptest x, y;
    static seen s;
    double square[2] = {0}, dist[2] = {0};
    (void)state;
    make(&x, all, K, B, 2);
    memset(&s, 0, sizeof s);
    x.s.show = see;
    x.s.show_to = &s;
    steptest_run(&x);
    for (size_t v = 0; v < 2; v++)
        for (size_t i = 0; i < B * K; i++) {
            double a2 = 0, b2 = 0, d2 = 0;
            const gp_real *a = s.text[0] + i * E_, *b = s.text[1 + v] + i * E_;
            for (size_t j = 0; j < E_; j++) a2 += (double)a[j] * (double)a[j], b2 += (double)b[j] * (double)b[j];
            for (size_t j = 0; j < E_; j++) {
                const double d = (double)a[j] / sqrt(a2) - (double)b[j] / sqrt(b2);
                d2 += d * d;
            }
            square[v] += d2 / (B * K * E_);
            if (i % K == x.s.label[i / K]) dist[v] += sqrt(d2) / B;
        }
    assert_int_equal(s.n_text[2], B * K * E_);
    assert_true(square[0] > 1e-5 && fabs(steptest_term(&x, "sem_moco") - square[0]) < 1e-5 * square[0] + 1e-9);
    assert_true(fabs(steptest_term(&x, "sem_augmix") - square[1]) < 1e-5 * square[1] + 1e-9);
    for (size_t i = 0; i < x.s.n_terms; i++) assert_true(x.s.term[i].weight == (strcmp(x.s.term[i].name, "con") == 0 ? 0.1 : 1.0));
    make(&y, label, K, B, 2);
    steptest_run(&y);
    assert_true(fabs(steptest_term(&y, "sem_moco") - dist[0]) < TOL && fabs(steptest_term(&y, "sem_augmix") - dist[1]) < TOL);
    assert_true(fabs(steptest_term(&y, "ce") - steptest_term(&x, "ce")) < TOL);
    steptest_free(&x);
    steptest_free(&y);
}

/* R6, R7, R8: how the views are made; test_views.c and test_loader.c show what each of these does. */
static void test_view_options(void **state)
{
    static const char *const source[] = {"image", "crop", "wrapped"};
    gp_options *o = gp_options_create();
    gp_view_config v = {.moco_recipe = 2, .augmix_severity = 5};
    (void)state;
    gp_method_gopro_release.view_config(o, &v);
    assert_true(v.source == GP_VIEW_OF_WRAPPED && v.moco_imagenet && v.augmix_first && v.augmix_own_crop && v.augmix_bilinear);
    assert_true(v.moco_recipe == 1 && v.augmix_severity == 1);
    for (int i = GP_VIEW_OF_IMAGE; i <= GP_VIEW_OF_WRAPPED; i++) {
        assert_int_equal(gp_options_set(o, "gopro_release.views", source[i], "test", NULL), GOPRO_OK);
        gp_method_gopro_release.view_config(o, &v);
        assert_int_equal(v.source, i);
    }
    assert_int_equal(gp_options_set(o, "gopro_release.moco_norm", "clip", "test", NULL), GOPRO_OK);
    assert_int_equal(gp_options_set(o, "gopro_release.augmix_index", "own", "test", NULL), GOPRO_OK);
    gp_method_gopro_release.view_config(o, &v);
    assert_false(v.moco_imagenet || v.augmix_first);
    gp_options_free(&o);
}

/* R9, R15: the tensors for any geometry; at ViT-B/16 they are 9,715,213 numbers, 33,312 fewer than the released code registers. */
static void test_parameters(void **state)
{
    steptest x;
    (void)state;
    for (size_t M = 1; M <= 7; M += 3) {
        make(&x, NULL, 3, 2, M);
        const gp_clip_arch *a = gp_model_arch(x.model.m);
        const size_t Dt = a->t.width, Dv = a->v.width, L = a->v.layers, E = a->embed;
        assert_int_equal(gp_params_total(x.p), M * Dt + 2 * L * (Dv + 1) * Dt + L + 1 + (E + 1) * E + 2 * E);
        for (size_t i = 0; i < gp_params_count(x.p); i++) assert_null(strstr(gp_params_info(x.p, i)->name, "meta_net"));
        assert_true(gp_params_info(x.p, gp_params_count(x.p) - 1)->state);
        steptest_free(&x);
    }
    assert_int_equal(4 * 512 + 2 * 12 * 769 * 512 + 13 + 513 * 512 + 2 * 512, 9715213);
    assert_int_equal(9715213 + (512 * 32 + 32) + (32 * 512 + 512), 9748525); /* with its unused meta-net */
}

/* R11, METHODS 6.9: a test needs the image alone, and a sample's logits depend on neither companions nor views. */
static void test_samples_are_independent(void **state)
{
    enum { K = 4, B = 4 };
    static const char *const ce[] = {
        "gopro_release.lambda_sem1", "0", "gopro_release.lambda_sem2", "0", "gopro_release.lambda_con", "0", NULL};
    steptest all, few;
    gp_real alone[K];
    gp_view_kind kind[GP_MAX_VIEWS];
    (void)state;
    make(&all, NULL, K, B, 2);
    make(&few, ce, K, B, 2);
    all.method->views(&all.setup, kind);
    assert_true(kind[0] == GP_VIEW_CROP && kind[1] == GP_VIEW_MOCO && kind[2] == GP_VIEW_AUGMIX);
    few.method->views(&few.setup, kind);
    assert_true(kind[0] == GP_VIEW_CROP && kind[1] == GP_VIEW_NONE && kind[2] == GP_VIEW_NONE);
    steptest_run(&all);
    few.s.view[1] = few.s.view[2] = (gp_view){0};
    const gp_real mean = gp_param(few.p, "batchnorm.running_mean").v[0];
    steptest_run(&few);
    assert_true(gp_param(few.p, "batchnorm.running_mean").v[0] == mean); /* a projector that no loss reads is not run */
    assert_true(distance(all.s.logits, few.s.logits, B * K) < TOL);
    assert_int_equal(few.s.n_terms, 1);
    few.s.view[0].feat += 2 * E_;
    few.s.view[0].mu += 2 * 2 * 8;
    few.s.view[0].sigma += 2 * 2 * 8;
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

/* METHODS 6.14: two views are two updates of the running statistics; training and evaluation differ until they have settled. */
static void test_running_statistics(void **state)
{
    enum { B = 3 };
    static const char *const both[] = {"gopro_release.pv_in_ce", "1", NULL};
    static const char *const one[] = {"gopro_release.pv_in_ce", "1", "gopro_release.lambda_con", "0", NULL};
    static seen s;
    (void)state;
    for (int views = 1; views <= 2; views++) {
        steptest x;
        make(&x, views == 1 ? one : both, 3, B, 1);
        const gp_var mean = gp_param(x.p, "batchnorm.running_mean"), var = gp_param(x.p, "batchnorm.running_var");
        steptest_run(&x);
        const gp_var w = gp_param(x.p, "simproj.linear.weight"), b = gp_param(x.p, "simproj.linear.bias");
        for (size_t j = 0; j < E_; j++) {
            double m = 0, v = 1;
            for (int k = 0; k < views; k++) {
                double y[B], sum = 0, sq = 0;
                for (size_t i = 0; i < B; i++) {
                    y[i] = (double)b.v[j];
                    for (size_t d = 0; d < E_; d++) y[i] += (double)w.v[j * E_ + d] * (double)x.s.view[k].feat[i * E_ + d];
                    sum += y[i] / B;
                }
                for (size_t i = 0; i < B; i++) sq += (y[i] - sum) * (y[i] - sum);
                m = 0.9 * m + 0.1 * sum;
                v = 0.9 * v + 0.1 * sq / (B - 1);
            }
            assert_true(fabs((double)mean.v[j] - m) < 1e-5 && fabs((double)var.v[j] - v) < 1e-5);
        }
        gp_real early[B * 3], late[B * 3], trained[B * 3];
        memcpy(trained, x.s.logits, sizeof trained);
        x.s.training = false;
        steptest_run(&x);
        memcpy(early, x.s.logits, sizeof early);
        x.s.training = true;
        x.s.view[1] = x.s.view[0];
        for (int i = 0; i < 300; i++) steptest_run(&x);
        x.s.training = false;
        x.s.show = see;
        x.s.show_to = &s;
        steptest_run(&x);
        memcpy(late, x.s.logits, sizeof late);
        assert_true(distance(trained, early, B * 3) > 1e-3);
        assert_true(distance(trained, late, B * 3) < 0.5 * distance(trained, early, B * 3)); /* but for the unbiased variance */
        steptest_free(&x);
    }
}

/* R18, and what the contradictions say. */
static void test_losses_can_be_switched_off(void **state)
{
    static const char *const lambda[] = {"gopro_release.lambda_ce", "gopro_release.lambda_sem1", "gopro_release.lambda_sem2",
                                         "gopro_release.lambda_con"};
    static const char *const term[] = {"ce", "sem_moco", "sem_augmix", "con"};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        const char *const off[] = {lambda[i], "0", NULL}, *const more[] = {lambda[i], "2.5", NULL};
        steptest x, y;
        make(&x, off, 3, 2, 1);
        make(&y, more, 3, 2, 1);
        steptest_run(&x);
        steptest_run(&y);
        for (size_t k = 0; k < 4; k++) assert_int_equal(isnan(steptest_term(&x, term[k])) != 0, k == i);
        const double v = steptest_term(&y, term[i]);
        assert_true(fabs(y.s.loss - x.s.loss - 2.5 * v) < 1e-4 * fabs(y.s.loss) + 1e-6);
        steptest_free(&x);
        steptest_free(&y);
    }
    steptest x;
    gopro_error e = {0};
    make(&x, NULL, 3, 2, 1);
    assert_int_equal(gp_options_set(x.opt, "optim.batch", "1", "test", NULL), GOPRO_OK);
    gp_params *p = gp_params_create();
    assert_int_equal(x.method->declare(p, &x.setup, &e), GOPRO_E_INVALID);
    assert_non_null(strstr(e.msg, "optim.batch"));
    gp_params_free(&p);
    assert_int_equal(gp_options_set(x.opt, "gopro_release.lambda_con", "0", "test", NULL), GOPRO_OK);
    p = gp_params_create();
    assert_int_equal(x.method->declare(p, &x.setup, &e), GOPRO_OK);
    gp_params_free(&p);
    steptest_free(&x);
}

static void test_micro_step_size(void **state)
{
    static const char *const label[] = {"gopro_release.sem", "l2_label", NULL};
    steptest x, y;
    (void)state;
    make(&x, NULL, 100, 6, 2);
    make(&y, label, 100, 6, 2);
    steptest_run(&x);
    steptest_run(&y);
    assert_int_equal(x.s.full_branches, 3);
    assert_int_equal(y.s.full_branches, 1);
    const size_t n = gp_step_micro(x.method, &x.s);
    assert_true(n >= 1 && n < gp_step_micro(y.method, &y.s) && 3 * n * gp_text_plan_rows(x.plan) <= 2048);
    steptest_free(&x);
    steptest_free(&y);
}

/* What a figure shows is what the logits read. */
static void test_embedding(void **state)
{
    static const char *const on[] = {"gopro_release.pv_in_ce", "1", NULL};
    (void)state;
    for (int in = 0; in < 2; in++) {
        steptest x;
        gp_real out[3 * E_];
        make(&x, in ? on : NULL, 3, 3, 1);
        x.s.training = false;
        x.method->embed(x.t, &x.s, out);
        assert_true((distance(x.s.view[0].feat, out, 3 * E_) > 1e-3) == in);
        assert_true(fabs(x.model.c->k->dot(out, out, E_) - 1) < 1e-5);
        steptest_free(&x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_projector_in_the_logits),
        cmocka_unit_test(test_frozen_projector),
        cmocka_unit_test(test_one_shift_for_all_tokens),
        cmocka_unit_test(test_semantic_loss),
        cmocka_unit_test(test_view_options),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_samples_are_independent),
        cmocka_unit_test(test_running_statistics),
        cmocka_unit_test(test_losses_can_be_switched_off),
        cmocka_unit_test(test_micro_step_size),
        cmocka_unit_test(test_embedding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

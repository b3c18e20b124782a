/* test_optim.c - goldens of SGD, AdamW and the schedules; the table of parameters (METHODS 5, 6 invariants 15 and 16).
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "optim/adamw.h"
#include "optim/params.h"

static void test_sgd_golden(void **state)
{
    const double g[] = {0.3, 0.6, 0.9, 1.2};
    const size_t one = 1;
    const gp_real start = 1;
    gp_params *p = gp_params_create();
    (void)state;
    assert_int_equal(gp_params_add(p, "p", &one, 1, GP_INIT_COPY, 0, &start, NULL), GOPRO_OK);
    assert_int_equal(gp_params_finish(p, 1, NULL), GOPRO_OK);
    for (size_t i = 0; i < 4; i++) {
        gp_params_zero_grad(p);
        gp_param(p, "p").g[0] = (gp_real)g[i];
        gp_reach(gp_param(p, "p"));
        gp_sgd_step(p, &(gp_sgd){.momentum = 0.9, .weight_decay = 5e-4}, 0.1);
    }
    assert_true(fabs((double)gp_param(p, "p").v[0] - 0.4428070) < 2e-7);
    gp_params_free(&p);
}

static void test_unreached_and_state_are_left_alone(void **state)
{
    const size_t shape[] = {2, 3};
    gp_params *p = gp_params_create();
    (void)state;
    assert_int_equal(gp_params_add(p, "seen", shape, 2, GP_INIT_ONE, 0, NULL, NULL), GOPRO_OK);
    assert_int_equal(gp_params_add(p, "unseen", shape, 2, GP_INIT_ONE, 0, NULL, NULL), GOPRO_OK);
    assert_int_equal(gp_params_add_state(p, "running", shape, 2, (gp_real)0.5, NULL), GOPRO_OK);
    assert_int_equal(gp_params_finish(p, 1, NULL), GOPRO_OK);
    assert_int_equal(gp_params_count(p), 3);
    assert_int_equal(gp_params_total(p), 12);
    assert_null(gp_param(p, "running").g);
    gp_params_zero_grad(p);
    gp_reach(gp_param(p, "seen")); /* reached by a zero gradient: decayed all the same */
    gp_sgd_step(p, &(gp_sgd){.momentum = 0.9, .weight_decay = 0.5}, 0.1);
    for (size_t i = 0; i < 6; i++) {
        assert_true(fabs((double)gp_param(p, "seen").v[i] - 0.95) < 1e-6);
        assert_true(gp_param(p, "unseen").v[i] == 1);
        assert_true(gp_param(p, "running").v[i] == (gp_real)0.5);
    }
    assert_true(*gp_params_state(p, 0).stepped);
    assert_false(*gp_params_state(p, 1).stepped);
    assert_false(*gp_params_state(p, 2).stepped);
    gp_params_free(&p);
}

static void test_starts_do_not_depend_on_the_order(void **state)
{
    gp_params *p[3];
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        p[i] = gp_params_create();
        if (i == 1) assert_int_equal(gp_params_add_linear(p[i], "other", 7, 5, false, true, NULL), GOPRO_OK);
        assert_int_equal(gp_params_add_linear(p[i], "a", 3, 4, false, true, NULL), GOPRO_OK);
        assert_int_equal(gp_params_finish(p[i], i == 2 ? 2 : 1, NULL), GOPRO_OK);
    }
    const gp_var a = gp_param(p[0], "a.weight"), b = gp_param(p[1], "a.weight"), c = gp_param(p[2], "a.weight");
    assert_int_equal(a.rows, 3);
    assert_int_equal(a.cols, 4);
    assert_int_equal(gp_param(p[0], "a.bias").cols, 3);
    bool differs = false;
    for (size_t i = 0; i < 12; i++) {
        assert_true(a.v[i] == b.v[i]);
        assert_true(fabs((double)a.v[i]) <= 0.5);
        differs = differs || a.v[i] != c.v[i];
    }
    assert_true(differs);
    for (size_t i = 0; i < 3; i++) gp_params_free(&p[i]);
}

/* Copies of one draw, and only they: another tensor, another seed and other kinds of start are not touched. */
static void test_starts_like_another(void **state)
{
    const size_t n = 9;
    gp_params *p = gp_params_create();
    (void)state;
    assert_int_equal(gp_params_add_linear(p, "a", 3, 4, false, true, NULL), GOPRO_OK);
    assert_int_equal(gp_params_add_linear(p, "b", 3, 4, false, true, NULL), GOPRO_OK);
    assert_int_equal(gp_params_add(p, "c", &n, 1, GP_INIT_NORMAL, 1, NULL, NULL), GOPRO_OK);
    assert_int_equal(gp_params_add(p, "d", &n, 1, GP_INIT_NORMAL, 2, NULL, NULL), GOPRO_OK);
    gp_params_start_like(p, "b.weight", "a.weight");
    gp_params_start_like(p, "d", "c");
    assert_int_equal(gp_params_finish(p, 3, NULL), GOPRO_OK);
    assert_memory_equal(gp_param(p, "a.weight").v, gp_param(p, "b.weight").v, 12 * sizeof(gp_real));
    assert_memory_not_equal(gp_param(p, "a.bias").v, gp_param(p, "b.bias").v, 3 * sizeof(gp_real));
    for (size_t i = 0; i < n; i++) assert_true(gp_param(p, "d").v[i] == 2 * gp_param(p, "c").v[i]); /* its own deviation */
    gp_params_free(&p);
}

static void test_table_refuses(void **state)
{
    const size_t shape[] = {2, 0, 3}, huge[] = {SIZE_MAX / 2, 3}, four[] = {1, 1, 1, 1};
    char long_name[200];
    gopro_error e;
    gp_params *p = gp_params_create();
    (void)state;
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    assert_int_equal(gp_params_add(p, "a", shape, 1, GP_INIT_ZERO, 0, NULL, &e), GOPRO_OK);
    assert_int_equal(gp_params_add(p, "a", shape, 1, GP_INIT_ZERO, 0, NULL, &e), GOPRO_E_INVALID);
    assert_non_null(strstr(e.msg, "twice"));
    assert_int_equal(gp_params_add(p, "b", shape, 3, GP_INIT_ZERO, 0, NULL, &e), GOPRO_E_INVALID);
    assert_int_equal(gp_params_add(p, "b", huge, 2, GP_INIT_ZERO, 0, NULL, &e), GOPRO_E_INVALID);
    assert_int_equal(gp_params_add(p, "b", four, 4, GP_INIT_ZERO, 0, NULL, &e), GOPRO_E_INVALID);
    assert_int_equal(gp_params_add(p, long_name, shape, 1, GP_INIT_ZERO, 0, NULL, &e), GOPRO_E_INVALID);
    assert_int_equal(gp_params_count(p), 1);
    gp_params_free(&p);
}

static void test_empty_table(void **state)
{
    gp_params *p = gp_params_create();
    (void)state;
    assert_int_equal(gp_params_finish(p, 1, NULL), GOPRO_OK);
    gp_params_zero_grad(p);
    gp_sgd_step(p, &(gp_sgd){.momentum = 0.9}, 0.1);
    assert_int_equal(gp_params_total(p), 0);
    gp_params_free(&p);
}

static void test_schedule_goldens(void **state)
{
    static const double five[] = {1e-5, 0.0035, 0.00316578, 0.00229078, 0.00120922};
    (void)state;
    for (size_t e = 0; e < 5; e++) assert_true(fabs(gp_lr_cosine_warmup(0.0035, e, 5, 1e-5, 1) - five[e]) < 5e-9);
    assert_true(fabs(gp_lr_cosine_warmup(0.0026, 1, 2, 1e-5, 1) - 0.0026) < 1e-12);
    assert_true(fabs(gp_lr_cosine_warmup(0.002, 49, 50, 1e-5, 1) - 7.8853e-6) < 5e-11);
    assert_true(gp_lr_cosine_warmup(0.002, 0, 50, 1e-5, 0) == 0.002);
}

static void test_pretraining_schedule(void **state)
{
    (void)state;
    assert_true(gp_lr_pretrain(3e-3, 1e-6, 1e-5, 0, 10, 100) == 1e-6);
    assert_true(gp_lr_pretrain(3e-3, 1e-6, 1e-5, 9, 10, 100) == 3e-3);
    assert_true(gp_lr_pretrain(3e-3, 1e-6, 1e-5, 10, 10, 100) == 3e-3); /* the peak occurs twice */
    assert_true(fabs(gp_lr_pretrain(3e-3, 1e-6, 1e-5, 55, 10, 100) - (3e-3 + 1e-5) / 2) < 1e-12);
    assert_true(gp_lr_pretrain(3e-3, 1e-6, 1e-5, 99, 10, 100) > 1e-5);
}

/* The formulas of METHODS 5.4 in double, written out. */
static void test_adamw(void **state)
{
    enum { N = 21 };
    const gp_adamw o = {0.9, 0.98, 1e-8};
    gp_real w[N], g[N], m[N] = {0}, v[N] = {0};
    double W[N], M[N] = {0}, V[N] = {0};
    (void)state;
    for (size_t i = 0; i < N; i++) {
        w[i] = (gp_real)(0.1 * (double)i - 1);
        W[i] = (double)w[i];
    }
    for (uint64_t t = 1; t <= 5; t++) {
        for (size_t i = 0; i < N; i++) g[i] = (gp_real)sin((double)(i + 3 * t));
        gp_adamw_step(w, g, m, v, N, &o, t, 0.01, 0.1);
        for (size_t i = 0; i < N; i++) {
            const double gi = (double)g[i];
            W[i] *= 1 - 0.01 * 0.1;
            M[i] = 0.9 * M[i] + 0.1 * gi;
            V[i] = 0.98 * V[i] + 0.02 * gi * gi;
            W[i] -= 0.01 / (1 - pow(0.9, (double)t)) * M[i] / (sqrt(V[i] / (1 - pow(0.98, (double)t))) + 1e-8);
            assert_true(fabs((double)w[i] - W[i]) < 1e-6);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sgd_golden),
        cmocka_unit_test(test_unreached_and_state_are_left_alone),
        cmocka_unit_test(test_starts_do_not_depend_on_the_order),
        cmocka_unit_test(test_starts_like_another),
        cmocka_unit_test(test_table_refuses),
        cmocka_unit_test(test_empty_table),
        cmocka_unit_test(test_schedule_goldens),
        cmocka_unit_test(test_pretraining_schedule),
        cmocka_unit_test(test_adamw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

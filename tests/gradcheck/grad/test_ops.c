/* test_ops.c - every operation of the tape against central differences, and one wrong operation that must be caught.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gradtest.h"

typedef struct fixture {
    gp_compute *c;
    gp_arena *a;
    gp_rng r;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    assert_int_equal(gp_compute_create(&f->c, 1, "ref", NULL), GOPRO_OK);
    f->a = gp_arena_create(1 << 16);
    f->r = gp_rng_make(1, GP_RNG_TEST, 0, 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    gp_compute_free(&f->c);
    gp_arena_free(&f->a);
    free(f);
    return 0;
}

static void check(fixture *f, gt_fn *fn, const gp_var *in, size_t n)
{
    const double e = gt_error(f->c, fn, NULL, in, n);
    if (!(e < GT_TOL)) fail_msg("relative error %g", e);
    for (size_t i = 0; i < n; i++) assert_true(!in[i].g || *in[i].reached);
    /* with any one input constant the others' gradients stay right: nothing is written through a missing gradient */
    for (size_t i = 0; n > 1 && i < n; i++) {
        gp_var some[8];
        for (size_t j = 0; j < n; j++) some[j] = in[j];
        some[i] = gp_detach(in[i]);
        assert_true(gt_error(f->c, fn, NULL, some, n) < GT_TOL);
    }
}

static gp_var linear(gp_tape *t, const gp_var *in, void *user)
{
    (void)user;
    return gp_linear(t, in[0], in[1], in[2]);
}

static gp_var linear_no_bias(gp_tape *t, const gp_var *in, void *user)
{
    const gp_var none = {0};
    (void)user;
    return gp_linear(t, in[0], in[1], none);
}

static void test_linear(void **state)
{
    fixture *f = *state;
    const gp_var in[] = {gt_input(f->a, &f->r, 5, 7), gt_input(f->a, &f->r, 3, 7), gt_input(f->a, &f->r, 1, 3)};
    check(f, linear, in, 3);
    check(f, linear_no_bias, in, 2);
}

static gp_var relu(gp_tape *t, const gp_var *in, void *user)
{
    (void)user;
    return gp_relu(t, in[0]);
}

static gp_var axpby(gp_tape *t, const gp_var *in, void *user)
{
    (void)user;
    return gp_axpby(t, (gp_real)1.5, in[0], (gp_real)-0.3, in[1]);
}

static gp_var scale(gp_tape *t, const gp_var *in, void *user)
{
    (void)user;
    return gp_scale(t, (gp_real)-2.5, in[0]);
}

static gp_var add_scalar(gp_tape *t, const gp_var *in, void *user)
{
    (void)user;
    return gp_add_scalar(t, in[0], in[1]);
}

static void test_elementwise(void **state)
{
    fixture *f = *state;
    const gp_var in[] = {gt_input(f->a, &f->r, 4, 6), gt_input(f->a, &f->r, 4, 6)};
    check(f, relu, in, 1);
    check(f, axpby, in, 2);
    check(f, scale, in, 1);
    const gp_var pair[] = {in[0], gt_input(f->a, &f->r, 1, 1)};
    check(f, add_scalar, pair, 2);
}

static gp_var axpby_same(gp_tape *t, const gp_var *in, void *user)
{
    (void)user;
    return gp_axpby(t, 1, in[0], 2, in[0]);
}

static gp_var unit_rows(gp_tape *t, const gp_var *in, void *user)
{
    (void)user;
    return gp_unit_rows(t, in[0], 3);
}

static void test_norm(void **state)
{
    fixture *f = *state;
    const gp_var in[] = {gt_input(f->a, &f->r, 4, 6)};
    check(f, unit_rows, in, 1);
    check(f, axpby_same, in, 1);
}

static void test_unit_rows_of_zero(void **state)
{
    fixture *f = *state;
    gp_tape *t = NULL;
    assert_int_equal(gp_tape_create(&t, f->c, NULL), GOPRO_OK);
    gp_var x = gt_input(f->a, &f->r, 1, 4);
    for (size_t j = 0; j < 4; j++) x.v[j] = 0;
    const gp_tape_mark m = gp_tape_mark_get(t);
    const gp_var y = gp_unit_rows(t, x, 1);
    for (size_t j = 0; j < 4; j++) assert_true(y.v[j] == 0);
    gp_reach(y);
    gp_tape_backward(t, m);
    for (size_t j = 0; j < 4; j++) assert_true(isfinite((double)x.g[j]));
    gp_tape_free(&t);
}

static gp_var add_tiled(gp_tape *t, const gp_var *in, void *user)
{
    (void)user;
    return gp_add_tiled(t, in[0], in[1]);
}

static gp_var repeat_rows(gp_tape *t, const gp_var *in, void *user)
{
    (void)user;
    return gp_repeat_rows(t, in[0], 3);
}

static gp_var gather(gp_tape *t, const gp_var *in, void *user)
{
    const uint32_t idx[] = {2, 0, 2, 5, 1, 2, 3, 4};
    (void)user;
    return gp_gather(t, in[0], idx, GP_COUNT(idx));
}

/* slices that overlap, each with a gradient of its own */
static gp_var slices(gp_tape *t, const gp_var *in, void *user)
{
    (void)user;
    return gp_axpby(t, 2, gp_rows(t, in[0], 0, 4), 3, gp_rows(t, in[0], 2, 4));
}

static gp_var slices_of_computed(gp_tape *t, const gp_var *in, void *user)
{
    (void)user;
    const gp_var y = gp_unit_rows(t, in[0], 1);
    const gp_var part[] = {gp_rows(t, y, 3, 3), gp_rows(t, y, 0, 3), gp_rows(t, y, 1, 1)};
    return gp_concat_rows(t, part, 3);
}

static gp_var concat(gp_tape *t, const gp_var *in, void *user)
{
    (void)user;
    return gp_concat_rows(t, in, 3);
}

static void test_rows(void **state)
{
    fixture *f = *state;
    const gp_var in[] = {gt_input(f->a, &f->r, 6, 4), gt_input(f->a, &f->r, 2, 4), gt_input(f->a, &f->r, 1, 4)};
    check(f, add_tiled, in, 2);
    check(f, repeat_rows, in, 1);
    check(f, gather, in, 1);
    check(f, slices, in, 1);
    check(f, slices_of_computed, in, 1);
    check(f, concat, in, 3);
}

static gp_var mix_layers(gp_tape *t, const gp_var *in, void *user)
{
    (void)user;
    return gp_mix_layers(t, in[0], in + 1, 3);
}

static void test_mix_layers(void **state)
{
    fixture *f = *state;
    const gp_var in[] = {gt_input(f->a, &f->r, 2, 3), gt_input(f->a, &f->r, 4, 5), gt_input(f->a, &f->r, 4, 5),
                         gt_input(f->a, &f->r, 4, 5)};
    check(f, mix_layers, in, 4);
}

static gp_var row_dots(gp_tape *t, const gp_var *in, void *user)
{
    (void)user;
    return gp_row_dots(t, in[0], in[1], (gp_real)7.5);
}

static gp_var matmul_nt(gp_tape *t, const gp_var *in, void *user)
{
    (void)user;
    return gp_matmul_nt(t, in[0], in[1], (gp_real)-1.25);
}

static void test_products(void **state)
{
    fixture *f = *state;
    const gp_var in[] = {gt_input(f->a, &f->r, 3, 5), gt_input(f->a, &f->r, 12, 5)};
    check(f, row_dots, in, 2);
    check(f, matmul_nt, in, 2);
}

static gp_var batchnorm(gp_tape *t, const gp_var *in, void *user)
{
    gp_real mean[4] = {(gp_real)0.1, (gp_real)0.2, 0, -1}, var[4] = {1, 2, (gp_real)0.5, 3};
    return gp_batchnorm(t, in[0], in[1], in[2], mean, var, user == NULL);
}

static gp_var columns(gp_tape *t, const gp_var *in, void *user)
{
    static const uint32_t col[] = {2, GP_NO_ROW, 0, 2};
    (void)user;
    return gp_columns(t, in[0], col, 4);
}

static gp_var affinity(gp_tape *t, const gp_var *in, void *user)
{
    static const gp_real used[] = {1, 1, 0, 1, 0, 1};
    (void)user;
    return gp_affinity(t, in[0], used, 2, (gp_real)1.7);
}

/* Column 1 of the classes has no row, shot 2 is none: their values are what they must be, and no gradient leaks. */
static void test_classes(void **state)
{
    fixture *f = *state;
    const gp_var in[] = {gt_input(f->a, &f->r, 3, 3), gt_input(f->a, &f->r, 2, 6)};
    check(f, columns, in, 1);
    check(f, affinity, in + 1, 1);
    gp_tape *t = NULL;
    assert_int_equal(gp_tape_create(&t, f->c, NULL), GOPRO_OK);
    const gp_var y = columns(t, in, NULL), z = affinity(t, in + 1, NULL);
    for (size_t i = 0; i < 3; i++) assert_true(y.v[4 * i + 1] == 0 && y.v[4 * i] == in[0].v[3 * i + 2] && y.v[4 * i + 2] == in[0].v[3 * i]);
    const gp_real *a = in[1].v;
    const double want = exp(1.7 * ((double)a[0] - 1)) + exp(1.7 * ((double)a[1] - 1));
    assert_true(fabs((double)z.v[0] - want) < 1e-12 * want && in[1].g[2] == 0 && in[1].g[4] == 0);
    gp_tape_free(&t);
}

static void test_batchnorm(void **state)
{
    fixture *f = *state;
    const gp_var in[] = {gt_input(f->a, &f->r, 5, 4), gt_input(f->a, &f->r, 1, 4), gt_input(f->a, &f->r, 1, 4)};
    int evaluation = 1;
    check(f, batchnorm, in, 3);
    assert_true(gt_error(f->c, batchnorm, &evaluation, in, 3) < GT_TOL);
}

/* d(x^2) with the factor 2 forgotten: the check must see it. */
typedef struct square_rec {
    gp_var x, y;
} square_rec;

static void wrong_square_bwd(gp_tape *t, const void *record)
{
    const square_rec *r = record;
    (void)t;
    for (size_t i = 0; i < r->x.rows * r->x.cols; i++) r->x.g[i] += r->x.v[i] * r->y.g[i];
    gp_reach(r->x);
}

static gp_var wrong_square(gp_tape *t, const gp_var *in, void *user)
{
    (void)user;
    const gp_var y = gp_tape_var(t, in[0].rows, in[0].cols, true);
    for (size_t i = 0; i < y.rows * y.cols; i++) y.v[i] = in[0].v[i] * in[0].v[i];
    gp_tape_push(t, wrong_square_bwd, y, &(square_rec){in[0], y}, sizeof(square_rec));
    return y;
}

static void test_wrong_operation_is_caught(void **state)
{
    fixture *f = *state;
    const gp_var in[] = {gt_input(f->a, &f->r, 3, 3)};
    assert_true(gt_error(f->c, wrong_square, NULL, in, 1) > 0.1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_linear, setup, teardown),
        cmocka_unit_test_setup_teardown(test_elementwise, setup, teardown),
        cmocka_unit_test_setup_teardown(test_norm, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unit_rows_of_zero, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mix_layers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_products, setup, teardown),
        cmocka_unit_test_setup_teardown(test_classes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_batchnorm, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_operation_is_caught, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

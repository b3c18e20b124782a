/* test_losses.c - the loss terms against central differences.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gradtest.h"
#include "losses/losses.h"

static gp_var cross_entropy(gp_tape *t, const gp_var *in, void *user)
{
    const uint32_t label[] = {2, 0, 6};
    (void)user;
    return gp_cross_entropy(t, in[0], label, 5);
}

static gp_var l2_distance(gp_tape *t, const gp_var *in, void *user)
{
    (void)user;
    return gp_l2_distance(t, in[0], in[1], 4);
}

static gp_var mse(gp_tape *t, const gp_var *in, void *user)
{
    (void)user;
    return gp_mse(t, in[0], in[1], 9);
}

static gp_var nt_xent(gp_tape *t, const gp_var *in, void *user)
{
    (void)user;
    return gp_nt_xent(t, in[0], in[1], (gp_real)0.3);
}

static gp_var nt_xent_same(gp_tape *t, const gp_var *in, void *user)
{
    (void)user;
    return gp_nt_xent(t, in[0], gp_scale(t, 2, in[0]), (gp_real)0.3);
}

static void test_losses(void **state)
{
    static gt_fn *const loss[] = {cross_entropy, l2_distance, mse, nt_xent};
    gp_compute *c = NULL;
    gp_arena *a = gp_arena_create(1 << 16);
    gp_rng r = gp_rng_make(2, GP_RNG_TEST, 0, 0);
    (void)state;
    assert_int_equal(gp_compute_create(&c, 1, "ref", NULL), GOPRO_OK);
    const gp_var in[] = {gt_input(a, &r, 3, 7), gt_input(a, &r, 3, 7)};
    for (size_t i = 0; i < GP_COUNT(loss); i++) {
        const double e = gt_error(c, loss[i], NULL, in, i == 0 ? 1 : 2);
        if (!(e < GT_TOL)) fail_msg("loss %zu: relative error %g", i, e);
        const gp_var half[] = {gp_detach(in[0]), in[1]};
        if (i > 0) assert_true(gt_error(c, loss[i], NULL, half, 2) < GT_TOL);
    }
    assert_true(gt_error(c, nt_xent_same, NULL, in, 1) < GT_TOL);
    gp_arena_free(&a);
    gp_compute_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_losses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

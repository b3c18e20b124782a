/* test_release.c - the whole step of GOPro's released variant against central differences, in every parameter, every flag both ways.
 * SPDX-License-Identifier: Apache-2.0 */
#include "stepgrad.h"

static void test_settings(void **state)
{
    static const char *const settings[][12] = {
        {NULL},
        {"gopro_release.lambda_sem1", "200", "gopro_release.lambda_sem2", "3000", "gopro_release.lambda_con", "2", NULL},
        {"gopro_release.sem", "l2_label", "gopro_release.lambda_con", "1", NULL},
        {"gopro_release.pv_in_ce", "1", NULL},
        {"gopro_release.pv_in_ce", "1", "gopro_release.sem", "l2_label", "gopro_release.lambda_con", "0", NULL},
        {"gopro_release.lambda_ce", "0", "gopro_release.sem", "l2_label", NULL},
        {"gopro_release.lambda_sem1", "0", "gopro_release.lambda_con", "0", NULL},
        {"gopro_release.lambda_sem2", "0", "gopro_release.tau", "0.5", NULL},
        {"gopro_release.lambda_ce", "0", "gopro_release.lambda_sem1", "0", "gopro_release.lambda_sem2", "0", NULL},
    };
    (void)state;
    for (size_t i = 0; i < GP_COUNT(settings); i++) {
        steptest x;
        const char *where = "";
        steptest_make(&x,
                      &(steptest_config){.method = "gopro_release", .options = settings[i], .K = 3, .B = 3, .M = 2, .random_start = true});
        const double e = stepgrad_worst(&x, &where);
        if (!(e < STEPGRAD_TOL)) fail_msg("settings %zu, '%s': relative error %g", i, where, e);
        /* zero in real arithmetic: layer norms remove what shifts every channel alike, batch norm what shifts every image alike */
        assert_true(fabs((double)gp_param(x.p, "rho.bias").g[0]) < 1e-8);
        for (size_t j = 0; j < gp_model_arch(x.model.m)->embed; j++)
            assert_true(fabs((double)gp_param(x.p, "simproj.linear.bias").g[j]) < 1e-8);
        steptest_free(&x);
    }
}

/* A frozen projector takes no part in the gradient though the loss depends on it: the difference quotient must disagree. */
static void test_frozen_projector_is_seen(void **state)
{
    static const char *const options[] = {"gopro_release.train_q", "0", "gopro_release.lambda_con", "1", NULL};
    steptest x;
    (void)state;
    steptest_make(&x, &(steptest_config){.method = "gopro_release", .options = options, .K = 3, .B = 3, .M = 1, .random_start = true});
    steptest_run(&x);
    const gp_var w = gp_param(x.p, "simproj.batchnorm.weight");
    assert_false(*w.reached);
    w.v[0] = (gp_real)((double)w.v[0] + 1e-6);
    const double up = steptest_run(&x);
    w.v[0] = (gp_real)((double)w.v[0] - 2e-6);
    assert_true(fabs(up - steptest_run(&x)) / 2e-6 > 1e-4);
    assert_true(*gp_param(x.p, "ctx").reached);
    steptest_free(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_settings), cmocka_unit_test(test_frozen_projector_is_seen)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

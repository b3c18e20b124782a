/* test_gopro.c - the whole step of GOPro against central differences, in every parameter, for many settings.
 * SPDX-License-Identifier: Apache-2.0 */
#include "stepgrad.h"

static void test_settings(void **state)
{
    static const char *const settings[][12] = {
        {NULL},
        {"gopro.frg_norm", "unit", "gopro.frg_center", "0", "gopro.decoder_bias", "1", NULL},
        {"gopro.frg_norm", "none", "gopro.rho", "shared", "gopro.decoder_bias", "1", NULL},
        {"gopro.frg", "pool", "gopro.pv", "off", NULL},
        {"gopro.sem", "mse_all", "gopro.lambda_sem1", "3", "gopro.lambda_sem2", "30", NULL},
        {"gopro.sem_detach", "none", "gopro.pv", "linear_bn", "gopro.alpha", "1", NULL},
        {"gopro.lambda_ce", "0", "gopro.alpha", "0.5", NULL},
        {"gopro.lambda_sem1", "0", "gopro.lambda_con", "0", NULL},
        {"gopro.lambda_sem2", "0", "gopro.lambda_con", "2", "gopro.tau", "0.5", NULL},
        {"gopro.lambda_sem1", "0", "gopro.lambda_sem2", "0", "gopro.lambda_ce", "0", NULL},
    };
    (void)state;
    for (size_t i = 0; i < GP_COUNT(settings); i++) {
        steptest x;
        const char *where = "";
        steptest_make(&x, &(steptest_config){.method = "gopro", .options = settings[i], .K = 3, .B = 3, .M = 2, .random_start = true});
        const double e = stepgrad_worst(&x, &where);
        if (!(e < STEPGRAD_TOL)) fail_msg("settings %zu, '%s': relative error %g", i, where, e);
        steptest_free(&x);
    }
}

/* A stop-gradient makes the gradient differ from the difference quotient on purpose: the same check must then fail. */
static void test_detached_anchor_is_seen(void **state)
{
    static const char *const options[] = {"gopro.sem_detach", "anchor", "gopro.lambda_ce", "0", "gopro.lambda_con", "0", NULL};
    steptest x;
    const char *where = "";
    (void)state;
    steptest_make(&x, &(steptest_config){.method = "gopro", .options = options, .K = 3, .B = 2, .M = 1, .random_start = true});
    assert_true(stepgrad_worst(&x, &where) > 1e-2);
    steptest_run(&x);
    assert_false(*gp_param(x.p, "rho.f.mix").reached);
    assert_true(*gp_param(x.p, "rho.mo.mix").reached);
    steptest_free(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_settings), cmocka_unit_test(test_detached_anchor_is_seen)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

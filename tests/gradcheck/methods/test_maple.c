/* test_maple.c - the whole step of MaPLe against central differences, in every parameter, for several depths and numbers of tokens.
 * SPDX-License-Identifier: Apache-2.0 */
#include "stepgrad.h"

static void test_depths(void **state)
{
    static const char *const depth[][3] = {{"maple.depth", "1", NULL}, {"maple.depth", "2", NULL}, {"maple.depth", "9", NULL}};
    (void)state;
    for (size_t i = 0; i < GP_COUNT(depth); i++)
        for (size_t M = 1; M <= 4; M++) {
            steptest x;
            const char *where = "";
            steptest_make(&x, &(steptest_config){.method = "maple", .options = depth[i], .K = 4, .B = 3, .M = M, .random_start = true});
            const double e = stepgrad_worst(&x, &where);
            if (!(e < STEPGRAD_TOL)) fail_msg("depth %s, %zu tokens, '%s': relative error %g", depth[i][1], M, where, e);
            steptest_free(&x);
        }
}

/* A prompt of one level moves the others' gradients: none of them is a constant of the step. */
static void test_every_level_is_reached(void **state)
{
    static const char *const name[] = {"ctx",
                                       "proj.weight",
                                       "proj.bias",
                                       "compound_prompts_text.0",
                                       "compound_prompt_projections.0.weight",
                                       "compound_prompt_projections.0.bias"};
    steptest x;
    (void)state;
    steptest_make(&x, &(steptest_config){.method = "maple", .K = 3, .B = 2, .M = 2, .random_start = true});
    assert_int_equal(gp_params_count(x.p), GP_COUNT(name)); /* depth 9 is cut to the two blocks of the towers */
    steptest_run(&x);
    for (size_t i = 0; i < GP_COUNT(name); i++) {
        const gp_var w = gp_param(x.p, name[i]);
        double top = 0;
        for (size_t j = 0; j < w.rows * w.cols; j++) top = fmax(top, fabs((double)w.g[j]));
        assert_true(*w.reached && top > 1e-6);
    }
    steptest_free(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_depths), cmocka_unit_test(test_every_level_is_reached)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

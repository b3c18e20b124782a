/* test_baselines.c - the whole step of the linear probe and of Tip-Adapter against central differences.
 * SPDX-License-Identifier: Apache-2.0 */
#include "stepgrad.h"

static void check(const char *method, const char *const *options)
{
    steptest x;
    const char *where = "";
    steptest_make(&x, &(steptest_config){.method = method, .options = options, .K = 3, .B = 4, .random_start = true});
    const double e = stepgrad_worst(&x, &where);
    if (!(e < STEPGRAD_TOL)) fail_msg("%s, '%s': relative error %g", method, where, e);
    steptest_free(&x);
}

static void test_linear_probe(void **state)
{
    (void)state;
    check("linear_probe", (const char *const[]){NULL});
    check("linear_probe", (const char *const[]){"probe.start", "text", NULL});
}

static void test_tip_adapter(void **state)
{
    (void)state;
    check("tip_adapter", (const char *const[]){"tip.finetune", "1", "shots", "2", NULL});
    check("tip_adapter", (const char *const[]){"tip.finetune", "1", "shots", "3", "tip.alpha", "3", "tip.beta", "1", NULL});
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_linear_probe), cmocka_unit_test(test_tip_adapter)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_rivals.c - the whole step of CoOp, CoCoOp, StyLIP and the SLIP adaptation against central differences.
 * SPDX-License-Identifier: Apache-2.0 */
#include "stepgrad.h"

typedef struct setting {
    const char *method, *options[8];
    size_t K, B, M;
} setting;

static void check(const setting *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        steptest x;
        const char *where = "";
        steptest_make(&x, &(steptest_config){
                              .method = c[i].method, .options = c[i].options, .K = c[i].K, .B = c[i].B, .M = c[i].M, .random_start = true});
        const double e = stepgrad_worst(&x, &where);
        if (!(e < STEPGRAD_TOL)) fail_msg("%s, setting %zu, '%s': relative error %g", c[i].method, i, where, e);
        steptest_free(&x);
    }
}

static void test_coop(void **state)
{
    static const setting c[] = {
        {"coop", {NULL}, 4, 3, 2},
        {"coop", {"coop.position", "middle"}, 4, 2, 3},
        {"coop", {"coop.position", "front"}, 3, 2, 2},
        {"coop", {"coop.csc", "1"}, 4, 3, 2},
        {"coop", {"coop.csc", "1", "coop.position", "middle"}, 3, 2, 3},
        {"coop", {"coop.csc", "1", "coop.position", "front"}, 3, 2, 1},
        {"coop", {NULL}, 1, 2, 1},
    };
    (void)state;
    check(c, GP_COUNT(c));
}

static void test_cocoop(void **state)
{
    static const setting c[] = {{"cocoop", {NULL}, 4, 3, 2}, {"cocoop", {NULL}, 3, 1, 4}, {"cocoop", {NULL}, 2, 5, 1}};
    (void)state;
    check(c, GP_COUNT(c));
}

static void test_stylip(void **state)
{
    static const setting c[] = {
        {"stylip", {NULL}, 4, 3, 2},
        {"stylip", {"stylip.frg_norm", "unit", "stylip.frg_center", "0", "stylip.decoder_bias", "1"}, 3, 2, 3},
        {"stylip", {"stylip.frg_norm", "none", "stylip.alpha", "1"}, 3, 2, 1},
        {"stylip", {"stylip.content", "token", "stylip.decoder_bias", "1"}, 3, 2, 2},
    };
    (void)state;
    check(c, GP_COUNT(c));
}

static void test_slip(void **state)
{
    static const setting c[] = {
        {"slip", {"slip.mlp_dim", "6"}, 4, 5, 0},
        {"slip", {"slip.mlp_dim", "4", "slip.alpha", "1", "slip.tau", "0.5"}, 3, 4, 0},
        {"slip", {"slip.mlp_dim", "5", "slip.clip_loss", "infonce", "slip.alpha", "0.7"}, 3, 6, 0},
    };
    (void)state;
    check(c, GP_COUNT(c));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_coop),
        cmocka_unit_test(test_cocoop),
        cmocka_unit_test(test_stylip),
        cmocka_unit_test(test_slip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_registry.c - what every method must say about itself, and how default settings and options for one method combine.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "methods/methods.h"

static void test_registry(void **state)
{
    (void)state;
    assert_ptr_equal(gp_method_find("gopro"), &gp_method_gopro);
    assert_ptr_equal(gp_method_find("zeroshot"), &gp_method_zeroshot);
    assert_null(gp_method_find("gopr"));
    for (size_t i = 0; i < gp_n_methods; i++) assert_ptr_equal(gp_method_find(gp_methods[i]->name), gp_methods[i]);
}

/* The choices of option "method" are the registry, in its order. */
static void test_option_lists_the_registry(void **state)
{
    gp_str names = {0};
    (void)state;
    for (size_t i = 0; i < gp_n_methods; i++) gp_str_addf(&names, "%s%s", i ? "|" : "", gp_methods[i]->name);
    for (size_t i = 0; i < gp_n_opts; i++)
        if (strcmp(gp_opts[i].name, "method") == 0) assert_string_equal(gp_opts[i].choices, names.s);
    gp_str_free(&names);
}

static void test_methods_are_complete(void **state)
{
    (void)state;
    for (size_t i = 0; i < gp_n_methods; i++) {
        const gp_method *m = gp_methods[i];
        assert_true(m->title && m->title[0] && m->views && m->images);
        /* text comes from class_features once or from the method for every image, never both */
        assert_true((m->class_features != NULL) != ((m->wants & GP_WANT_TEXT) != 0));
        assert_true(!(m->wants & GP_WANT_TEMPLATES) || m->class_features == gp_template_features);
        gp_options *o = gp_options_create();
        assert_int_equal(gp_method_apply_defaults(m, o, false, NULL), GOPRO_OK);
        assert_int_equal(gp_method_apply_defaults(m, o, true, NULL), GOPRO_OK);
        gp_options_free(&o);
    }
}

static gp_options *options(const char *method, const char *const *set)
{
    gp_options *o = gp_options_create();
    assert_non_null(o);
    assert_int_equal(gp_options_set(o, "method", method, "test", NULL), GOPRO_OK);
    for (; set && *set; set += 2) assert_int_equal(gp_options_set(o, set[0], set[1], "test", NULL), GOPRO_OK);
    return o;
}

/* for.METHOD.X > X > the method's default > the table's */
static void test_precedence(void **state)
{
    static const struct {
        const char *method, *set[6];
        bool all;
        int64_t epochs, batch;
    } c[] = {
        {"coop", {NULL}, false, 200, 32},
        {"coop", {NULL}, true, 50, 32},
        {"cocoop", {NULL}, false, 10, 1},
        {"gopro", {NULL}, false, 50, 4},
        {"coop", {"optim.epochs", "3"}, false, 3, 32},
        {"coop", {"for.coop.optim.epochs", "7"}, false, 7, 32},
        {"coop", {"for.coop.optim.epochs", "7", "optim.epochs", "3"}, false, 7, 32},
        {"coop", {"optim.epochs", "3", "for.coop.optim.epochs", "7"}, true, 7, 32},
        {"coop", {"for.coop.optim.epochs", "7", "for.coop.optim.epochs", "8"}, false, 8, 32},
        {"cocoop", {"for.coop.optim.epochs", "7", "optim.batch", "5"}, false, 10, 5},
    };
    (void)state;
    for (size_t i = 0; i < GP_COUNT(c); i++) {
        gp_options *o = options(c[i].method, c[i].set);
        assert_int_equal(gp_options_resolve(o, NULL), GOPRO_OK);
        assert_int_equal(gp_method_apply_defaults(gp_method_find(c[i].method), o, c[i].all, NULL), GOPRO_OK);
        assert_int_equal(gp_opt_int(o, "optim.epochs"), c[i].epochs);
        assert_int_equal(gp_opt_int(o, "optim.batch"), c[i].batch);
        assert_true(gp_opt_is_set(o, "optim.epochs") == (c[i].epochs < 10)); /* a default does not count as set */
        gp_str text = {0};
        assert_int_equal(gp_options_to_yaml(o, &text), GOPRO_OK);
        assert_null(strstr(text.s, "for.")); /* what is recorded are plain values */
        gp_str_free(&text);
        gp_options_free(&o);
    }
}

/* Two values of a default: base-to-new, and training on all classes. */
static void test_maple_defaults(void **state)
{
    (void)state;
    for (int all = 0; all < 2; all++) {
        const char *const none[] = {NULL}, *const set[] = {"maple.depth", "5", NULL};
        gp_options *o = options("maple", none), *own = options("maple", set);
        assert_int_equal(gp_method_apply_defaults(gp_method_find("maple"), o, all, NULL), GOPRO_OK);
        assert_int_equal(gp_opt_int(o, "maple.depth"), all ? 3 : 9);
        assert_int_equal(gp_opt_int(o, "optim.epochs"), all ? 2 : 5);
        assert_int_equal(gp_opt_int(o, "optim.batch"), 4);
        assert_true(fabs(gp_opt_real(o, "optim.lr") - (all ? 0.0026 : 0.0035)) < 1e-12);
        assert_int_equal(gp_method_apply_defaults(gp_method_find("maple"), own, all, NULL), GOPRO_OK);
        assert_int_equal(gp_opt_int(own, "maple.depth"), 5);
        gp_options_free(&o);
        gp_options_free(&own);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registry),
        cmocka_unit_test(test_option_lists_the_registry),
        cmocka_unit_test(test_methods_are_complete),
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_maple_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

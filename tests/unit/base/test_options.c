/* test_options.c - the option table, its checks, and configuration files.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/options.h"

static const gp_opt list_table[] = {
    {.name = "top", .type = GP_OPT_INT, .value = "1", .min = 0, .max = 9, .help = "h"},
    {.name = "a.list", .type = GP_OPT_INT_LIST, .value = "1-3", .min = 0, .max = 1000, .help = "h"},
    {.name = "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q", .type = GP_OPT_INT, .value = "1", .min = 0, .max = 9, .help = "h"},
};

static void load(gp_options *o, const char *text, gopro_status want, const char *words)
{
    gopro_error err = {0};
    const gopro_status st = gp_options_load_yaml_text(o, text, strlen(text), "c.yaml", &err);
    if (st != want || (words && !strstr(err.msg, words))) fail_msg("%s\n-> %d '%s', expected %d '%s'", text, st, err.msg, want, words);
}

static void table_is_sound(void **state)
{
    (void)state;
    gp_options *o = gp_options_create();
    assert_non_null(o); /* every default passes its own check */
    assert_true(gp_n_opts > 50);
    for (size_t i = 0; i < gp_n_opts; i++) {
        const gp_opt *t = &gp_opts[i];
        assert_true(t->help && t->help[0] && t->help[strlen(t->help) - 1] != '.');
        for (size_t j = i + 1; j < gp_n_opts; j++) assert_string_not_equal(t->name, gp_opts[j].name);
        if (t->type == GP_OPT_CHOICE) assert_non_null(t->choices);
        if (t->type == GP_OPT_INT || t->type == GP_OPT_REAL) assert_true(t->min < t->max);
        assert_false(gp_opt_is_set(o, t->name));
        const char *dot = strchr(t->name, '.'); /* a group stands together, or the written file would open it twice */
        const size_t len = dot ? (size_t)(dot - t->name) + 1 : 0;
        for (size_t j = i + 1; len && j < gp_n_opts; j++)
            if (strncmp(t->name, gp_opts[j].name, len) == 0) assert_memory_equal(gp_opts[j - 1].name, t->name, len);
    }
    gp_options_free(&o);
    assert_null(o);
}

static void defaults_and_getters(void **state)
{
    (void)state;
    gp_options *o = gp_options_create();
    assert_string_equal(gp_opt_string(o, "method"), "gopro");
    assert_true(gp_opt_is(o, "gopro.frg_norm", "rms"));
    assert_int_equal(gp_opt_int(o, "M"), 4);
    assert_true(gp_opt_real(o, "optim.lr") == 0.002);
    assert_true(gp_opt_real(o, "optim.weight_decay") == 5e-4);
    assert_true(gp_opt_bool(o, "gopro.frg_center"));
    assert_false(gp_opt_bool(o, "gopro.decoder_bias"));
    assert_string_equal(gp_opt_string(o, "ctx_init"), "a photo of a");
    assert_int_equal(gp_options_set(o, "optim.lr", "0.5", "argument", NULL), GOPRO_OK);
    assert_true(gp_opt_is_set(o, "optim.lr"));
    gp_options *c = gp_options_clone(o);
    assert_int_equal(gp_options_set(o, "optim.lr", "0.25", "argument", NULL), GOPRO_OK);
    assert_true(gp_opt_real(c, "optim.lr") == 0.5 && gp_opt_real(o, "optim.lr") == 0.25);
    assert_true(gp_opt_is_set(c, "optim.lr") && !gp_opt_is_set(c, "seed"));
    gp_options_free(&c);
    gp_options_free(&o);
}

static void bad_values(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value, *words;
    } t[] = {
        {"optim.lr", "nan", "expected a number from 0 to 10"},
        {"optim.lr", "inf", "expected a number"},
        {"optim.lr", "1e400", "expected a number"},
        {"optim.lr", "0x1p-3", "expected a number"},
        {"optim.lr", "-0.1", "expected a number"},
        {"optim.lr", "", "expected a number"},
        {"optim.lr", " 1", "expected a number"},
        {"optim.lr", "1,5", "expected a number"},
        {"M", "0", "an integer from 1 to 64"},
        {"M", "4.0", "an integer"},
        {"M", "99999999999999999999999", "an integer"},
        {"M", "", "an integer"},
        {"M", "-", "an integer"},
        {"seed", "9223372036854775808", "an integer"},
        {"gopro.frg_norm", "rm", "one of rms|unit|none"},
        {"gopro.frg_norm", "", "one of"},
        {"gopro.frg_norm", "rms|unit", "one of"},
        {"gopro.frg_center", "2", "0 or 1"},
        {"logit_scale", "chekpoint", "one of checkpoint|fit or a number"},
        {"logit_scale", "0", "a number from"},
        {"ctx_init", "a\nb", "control characters"},
        {"ctx_init", "\xff", "UTF-8"},
        {"ctx_init", "\xc0\xaf", "UTF-8"},
        {"ctx_init", "\xed\xa0\x80", "UTF-8"},
        {"ctx_init", "\xe2\x82", "UTF-8"},
        {"optim.lrr", "1", "did you mean optim.lr?"},
        {"gopro.frg_nrom", "rms", "did you mean gopro.frg_norm?"},
        {"zzzzzzzzzzzzzzzz", "1", "--help lists them"},
    };
    gp_options *o = gp_options_create();
    for (size_t i = 0; i < GP_COUNT(t); i++) {
        gopro_error err = {0};
        assert_int_equal(gp_options_set(o, t[i].name, t[i].value, "argument", &err), GOPRO_E_INVALID);
        if (!strstr(err.msg, t[i].words) || strncmp(err.msg, "argument: ", 10) != 0)
            fail_msg("%s=%s: '%s' lacks '%s'", t[i].name, t[i].value, err.msg, t[i].words);
    }
    assert_true(gp_opt_real(o, "optim.lr") == 0.002 && !gp_opt_is_set(o, "optim.lr"));
    static const char *good[][2] = {{"logit_scale", "12.5"},
                                    {"logit_scale", "fit"},
                                    {"gopro.frg_center", "off"},
                                    {"optim.lr", "1E-3"},
                                    {"template", ""},
                                    {"optim.lr", ".5"},
                                    {"ctx_init", "ein Foto \xc3\xbc\xf0\x9f\x98\x80"}};
    for (size_t i = 0; i < GP_COUNT(good); i++) assert_int_equal(gp_options_set(o, good[i][0], good[i][1], NULL, NULL), GOPRO_OK);
    assert_false(gp_opt_bool(o, "gopro.frg_center"));
    gp_options_free(&o);
}

static void lists(void **state)
{
    (void)state;
    gp_options *o = gp_options_create_for(list_table, GP_COUNT(list_table));
    int64_t v[4] = {0};
    assert_int_equal(gp_opt_int_list(o, "a.list", v, 4), 3);
    assert_true(v[0] == 1 && v[1] == 2 && v[2] == 3);
    assert_int_equal(gp_options_set(o, "a.list", "7, 1-2,9-9", "x", NULL), GOPRO_OK);
    assert_int_equal(gp_opt_int_list(o, "a.list", v, 2), 4); /* counts all, writes two */
    assert_true(v[0] == 7 && v[1] == 1 && v[2] == 3);
    load(o, "a:\n  list: [4, 5,6]\n", GOPRO_OK, NULL);
    assert_int_equal(gp_opt_int_list(o, "a.list", v, 4), 3);
    assert_true(v[0] == 4 && v[2] == 6);
    load(o, "a:\n  list:\n    - 8\n    - 9\n", GOPRO_OK, NULL);
    assert_int_equal(gp_opt_int_list(o, "a.list", v, 4), 2);
    load(o, "a: {list: []}", GOPRO_OK, NULL);
    assert_int_equal(gp_opt_int_list(o, "a.list", v, 4), 0);
    static const char *bad[] = {"3-1", "1,,2", "1,", ",", "a", "1-", "-", "1001", "-1", "0-1000000000", "1 2", "1--2"};
    for (size_t i = 0; i < GP_COUNT(bad); i++)
        if (gp_options_set(o, "a.list", bad[i], "x", NULL) != GOPRO_E_INVALID) fail_msg("'%s' was taken", bad[i]);
    load(o, "a: {list: [[1]]}", GOPRO_E_INVALID, "c.yaml:1: a list may hold only plain values");
    load(o, "a: {list: [1,'',2]}", GOPRO_E_INVALID, "c.yaml:1: a.list");
    load(o, "top: [1]", GOPRO_E_INVALID, "top takes one value, not a list");
    load(o, "{a: {b: {c: {d: {e: {f: {g: {h: {i: {j: {k: {l: {m: {n: {o: {p: {q: 3}}}}}}}}}}}}}}}}}", GOPRO_E_INVALID, "too deeply");
    load(o, "a.b: {c: {d: {e: {f: {g: {h: {i: {j: {k: {l: {m: {n: {o: {p: {q: 3}}}}}}}}}}}}}}}", GOPRO_OK, NULL);
    assert_int_equal(gp_opt_int(o, "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q"), 3);
    gp_options_free(&o);
}

static void yaml_good(void **state)
{
    (void)state;
    gp_options *o = gp_options_create();
    load(o,
         "# a comment\nseed: 7\noptim:\n  lr: 0.01   # more\n  batch: 8\ngopro: {tau: 0.2, frg: pool}\noptim.epochs: 3\nctx_init: 'x y'\n",
         GOPRO_OK, NULL);
    assert_int_equal(gp_opt_int(o, "seed"), 7);
    assert_int_equal(gp_opt_int(o, "optim.batch"), 8);
    assert_int_equal(gp_opt_int(o, "optim.epochs"), 3);
    assert_true(gp_opt_real(o, "gopro.tau") == 0.2 && gp_opt_is(o, "gopro.frg", "pool"));
    assert_string_equal(gp_opt_string(o, "ctx_init"), "x y");
    assert_true(gp_opt_is_set(o, "optim.lr") && !gp_opt_is_set(o, "M"));
    load(o, "", GOPRO_OK, NULL);
    load(o, "# nothing\n", GOPRO_OK, NULL);
    load(o, "---\nctx_init:\n...\n", GOPRO_OK, NULL);
    assert_string_equal(gp_opt_string(o, "ctx_init"), "");
    gp_options_free(&o);
}

static void yaml_bad(void **state)
{
    (void)state;
    static const char *const t[][2] = {
        {"seed: 1\nsedd: 2\n", "c.yaml:2: there is no option 'sedd'; did you mean seed?"},
        {"seed: 1\n\nseed: 2\n", "c.yaml:3: seed is given twice"},
        {"optim.lr: 1\noptim: {lr: 1}\n", "c.yaml:2: optim.lr is given twice"},
        {"optim: {lr: 1}\nseed: 3\noptim: {batch: 1}\n", "c.yaml:3: 'optim' is given twice"},
        {"optim:\n  lr: fast\n", "c.yaml:2: optim.lr is 'fast'"},
        {"optm:\n  lr: 1\n", "c.yaml:1: there is no option 'optm'; did you mean optim?"},
        {"seed: &x 1\nM: *x\n", "c.yaml:2: aliases are not allowed"},
        {"? [a]\n: 1\n", "c.yaml:1: a key must be the name of an option"},
        {"? {a: 1}\n: 1\n", "a key must be"},
        {"seed: 1\n*x : 2\n", "c.yaml:2"},
        {"- seed\n", "c.yaml:1: expected a map"},
        {"seed\n", "c.yaml:1: expected a map"},
        {"seed: 1\n---\nseed: 2\n", "c.yaml:2: a second document"},
        {"seed: [1]\n", "takes one value, not a list"},
        {"seed: {a: 1}\n", "there is no option 'seed'"},
        {"optim: 3\n", "there is no option 'optim'"},
        {"seed: \"1\\0\"\n", "zero byte"},
        {"seed: 1\n\tM: 2\n", "c.yaml:2"},
        {"optim: {lr: 1\n", "c.yaml:2"},
        {"\xff\xfe\xff", "c.yaml:1"},
        {"ctx_init: \"\xc3\x28\"\n", "c.yaml:1"},
    };
    gp_options *o = gp_options_create();
    for (size_t i = 0; i < GP_COUNT(t); i++) load(o, t[i][0], GOPRO_E_INVALID, t[i][1]);
    load(o, "seed: 5\nM: 0\n", GOPRO_E_INVALID, "c.yaml:2: M is '0'");
    assert_int_equal(gp_opt_int(o, "seed"), 1); /* nothing is taken from a file with a mistake */
    gopro_error err = {0};
    assert_int_equal(gp_options_load_yaml(o, "no/such/file.yaml", &err), GOPRO_E_IO);
    assert_non_null(strstr(err.msg, "no/such/file.yaml"));
    gp_options_free(&o);
}

static void yaml_round_trip(void **state)
{
    (void)state;
    gp_options *o = gp_options_create(), *p = gp_options_create();
    assert_int_equal(gp_options_set(o, "ctx_init", "a \"quoted\" \\ back # slash: \xc3\xa9 '", "x", NULL), GOPRO_OK);
    assert_int_equal(gp_options_set(o, "optim.lr", "3e-3", "x", NULL), GOPRO_OK);
    assert_int_equal(gp_options_set(o, "ensemble", "7", "x", NULL), GOPRO_OK);
    assert_int_equal(gp_options_set(o, "logit_scale", "20", "x", NULL), GOPRO_OK);
    gp_str a = {0}, b = {0};
    assert_int_equal(gp_options_to_yaml(o, &a), GOPRO_OK);
    load(p, a.s, GOPRO_OK, NULL);
    assert_int_equal(gp_options_to_yaml(p, &b), GOPRO_OK);
    assert_string_equal(a.s, b.s);
    assert_string_equal(gp_opt_string(o, "ctx_init"), gp_opt_string(p, "ctx_init"));
    for (size_t i = 0; i < gp_n_opts; i++) assert_true(gp_opt_is_set(p, gp_opts[i].name)); /* every option is written */
    assert_non_null(strstr(a.s, "optim:\n  lr: 3e-3\n"));
    gp_str_free(&a);
    gp_str_free(&b);
    gp_options_free(&o);
    gp_options_free(&p);
}

static void for_one_method(void **state)
{
    static const char *const bad[][3] = {
        {"for.cop.optim.lr", "1", "no method 'cop' in 'for.cop'; did you mean coop?"},
        {"for.", "1", "there is no method ''"},
        {"for.coop", "1", "for.coop names no option"},
        {"for.coop.", "1", "names no option"},
        {"for.coop.optim.lrr", "1", "there is no option 'optim.lrr'; did you mean optim.lr?"},
        {"for.coop.optim.lr", "fast", "optim.lr is 'fast'"},
        {"for.coop.M", "0", "M is '0'"},
        {"for.coop.seed", "2", "seed cannot be set for one method only"},
        {"for.coop.method", "gopro", "method cannot be set for one method only"},
        {"for.coop.threads", "2", "threads cannot be set"},
        {"for.coop.gopro.alpha", "1", "gopro.alpha cannot be set for one method only"},
        {"for.coop.data.skip_bad", "1", "data.skip_bad cannot be set"},
        {"for.coop.tip.alpha", "1", "tip.alpha cannot be set"},
    };
    static const char *const bad_yaml[][2] = {
        {"for: 3\n", "for"},
        {"for: {cop: {M: 1}}\n", "c.yaml:1: there is no method 'cop'"},
        {"for: {coop: {optm: {lr: 1}}}\n", "there is no option 'optm'"},
        {"for: {coop: {template: {a: 1}}}\n", "template takes one value, not a map"},
        {"for: {coop: {M: [1]}}\n", "for.coop.M takes one value, not a list"},
        {"for.coop.M: 1\nfor: {coop: {M: 2}}\n", "c.yaml:2: for.coop.M is given twice"},
        {"for: {coop: {M: 1}}\nfor: {gopro: {M: 2}}\n", "'for' is given twice"},
    };
    gp_options *o = gp_options_create();
    gopro_error err = {0};
    (void)state;
    for (size_t i = 0; i < GP_COUNT(bad); i++) {
        assert_int_equal(gp_options_set(o, bad[i][0], bad[i][1], "x", &err), GOPRO_E_INVALID);
        if (!strstr(err.msg, bad[i][2])) fail_msg("%s: '%s'", bad[i][0], err.msg);
    }
    for (size_t i = 0; i < GP_COUNT(bad_yaml); i++) load(o, bad_yaml[i][0], GOPRO_E_INVALID, bad_yaml[i][1]);
    load(o, "for:\n  coop:\n    M: 8\n    optim: {lr: 3e-3}\n    coop.csc: yes\n  zeroshot: {template: \"a {}\"}\nM: 2\n", GOPRO_OK, "");
    assert_int_equal(gp_opt_int(o, "M"), 2); /* nothing holds before the method is settled */
    assert_string_equal(gp_options_text(o, "for.coop.optim.lr"), "3e-3");
    assert_string_equal(gp_options_text(o, "for.coop.coop.csc"), "1");
    assert_string_equal(gp_options_text(o, "M"), "2");
    assert_null(gp_options_text(o, "for.gopro.M"));
    gp_options *own = gp_options_create();
    assert_int_equal(gp_options_set(own, "for.tip_adapter.tip.alpha", "2", "x", NULL), GOPRO_OK);
    assert_int_equal(gp_options_set(own, "for.linear_probe.probe.start", "text", "x", NULL), GOPRO_OK);
    gp_options_free(&own);
    assert_int_equal(gp_options_set(o, "for.coop.optim.lr", "4e-3", "x", NULL), GOPRO_OK);
    /* written, read back, copied */
    gp_options *p = gp_options_create(), *q = NULL;
    gp_str a = {0}, b = {0};
    assert_int_equal(gp_options_to_yaml(o, &a), GOPRO_OK);
    load(p, a.s, GOPRO_OK, "");
    q = gp_options_clone(p);
    gp_options_free(&p);
    assert_int_equal(gp_options_to_yaml(q, &b), GOPRO_OK);
    assert_string_equal(a.s, b.s);
    assert_non_null(strstr(a.s, "for.coop.optim.lr: 4e-3\n"));
    /* settled for CoOp */
    assert_int_equal(gp_options_set(q, "method", "coop", "x", NULL), GOPRO_OK);
    assert_int_equal(gp_options_resolve(q, NULL), GOPRO_OK);
    assert_true(gp_opt_int(q, "M") == 8 && gp_opt_real(q, "optim.lr") == 4e-3 && gp_opt_bool(q, "coop.csc"));
    assert_string_equal(gp_opt_string(q, "template"), "");
    assert_null(gp_options_text(q, "for.coop.M"));
    gp_str_free(&a);
    gp_str_free(&b);
    gp_options_free(&o);
    gp_options_free(&q);
}

static void dependent_defaults(void **state)
{
    (void)state;
    gp_options *o = gp_options_create();
    assert_int_equal(gp_options_set_default(o, "M", "9", NULL), GOPRO_OK);
    assert_true(gp_opt_int(o, "M") == 9 && !gp_opt_is_set(o, "M"));
    assert_int_equal(gp_options_set(o, "M", "3", "x", NULL), GOPRO_OK);
    assert_int_equal(gp_options_set_default(o, "M", "9", NULL), GOPRO_OK);
    assert_int_equal(gp_opt_int(o, "M"), 3);
    assert_int_equal(gp_options_set_default(o, "N", "9", NULL), GOPRO_E_INVALID);
    gp_options_free(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_sound),     cmocka_unit_test(defaults_and_getters),
        cmocka_unit_test(bad_values),         cmocka_unit_test(lists),
        cmocka_unit_test(yaml_good),          cmocka_unit_test(yaml_bad),
        cmocka_unit_test(yaml_round_trip),    cmocka_unit_test(for_one_method),
        cmocka_unit_test(dependent_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

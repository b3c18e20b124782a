/* test_rules.c - names to words, styles and classes; separation of drawings.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "check.h"

static ge_rules rules;

static int load(void **state)
{
    (void)state;
    ge_rules_load(&rules, GE_TABLES);
    return 0;
}

static void words_of_names(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"cat-face", "cat face"},
                                           {"CamelCase", "camelcase"},
                                           {"woman's hat", "womans hat"},
                                           {"piñata", "pinata"},
                                           {"  a__b--c ", "a b c"},
                                           {"12-gauge", "12 gauge"},
                                           {"smörgåsbord", "smorgasbord"},
                                           {"", ""},
                                           {"汉字", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *w = ge_words(cases[i][0]);
        assert_string_equal(w, cases[i][1]);
        free(w);
    }
    char name[] = "cloud 2 alt 10";
    ge_drop_numbers(name);
    assert_string_equal(name, "cloud");
    char one[] = "10";
    ge_drop_numbers(one);
    assert_string_equal(one, "10");
}

static void styles_of_names(void **state)
{
    (void)state;
    char a[] = "cat-fill", b[] = "cat-bold-duotone", c[] = "cat-thin", d[] = "fill", e[] = "cat-solid";
    assert_string_equal(ge_strip_style(a, "fill=solid|line=line", "line"), "solid");
    assert_string_equal(a, "cat");
    assert_string_equal(ge_strip_style(b, "bold-duotone=solid|bold=line", "line"), "solid");
    assert_string_equal(b, "cat");
    assert_null(ge_strip_style(c, "thin=drop", "line"));
    assert_string_equal(ge_strip_style(d, "fill=solid", "line"), "line");
    assert_string_equal(d, "fill");
    assert_string_equal(ge_strip_style(e, "solid=", "line"), "line");
    assert_string_equal(e, "cat");
}

static const char *class_of(const char *name, unsigned flags)
{
    size_t c = ge_classify(&rules, name, flags);
    return c == GE_NONE ? "-" : rules.class[c].name;
}

static void classes_of_names(void **state)
{
    (void)state;
    assert_string_equal(class_of("cat", 0), "cat");
    assert_string_equal(class_of("fire truck", 0), "fire engine"); /* not "truck" */
    assert_string_equal(class_of("baseball cap", 0), "-");         /* begins with another class */
    assert_string_equal(class_of("file lock", 0), "-");            /* begins with an interface word */
    assert_string_equal(class_of("bell off", 0), "-");
    assert_string_equal(class_of("bird house", 0), "-"); /* a null phrase */
    assert_string_equal(class_of("polar bear", 0), "bear");
    assert_string_equal(class_of("big polar bear", 0), "-"); /* long names in emoji sets only */
    assert_string_equal(class_of("big polar bear", GE_LONG_NAMES), "bear");
    assert_string_equal(class_of("man cook", GE_LONG_NAMES | GE_EXACT), "cook");
    assert_string_equal(class_of("young man cook", GE_LONG_NAMES | GE_EXACT), "-");
    assert_string_equal(class_of("ram", 0), "-"); /* memory */
    assert_string_equal(class_of("ram", GE_LONG_NAMES), "sheep");
    assert_string_equal(class_of("", 0), "-");
}

static void interface_icons(void **state)
{
    (void)state;
    assert_true(ge_is_interface(&rules, "align left"));
    assert_true(ge_is_interface(&rules, "chevron"));
    assert_true(ge_is_interface(&rules, "cloud upload"));
    assert_false(ge_is_interface(&rules, "cloud"));
    assert_false(ge_is_interface(&rules, "polar bear"));
}

/* Every class's own name leads to it: no other class and no null phrase stands in the way. */
static void classes_are_reachable(void **state)
{
    (void)state;
    for (size_t c = 0; c < rules.n_classes; c++)
        assert_string_equal(class_of(rules.class[c].phrase[0], GE_LONG_NAMES | GE_EXACT), rules.class[c].name);
}

static void no_shared_artists(void **state)
{
    (void)state;
    ge_sets s;
    ge_sets_load(&s, GE_TABLES);
    assert_true(s.n > 30);
    assert_int_equal(ge_shared_artists(&s), 0);
    ge_set wrong[2] = {{.use = "benchmark", .artist = "Google"}, {.use = "pretraining", .artist = "Pictogrammers and Google"}};
    assert_int_equal(ge_shared_artists(&(ge_sets){wrong, 2}), 1);
}

static ge_drawing drawn(const char *svg)
{
    ge_drawing d = {.keep = true};
    uint8_t rgba[GE_SIZE * GE_SIZE * 4], rgb[GE_SIZE * GE_SIZE * 3];
    assert_true(ge_render(rgba, svg, strlen(svg)));
    ge_on_white(rgb, rgba);
    ge_thumb(d.thumb, rgb);
    return d;
}

#define SVG(body) "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 24 24\" width=\"24\" height=\"24\">" body "</svg>"

static void near_duplicates_are_found(void **state)
{
    (void)state;
    ge_drawing bench[] = {drawn(SVG("<circle cx='12' cy='12' r='10'/>"))};
    ge_drawing pre[] = {drawn(SVG("<circle cx='12' cy='12' r='9.9'/>")), drawn(SVG("<circle cx='12' cy='12' r='10' fill='#333'/>")),
                        drawn(SVG("<path d='M2 2h20v20h-20z'/>")), drawn(SVG("<path d='M2 20L12 3L22 20z'/>"))};
    ge_drawings a = {bench, 1}, b = {pre, 4};
    assert_true(ge_largest_cosine(&b, &a) > 0.97f);
    assert_int_equal(ge_drop_near(&b, &a, GE_NEAR), 2);
    assert_false(pre[0].keep);
    assert_false(pre[1].keep);
    assert_true(pre[2].keep);
    assert_true(pre[3].keep);
    assert_true(ge_largest_cosine(&b, &a) < 0.97f);
}

static void rendering(void **state)
{
    (void)state;
    uint8_t rgba[GE_SIZE * GE_SIZE * 4], again[GE_SIZE * GE_SIZE * 4];
    const char *half = SVG("<path fill='#f00' fill-opacity='.5' d='M0 0h24v24h-24z'/>");
    assert_true(ge_render(rgba, half, strlen(half)));
    assert_true(ge_render(again, half, strlen(half)));
    assert_memory_equal(rgba, again, sizeof rgba);
    const uint8_t *edge = rgba, *middle = rgba + 4 * (32 * GE_SIZE + 32);
    assert_int_equal(edge[3], 0); /* the margin */
    assert_int_equal(middle[0], 255);
    assert_int_equal(middle[1], 0);
    assert_in_range(middle[3], 127, 128);
    assert_false(ge_render(rgba, "no svg", 6));
    assert_false(ge_render(rgba, SVG(""), strlen(SVG(""))));
}

static void units_stay_together(void **state)
{
    (void)state;
    ge_dataset s = {.name = ge_dup("groups")};
    for (size_t c = 0; c < 2; c++) {
        size_t label = ge_dataset_class(&s, c ? "apple" : "zebra");
        for (size_t i = 0; i < 40; i++) {
            char *unit = ge_fmt("artist %zu\t%zu", i / 3, c);
            ge_item *t = ge_dataset_add(&s, label, unit, "line");
            t->path = ge_fmt("images/%zu/%02zu.png", c, i);
            t->thumb[(i + 40 * c) % 256] = 1;
            free(unit);
        }
    }
    size_t tiny = ge_dataset_class(&s, "middle");
    ge_dataset_add(&s, tiny, "x", "line")->path = ge_dup("images/2/0.png");
    ge_dataset_split(&s);
    assert_int_equal(s.n_classes, 2);
    assert_string_equal(s.class_name[0], "apple");
    assert_int_equal(s.n, 80);
    size_t n[4] = {0};
    for (size_t i = 0; i < s.n; i++) {
        n[s.item[i].part]++;
        for (size_t k = 0; k < i; k++)
            if (strcmp(s.item[i].unit, s.item[k].unit) == 0) assert_int_equal(s.item[i].part, s.item[k].part);
    }
    assert_in_range(n[GE_TRAIN], 36, 52);
    assert_in_range(n[GE_VAL], 4, 18);
    assert_in_range(n[GE_TEST], 18, 34);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_of_names),
        cmocka_unit_test(styles_of_names),
        cmocka_unit_test(classes_of_names),
        cmocka_unit_test(interface_icons),
        cmocka_unit_test(classes_are_reachable),
        cmocka_unit_test(no_shared_artists),
        cmocka_unit_test(near_duplicates_are_found),
        cmocka_unit_test(rendering),
        cmocka_unit_test(units_stay_together),
    };
    return cmocka_run_group_tests(tests, load, NULL);
}

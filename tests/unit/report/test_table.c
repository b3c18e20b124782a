/* test_table.c - the report's table, CSV and JSON, byte for byte.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>

#include "report/report.h"

static char *method[] = {"zeroshot", "gopro"};
static char *dataset[] = {"food, \"raw\"", "café"};
static char *failure[] = {"café gopro seed 2: no image"};
static char path[] = "models/small";

static gp_b2n sample(gp_b2n_cell cell[4])
{
    cell[0] = (gp_b2n_cell){.base = {50, 50}, .novel = {40, 40}, .n = 2};
    cell[1] = (gp_b2n_cell){.base = {60, 62}, .novel = {42, 41}, .n = 2};
    cell[2] = (gp_b2n_cell){.base = {30, 30}, .novel = {20, 20}, .n = 2};
    cell[3] = (gp_b2n_cell){.base = {31.5}, .novel = {10}, .n = 1};
    gp_b2n t = {.n_methods = 2, .n_data = 2, .n_seeds = 2, .method = method, .dataset = dataset, .seed = {1, 2}, .cell = cell};
    memcpy(t.backbone, "0123456789abcdef", 17);
    t.backbone_path = path;
    return t;
}

static void text_table(void **state)
{
    (void)state;
    gp_b2n_cell cell[4];
    gp_b2n t = sample(cell);
    gp_str b = {0};
    t.failure = failure;
    t.n_failed = 1;
    gp_report_table(&b, &t, GP_TABLE_TEXT);
    assert_string_equal(
        b.s,
        "Base-to-new: accuracy in per cent, mean ±population deviation over 2 seeds (1, 2); HM is the harmonic mean of the averaged base "
        "and new; d: difference to CLIP.\n"
        "Backbone: models/small, weights 0123456789ab; last epoch.\n"
        "The average is over the 1 of 2 datasets where every run finished.\n"
        "\n"
        "dataset      method          base           new      HM  d base   d new    d HM\n"
        "-------------------------------------------------------------------------------\n"
        "food, \"raw\"  CLIP           50.00         40.00   44.44                        \n"
        "             GOPro    61.00 ±1.00   41.50 ±0.50   49.40  +11.00   +1.50   +4.95\n"
        "café         CLIP           30.00         20.00   24.00                        \n"
        "             GOPro          31.50         10.00   15.18   +1.50  -10.00   -8.82\n"
        "-------------------------------------------------------------------------------\n"
        "average      CLIP           50.00         40.00   44.44                        \n"
        "             GOPro    61.00 ±1.00   41.50 ±0.50   49.40  +11.00   +1.50   +4.95\n"
        "\n"
        "1 run failed:\n"
        "  café gopro seed 2: no image\n");
    gp_str_free(&b);
    t.embedded = true;
    gp_report_table(&b, &t, GP_TABLE_MARKDOWN);
    assert_non_null(strstr(b.s, "the embedded drawings"));
    assert_non_null(strstr(b.s, "\n| dataset     | method |         base |          new |     HM |"));
    assert_non_null(strstr(b.s, "\n|-------------|--------|-------------:|"));
    gp_str_free(&b);
}

static void csv(void **state)
{
    (void)state;
    gp_b2n_cell cell[4];
    gp_b2n t = sample(cell);
    gp_str b = {0};
    gp_report_csv(&b, &t);
    assert_string_equal(b.s, "dataset,method,seed,base,new,hm\n"
                             "\"food, \"\"raw\"\"\",zeroshot,1,50,40,44.44444444\n"
                             "\"food, \"\"raw\"\"\",zeroshot,2,50,40,44.44444444\n"
                             "\"food, \"\"raw\"\"\",zeroshot,mean,50,40,44.44444444\n"
                             "\"food, \"\"raw\"\"\",gopro,1,60,42,49.41176471\n"
                             "\"food, \"\"raw\"\"\",gopro,2,62,41,49.3592233\n"
                             "\"food, \"\"raw\"\"\",gopro,mean,61,41.5,49.39512195\n"
                             "café,zeroshot,1,30,20,24\n"
                             "café,zeroshot,2,30,20,24\n"
                             "café,zeroshot,mean,30,20,24\n"
                             "café,gopro,1,31.5,10,15.18072289\n"
                             "café,gopro,mean,31.5,10,15.18072289\n"
                             "average,zeroshot,mean,50,40,44.44444444\n"
                             "average,gopro,mean,61,41.5,49.39512195\n");
    gp_str_free(&b);
}

static void json(void **state)
{
    (void)state;
    gp_b2n_cell cell[4];
    gp_b2n t = sample(cell);
    gp_str b = {0};
    assert_int_equal(gp_report_json(&b, &t, NULL), GOPRO_OK);
    json_t *j = json_loads(b.s, 0, NULL);
    assert_non_null(j);
    json_t *m = json_object_get(json_object_get(json_object_get(j, "datasets"), "café"), "gopro");
    assert_int_equal(json_array_size(json_object_get(m, "seeds")), 1);
    assert_true(json_is_false(json_object_get(j, "embedded_drawings")));
    json_decref(j);
    gp_str_free(&b);
}

/* The columns average to the published averages, so no number is mistyped (METHODS 7). */
static void published_numbers(void **state)
{
    (void)state;
    static const char *const set[] = {"imagenet",      "caltech101", "oxford_pets", "stanford_cars", "oxford_flowers", "food101",
                                      "fgvc_aircraft", "sun397",     "dtd",         "eurosat",       "ucf101"};
    static const struct {
        const char *method;
        double base, novel;
    } average[] = {{"zeroshot", 69.34, 74.22}, {"slip", 69.77, 74.28},   {"coop", 82.69, 63.22}, {"cocoop", 80.47, 71.69},
                   {"maple", 82.28, 75.14},    {"stylip", 83.22, 75.94}, {"gopro", 84.21, 77.32}};
    for (size_t m = 0; m < GP_COUNT(average); m++) {
        double base = 0, novel = 0, b, n;
        for (size_t d = 0; d < GP_COUNT(set); d++) {
            assert_true(gp_published_b2n(&b, &n, set[d], average[m].method));
            base += b / 11;
            novel += n / 11;
        }
        assert_true(base - average[m].base < 0.0061 && average[m].base - base < 0.0061);
        assert_true(novel - average[m].novel < 0.0061 && average[m].novel - novel < 0.0061);
    }
    double b, n;
    assert_false(gp_published_b2n(&b, &n, "nature", "gopro"));
    assert_true(gp_published_b2n(&b, &n, "caltech-101", "gopro"));
    assert_false(gp_published_b2n(&b, &n, "dt", "gopro"));
    assert_false(gp_published_b2n(&b, &n, "dtd2", "gopro"));
    gp_b2n_cell cell[4];
    static char *field[] = {"dtd", "mine"};
    gp_b2n t = sample(cell);
    t.dataset = field;
    gp_str out = {0};
    gp_report_table(&out, &t, GP_TABLE_TEXT);
    assert_non_null(strstr(out.s, "Published with CLIP ViT-B/16, 16 shots (base, new, HM):\n  dtd CLIP: 53.24, 59.90, 56.37\n"));
    gp_str_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(text_table), cmocka_unit_test(csv), cmocka_unit_test(json),
                                       cmocka_unit_test(published_numbers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_table.c - tables, CSV and JSON, byte for byte; the published numbers.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "report/report.h"
#include "results.h"

/* What was written against tests/golden/report/NAME. */
static void golden(gp_str *b, const char *name)
{
    char *want = NULL, *path = gp_sprintf("%s/golden/report/%s", GP_TEST_DIR, name);
    size_t size = 0;
    assert_false(b->failed);
    if (gp_read_file(&want, &size, path, 1 << 20, NULL) != GOPRO_OK || strcmp(want, b->s) != 0) {
        fprintf(stderr, "not as in %s:\n%s", path, b->s);
        fail();
    }
    free(want);
    free(path);
    gp_str_free(b);
}

static const char *const two[] = {"CLIP|zeroshot", "GOPro|gopro"};

/* One dataset with everything, one with a seed that failed; names that every format must quote. */
static gp_results *b2n(void)
{
    static const char *const set[] = {"food, \"raw\" 50%", "café_|_1"};
    gp_results *r = results_make(GP_B2N, two, 2, set, 2, 2);
    results_set(r, 0, 0, 0, 50, 40);
    results_set(r, 0, 0, 1, 50, 40);
    results_set(r, 0, 1, 0, 60, 42);
    results_set(r, 0, 1, 1, 62, 41);
    results_set(r, 1, 0, 0, 30, 20);
    results_set(r, 1, 0, 1, 30, 20);
    results_set(r, 1, 1, 0, 31.5, 10);
    results_cell(r, 1, 1, 1)->state = GP_CELL_FAILED;
    r->failure = calloc(1, sizeof *r->failure);
    r->failure[0] = gp_strdup("café_|_1 GOPro seed 2: no image");
    r->n_failed = 1;
    return r;
}

static void base_to_new(void **state)
{
    (void)state;
    gp_results *r = b2n();
    gp_str b = {0};
    gp_report_tables(&b, r, GP_TABLE_TEXT);
    golden(&b, "b2n.txt");
    gp_report_tables(&b, r, GP_TABLE_MARKDOWN);
    golden(&b, "b2n.md");
    gp_report_tables(&b, r, GP_TABLE_LATEX);
    golden(&b, "b2n.tex");
    gp_report_csv(&b, r);
    golden(&b, "b2n.csv");
    gp_report_cost_csv(&b, r);
    golden(&b, "b2n_cost.csv");
    r->plan->embedded = true;
    gp_report_tables(&b, r, GP_TABLE_TEXT);
    assert_non_null(strstr(b.s, "embedded drawings"));
    gp_str_free(&b);
    gp_results_free(&r);
}

/* A classifier of the trained classes: its base accuracy, and nothing of it in new, HM and the comparison. */
static void without_new(void **state)
{
    (void)state;
    static const char *const three[] = {"CLIP|zeroshot", "Linear probe|linear_probe", "GOPro|gopro"}, *const set[] = {"a", "b"};
    gp_results *r = results_make(GP_B2N, three, 3, set, 2, 2);
    for (size_t d = 0; d < 2; d++)
        for (size_t s = 0; s < 2; s++) {
            results_set(r, d, 0, s, 50, 40);
            results_set(r, d, 1, s, 90 + (double)s, 0);
            results_cell(r, d, 1, s)->no_new = true;
            memset(&results_cell(r, d, 1, s)->score[1], 0, sizeof(gp_scores));
            results_set(r, d, 2, s, 60 + (double)(d + s), 45);
        }
    gp_row row = gp_results_average(r, 1);
    assert_true(row.no_new && row.n == 2 && row.v[1].n == 0 && isnan(row.hm));
    assert_true(fabs(row.v[0].mean - 90.5) < 1e-12 && fabs(row.f1.mean - 89.5) < 1e-12);
    assert_int_equal(gp_results_complete(r), 2);
    assert_false(gp_results_rival(r, 2, 1).any);
    assert_int_equal(gp_results_rival(r, 2, 0).entry, 2);
    assert_int_equal(gp_results_rival(r, 0, 2).entry, 0);
    gp_str b = {0};
    gp_report_tables(&b, r, GP_TABLE_TEXT);
    assert_non_null(strstr(b.s, "Linear probe  90.50 ±0.50*            -       -  "));
    assert_non_null(strstr(b.s, "can classify no other"));
    assert_null(strstr(b.s, "nan"));
    assert_null(strstr(b.s, "FAILED"));
    gp_str_free(&b);
    gp_report_tables(&b, r, GP_TABLE_MARKDOWN);
    assert_null(strstr(b.s, "nan"));
    assert_non_null(strstr(b.s, "| Linear probe | **90.50 ±0.50** |               - |         - |"));
    gp_str_free(&b);
    gp_report_tables(&b, r, GP_TABLE_LATEX);
    assert_null(strstr(b.s, "nan"));
    assert_null(strstr(b.s, "FAILED"));
    gp_str_free(&b);
    gp_report_csv(&b, r);
    assert_null(strstr(b.s, "nan"));
    assert_non_null(strstr(b.s, "a,linear_probe,2,91,,,91,90,5,1,0.5,,,,,"));
    assert_non_null(strstr(b.s, "average,linear_probe,mean,90.5,,,"));
    gp_str_free(&b);
    assert_int_equal(gp_report_json(&b, r, NULL), GOPRO_OK);
    json_t *j = json_loads(b.s, 0, NULL), *m = json_object_get(json_object_get(j, "average"), "linear_probe");
    assert_true(json_is_null(json_object_get(m, "new")) && json_is_null(json_object_get(m, "hm")));
    assert_true(json_is_null(json_object_get(m, "rival")) && json_is_object(json_object_get(m, "base")));
    json_decref(j);
    gp_str_free(&b);
    gp_results_free(&r);
}

/* The field's datasets, so that the published numbers stand below ours; a target that was not tested. */
static void transfer(void **state)
{
    (void)state;
    static const char *const set[] = {"imagenet", "imagenetv2", "imagenet-sketch", "imagenet-adversarial", "imagenet-rendition"};
    gp_results *r = results_make(GP_DG, two, 2, set, 5, 2);
    for (size_t d = 0; d < 5; d++)
        for (size_t e = 0; e < 2; e++)
            for (size_t s = 0; s < 2; s++)
                if (!(d == 4 && e == 1 && s == 1)) results_set(r, d, e, s, 50 + (double)(3 * d + e) + (double)(s * e * d), 0);
    gp_str b = {0};
    gp_report_tables(&b, r, GP_TABLE_TEXT);
    golden(&b, "dg.txt");
    gp_report_tables(&b, r, GP_TABLE_LATEX);
    golden(&b, "dg.tex");
    gp_report_csv(&b, r);
    golden(&b, "dg.csv");
    gp_results_free(&r);
}

/* Seven methods on ten targets stay within 140 columns. */
static void wide(void **state)
{
    (void)state;
    static const char *const seven[] = {"CLIP|zeroshot", "SLIP|slip",     "CoOp|coop",  "CoCoOp|cocoop",
                                        "MaPLe|maple",   "StyLIP|stylip", "GOPro|gopro"};
    static const char *const set[] = {"imagenet",      "caltech101", "oxford_pets", "stanford_cars", "oxford_flowers", "food101",
                                      "fgvc_aircraft", "sun397",     "dtd",         "eurosat",       "ucf101"};
    for (int protocol = GP_B2N; protocol <= GP_XD; protocol++) {
        gp_results *r = results_make((gp_protocol)protocol, seven, 7, set, 11, 3);
        for (size_t d = 0; d < 11; d++)
            for (size_t e = 0; e < 7; e++)
                for (size_t s = 0; s < 3; s++)
                    results_set(r, d, e, s, 50 + (double)(d * 5 + e * 7 % 5 + s * e % 3), 40 + (double)(d + e + s * e % 2));
        gp_str b = {0};
        gp_report_tables(&b, r, GP_TABLE_TEXT);
        for (const char *line = b.s; *line; line += strcspn(line, "\n") + 1) {
            size_t n = 0;
            for (const char *c = line; *c != '\n'; c++) n += ((unsigned char)*c & 0xC0) != 0x80;
            if (n > 140) fail_msg("%zu columns: %.*s", n, (int)strcspn(line, "\n"), line);
        }
        assert_non_null(strstr(b.s, protocol == GP_B2N ? "72.43 68.14 70.22" : "67.86"));
        if (protocol == GP_B2N) {
            const char *average = strstr(b.s, "\naverage");
            assert_non_null(strstr(average, "69.34 74.22 71.70"));
            assert_non_null(strstr(average, "69.77 74.28 71.96")); /* as printed, not computed from the two */
            assert_non_null(strstr(b.s, "published average over these 11 datasets"));
            gp_str_free(&b);
            gp_report_tables(&b, r, GP_TABLE_LATEX); /* compiled by cli/test_latex.sh */
            golden(&b, "field.tex");
            free(r->plan->dataset[10]);
            r->plan->dataset[10] = gp_strdup("nature"); /* no longer the field's eleven */
            gp_report_tables(&b, r, GP_TABLE_TEXT);
            assert_non_null(strstr(b.s, "72.43 68.14 70.22"));
            assert_null(strstr(b.s, "71.96"));
            assert_null(strstr(b.s, "published average"));
        }
        gp_str_free(&b);
        gp_results_free(&r);
    }
}

static void json(void **state)
{
    (void)state;
    gp_results *r = b2n();
    gp_str b = {0};
    assert_int_equal(gp_report_json(&b, r, NULL), GOPRO_OK);
    json_t *j = json_loads(b.s, 0, NULL);
    assert_non_null(j);
    json_t *m = json_object_get(json_object_get(json_object_get(j, "datasets"), "café_|_1"), "gopro");
    json_t *seeds = json_object_get(m, "seeds");
    assert_int_equal(json_array_size(seeds), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(seeds, 1), "state")), "failed");
    assert_null(json_object_get(json_array_get(seeds, 1), "base"));
    json_t *rival = json_object_get(m, "rival");
    assert_true(json_is_null(json_object_get(rival, "p"))); /* one pair is no test */
    assert_string_equal(json_string_value(json_object_get(rival, "entry")), "zeroshot");
    assert_true(json_is_false(json_object_get(j, "embedded_drawings")));
    assert_int_equal(json_array_size(json_object_get(j, "failed")), 1);
    json_decref(j);
    gp_str_free(&b);
    gp_results_free(&r);
}

/* An ablation: keys are titles, and the chart has the averages over its axis. */
static void ablation(void **state)
{
    (void)state;
    static const char *const entry[] = {"M=1 random|gopro", "M=2 random|gopro"}, *const set[] = {"a", "b"};
    gp_results *r = results_make(GP_B2N, entry, 2, set, 2, 1);
    free(r->plan->name);
    free(r->plan->axis);
    r->plan->name = gp_strdup("ablate-tokens");
    r->plan->axis = gp_strdup("M");
    for (size_t e = 0; e < 2; e++) {
        r->plan->entry[e].x = 1.0 + (double)e;
        free(r->plan->entry[e].series);
        r->plan->entry[e].series = gp_strdup("GOPro random");
        for (size_t d = 0; d < 2; d++) results_set(r, d, e, 0, 50 + (double)(d + e), 40);
    }
    gp_str b = {0};
    gp_report_chart_csv(&b, r);
    assert_string_equal(b.s, "series,M,setting,base,base_sd,new,new_sd,hm,datasets,seeds\n"
                             "GOPro random,1,M=1 random,50.5,0,40,0,44.64088398,2,1\n"
                             "GOPro random,2,M=2 random,51.5,0,40,0,45.0273224,2,1\n");
    gp_str_free(&b);
    assert_string_equal(gp_entry_key(r, 1), "M=2 random");
    gp_results_free(&r);
}

/* The paper's table of losses: beside ours on its datasets, below the table on others, drawings too. */
static void losses(void **state)
{
    (void)state;
    static const char *const entry[] = {
        "L_ce|gopro", "L_ce + L_con|gopro", "L_ce + L_sem(x1)|gopro", "L_ce + L_sem(x2)|gopro", "L_ce + L_sem(x1+x2)|gopro", "all|gopro"};
    static const char *const set[] = {"imagenet",      "caltech101", "oxford_pets", "stanford_cars", "oxford_flowers", "food101",
                                      "fgvc_aircraft", "sun397",     "dtd",         "eurosat",       "ucf101"};
    for (int few = 0; few < 3; few++) {
        size_t n = few ? 3 : 11;
        gp_results *r = results_make(GP_B2N, entry, 6, set, n, 1);
        free(r->plan->name);
        r->plan->name = gp_strdup("ablate-losses");
        r->plan->embedded = few == 2;
        for (size_t d = 0; d < n; d++)
            for (size_t e = 0; e < 6; e++) results_set(r, d, e, 0, 50 + (double)(d + e), 40 + (double)e);
        for (int style = GP_TABLE_TEXT; style <= GP_TABLE_LATEX; style++) {
            gp_str b = {0};
            gp_report_tables(&b, r, (gp_table_style)style);
            assert_non_null(strstr(b.s, "81.34 72.16 76.48"));
            assert_non_null(strstr(b.s, "84.21 77.32 80.62"));
            assert_true(!strstr(b.s, "published, other data") == !few);
            if (!few && style == GP_TABLE_TEXT) assert_non_null(strstr(strstr(b.s, "\naverage"), "81.34 72.16 76.48"));
            if (style == GP_TABLE_TEXT) assert_non_null(strstr(b.s, few ? "L_ce 81.34 72.16 76.48; L_ce + L_con" : "Table 3, averages"));
            gp_str_free(&b);
        }
        gp_results_free(&r);
    }
}

/* The columns average to the published averages, so no number is mistyped (METHODS 7). */
static void published_numbers(void **state)
{
    (void)state;
    static const char *const set[] = {"imagenet",      "caltech101", "oxford_pets", "stanford_cars", "oxford_flowers", "food101",
                                      "fgvc_aircraft", "sun397",     "dtd",         "eurosat",       "ucf101"};
    static const char *const domain[] = {"imagenetv2", "imagenet_sketch", "imagenet_a", "imagenet-r"};
    static const struct {
        const char *method;
        double base, novel, xd, dg;
    } average[] = {{"zeroshot", 69.34, 74.22, 65.23, 57.18}, {"slip", 69.77, 74.28, 65.31, 57.22},  {"coop", 82.69, 63.22, 63.88, 59.28},
                   {"cocoop", 80.47, 71.69, 65.74, 59.91},   {"maple", 82.28, 75.14, 66.30, 60.27}, {"stylip", 83.22, 75.94, 67.38, 60.70},
                   {"gopro", 84.21, 77.32, 67.86, 61.49}};
    double b, n;
    for (size_t m = 0; m < GP_COUNT(average); m++) {
        double base = 0, novel = 0;
        for (size_t d = 0; d < GP_COUNT(set); d++) {
            assert_true(gp_published_b2n(&b, &n, set[d], average[m].method));
            base += b / 11;
            novel += n / 11;
        }
        assert_true(fabs(base - average[m].base) < 0.0061);
        assert_true(fabs(novel - average[m].novel) < 0.0061);
        double v[3];
        assert_true(gp_published_b2n_average(v, set, 11, average[m].method));
        assert_true(fabs(v[0] - average[m].base) < 1e-9 && fabs(v[1] - average[m].novel) < 1e-9);
        assert_true(fabs(v[2] - gp_harmonic_mean(v[0], v[1])) < 0.0061);
        assert_false(gp_published_b2n_average(v, set, 10, average[m].method));
        assert_true(gp_published_average(&b, "imagenet", domain, 4, average[m].method));
        assert_true(fabs(b - average[m].dg) < 0.0061);
        assert_true(gp_published_average(&b, "imagenet", set + 1, 10, average[m].method));
        assert_true(fabs(b - average[m].xd) < 1e-9);
    }
    assert_false(gp_published_average(&b, "imagenet", set + 1, 9, "gopro"));
    assert_false(gp_published_average(&b, "food101", domain, 4, "gopro"));
    assert_false(gp_published_b2n(&b, &n, "nature", "gopro"));
    assert_false(gp_published_b2n(&b, &n, "food101", "linear"));
    assert_true(gp_published_b2n(&b, &n, "caltech-101", "gopro"));
    assert_true(gp_published_b2n(&b, &n, "oxford-pets", "gopro"));
    assert_false(gp_published_b2n(&b, &n, "dt", "gopro"));
    assert_false(gp_published_b2n(&b, &n, "dtd2", "gopro"));
    assert_true(gp_published_transfer(&b, "imagenet", "imagenet-rendition", "gopro") && b > 78.01 && b < 78.03);
    assert_false(gp_published_transfer(&b, "photos", "imagenet-rendition", "gopro"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base_to_new), cmocka_unit_test(without_new), cmocka_unit_test(transfer), cmocka_unit_test(wide),
        cmocka_unit_test(json),        cmocka_unit_test(ablation),    cmocka_unit_test(losses),   cmocka_unit_test(published_numbers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

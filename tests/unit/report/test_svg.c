/* test_svg.c - charts: escaping, ticks, gaps, where things stand on the paper, legends.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/svg_chart.h"
#include "report/svg_text.h"

static size_t count(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, what)); p += strlen(what)) n++;
    return n;
}

/* Elements opened are closed, in order, and no markup is left bare. */
static void well_formed(const char *s)
{
    char open[64][16];
    size_t depth = 0;
    while ((s = strchr(s, '<'))) {
        const char *end = strchr(s, '>');
        assert_non_null(end);
        size_t len = strcspn(s + 1, " />");
        if (s[1] == '/') {
            assert_true(depth > 0);
            depth--;
            assert_int_equal(strncmp(open[depth], s + 2, strlen(open[depth])), 0);
        } else if (end[-1] != '/') {
            assert_true(depth < 64 && len < 16);
            memcpy(open[depth], s + 1, len);
            open[depth++][len] = '\0';
        }
        assert_null(memchr(s + 1, '<', (size_t)(end - s) - 1));
        s = end;
    }
    assert_int_equal(depth, 0);
}

static void text_is_escaped(void **state)
{
    (void)state;
    gp_str b = {0};
    gp_svg_escape(&b, "a<b> & \"c\" \xc3\xa9 \xff\x01 \xed\xa0\x80");
    assert_string_equal(b.s, "a&lt;b&gt; &amp; &quot;c&quot; \xc3\xa9 \xef\xbf\xbd\xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    gp_str_free(&b);
    double x[2] = {1, 2}, y[2] = {3, 4};
    gp_series s = {.name = "</svg><script>", .x = x, .y = y, .n = 2};
    gp_panel p = {.title = "<&>", .x_label = "\"x\"", .y_label = "y", .series = &s, .n_series = 1};
    gp_figure f = {.title = "<t>", .note = "<note>\n&", .panel = &p, .n_panels = 1};
    gp_figure_svg(&b, &f);
    assert_false(b.failed);
    assert_null(strstr(b.s, "<script"));
    assert_int_equal(count(b.s, "</svg>"), 1);
    well_formed(b.s);
    gp_str_free(&b);
}

static void ticks_of(const double *y, size_t n, const char *const *want, size_t n_want)
{
    gp_str b = {0};
    double x[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    gp_series s = {.name = "s", .x = x, .y = y, .n = n};
    gp_panel p = {.series = &s, .n_series = 1};
    gp_figure f = {.panel = &p, .n_panels = 1, .panel_height = 200};
    gp_figure_svg(&b, &f);
    for (size_t i = 0; i < n_want; i++) {
        gp_str label = {0};
        gp_str_addf(&label, "text-anchor=\"end\" class=\"tick\">%s</text>", want[i]);
        if (count(b.s, label.s) != 1) fail_msg("no tick %s", want[i]);
        gp_str_free(&label);
    }
    assert_int_equal(count(b.s, "text-anchor=\"end\" class=\"tick\""), n_want);
    gp_str_free(&b);
}

static void ticks_are_round(void **state)
{
    (void)state;
    ticks_of((const double[]){31.2, 48.9}, 2, (const char *const[]){"30", "35", "40", "45", "50"}, 5);
    ticks_of((const double[]){0.012, 0.047}, 2, (const char *const[]){"0.01", "0.02", "0.03", "0.04", "0.05"}, 5);
    ticks_of((const double[]){-3.0, 3.0}, 2, (const char *const[]){"-4", "-2", "0", "2", "4"}, 5);
    ticks_of((const double[]){7.0, 7.0}, 2, (const char *const[]){"6.0", "6.5", "7.0", "7.5", "8.0"}, 5); /* constant */
    ticks_of((const double[]){0.0, 1000.0}, 2, (const char *const[]){"0", "250", "500", "750", "1000"}, 5);
}

/* A missing value breaks the line, and its deviation is not drawn. */
static void gaps(void **state)
{
    (void)state;
    gp_str b = {0};
    double x[5] = {1, 2, 4, 8, 16}, y[5] = {10, 20, (double)NAN, 30, 40}, sd[5] = {1, 1, 1, (double)NAN, 0};
    gp_series s = {.name = "s", .x = x, .y = y, .sd = sd, .n = 5};
    gp_panel p = {.series = &s, .n_series = 1, .log2_x = true, .ticks_at_x = true};
    gp_figure f = {.panel = &p, .n_panels = 1};
    gp_figure_svg(&b, &f);
    const char *line = strstr(b.s, "stroke-linejoin");
    assert_non_null(line);
    gp_str path = {0};
    gp_str_addn(&path, line, strcspn(line, ">"));
    assert_int_equal(count(path.s, "M"), 2);
    assert_int_equal(count(path.s, "L"), 2);
    gp_str_free(&path);
    assert_int_equal(count(b.s, "<circle"), 4 + 1); /* and the legend's */
    assert_int_equal(count(b.s, "stroke-width=\"1.1\""), 2);
    for (size_t i = 0; i < 5; i++) { /* a tick at every value, also that of the missing one */
        gp_str t = {0};
        gp_str_addf(&t, "text-anchor=\"middle\" class=\"tick\">%g</text>", x[i]);
        assert_int_equal(count(b.s, t.s), 1);
        gp_str_free(&t);
    }
    assert_null(strstr(b.s, "nan"));
    well_formed(b.s);
    gp_str_free(&b);
}

/* Positions: the ends of a fixed range are the corners of the plotting area. */
static void points_stand_where_they_should(void **state)
{
    (void)state;
    gp_str b = {0};
    double x[2] = {0, 10}, y[2] = {0, 100};
    gp_series s = {.x = x, .y = y, .n = 2};
    gp_panel p = {.series = &s, .n_series = 1, .mark = GP_MARK_POINTS, .fixed_x = true, .fixed_y = true};
    p.x_range[1] = 10;
    p.y_range[1] = 100;
    gp_figure f = {.panel = &p, .n_panels = 1, .panel_width = 200, .panel_height = 100};
    gp_figure_svg(&b, &f);
    double fx, fy, cx[2], cy[2];
    const char *at = strstr(b.s, "width=\"200.00\" height=\"100.00\" class=\"axis\"");
    assert_non_null(at);
    while (strncmp(at, "<rect", 5) != 0) at--;
    assert_int_equal(sscanf(at, "<rect x=\"%lf\" y=\"%lf\"", &fx, &fy), 2);
    at = b.s;
    for (size_t i = 0; i < 2; i++) {
        at = strstr(at + 1, "<circle");
        assert_non_null(at);
        assert_int_equal(sscanf(at, "<circle cx=\"%lf\" cy=\"%lf\"", &cx[i], &cy[i]), 2);
    }
    assert_true(fabs(cx[0] - fx) < 0.02 && fabs(cy[0] - (fy + 100)) < 0.02);
    assert_true(fabs(cx[1] - (fx + 200)) < 0.02 && fabs(cy[1] - fy) < 0.02);
    gp_str_free(&b);
}

/* Forty-eight series in a row look different: colour and marker together. */
static void series_are_told_apart(void **state)
{
    (void)state;
    enum { N = 48 };
    gp_str b = {0};
    double x[1] = {1}, y[1] = {1};
    gp_series s[N];
    char name[N][8];
    for (size_t i = 0; i < N; i++) {
        snprintf(name[i], sizeof name[i], "n%zu", i);
        s[i] = (gp_series){.name = name[i], .x = x, .y = y, .n = 1};
    }
    gp_panel p = {.series = s, .n_series = N, .mark = GP_MARK_POINTS, .no_axes = true};
    gp_figure f = {.panel = &p, .n_panels = 1};
    gp_figure_svg(&b, &f);
    char look[N][160];
    const char *m = b.s;
    for (size_t i = 0; i < N; i++) { /* all stand on the same spot, so equal elements look the same */
        m = strstr(m + 1, "<g fill-opacity");
        assert_non_null(m);
        const char *first = strchr(m, '\n') + 1;
        size_t len = strcspn(first, "\n");
        assert_true(len < sizeof look[i]);
        memcpy(look[i], first, len);
        look[i][len] = '\0';
        for (size_t k = 0; k < i; k++) assert_string_not_equal(look[i], look[k]);
    }
    assert_int_equal(count(b.s, "class=\"label\""), N);
    well_formed(b.s);
    gp_str_free(&b);
}

static void studies(void **state)
{
    (void)state;
    gp_str b = {0};
    double v[3] = {1, 4, 16}, acc[3] = {40, 50, 60}, sd[3] = {1, 2, 3};
    gp_study_line l[2] = {{.name = "CoOp", .base = acc, .novel = acc, .hm = acc, .base_sd = sd, .novel_sd = sd, .hm_sd = sd},
                          {.name = "GOPro", .base = acc, .novel = acc, .hm = acc}};
    gp_study s = {.title = "t", .setting = "context tokens M", .value = v, .n = 3, .line = l, .n_lines = 1};
    gp_study_svg(&b, &s);
    assert_int_equal(count(b.s, "<clipPath"), 1);
    assert_non_null(strstr(b.s, ">base classes<"));
    assert_non_null(strstr(b.s, ">new classes<"));
    assert_non_null(strstr(b.s, ">harmonic mean<"));
    assert_int_equal(count(b.s, "stroke-width=\"1.1\""), 9);
    well_formed(b.s);
    gp_str again = {0};
    gp_study_svg(&again, &s);
    assert_string_equal(b.s, again.s);
    gp_str_free(&again);
    gp_str_free(&b);
    s.n_lines = 2;
    gp_study_svg(&b, &s);
    assert_int_equal(count(b.s, "<clipPath"), 3);
    assert_int_equal(count(b.s, ">CoOp<"), 1);
    assert_int_equal(count(b.s, "context tokens M"), 3);
    well_formed(b.s);
    gp_str_free(&b);
}

static void nothing_to_draw(void **state)
{
    (void)state;
    gp_str b = {0};
    gp_panel p = {.title = "empty"};
    gp_figure f = {.panel = &p, .n_panels = 1}, none = {.title = "none"};
    gp_figure_svg(&b, &f);
    gp_figure_svg(&b, &none);
    assert_false(b.failed);
    assert_null(strstr(b.s, "nan"));
    assert_null(strstr(b.s, "inf"));
    gp_str_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(text_is_escaped),
                                       cmocka_unit_test(ticks_are_round),
                                       cmocka_unit_test(gaps),
                                       cmocka_unit_test(points_stand_where_they_should),
                                       cmocka_unit_test(series_are_told_apart),
                                       cmocka_unit_test(studies),
                                       cmocka_unit_test(nothing_to_draw)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

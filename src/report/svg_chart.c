/* svg_chart.c - see svg_chart.h: layout, axes, series, legend.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/svg_chart.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/svg_text.h"

#define PANEL_W    420.0
#define PANEL_H    300.0
#define LEFT       64.0 /* room of a panel for its axes */
#define BOTTOM     50.0
#define TOP        30.0
#define RIGHT      18.0
#define TITLE_H    34.0
#define MARGIN     10.0
#define LEGEND_ROW 18.0
#define CHAR_W     6.6 /* of the labels' font, on average */
#define MAX_TICKS  24

/* Okabe and Ito's colours: told apart with any colour vision, and by their lightness in print. The yellow is darkened for white paper. */
static const char *const palette[] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#B8A800"};
enum { N_COLOURS = 8, N_SHAPES = 6 };

typedef struct range {
    double lo, hi;
} range;

/* A panel on paper: where its plotting area lies, and its axes. */
typedef struct frame {
    const gp_panel *p;
    double left, top, w, h;
    range x, y; /* of the axes; x as logarithm with log2_x */
    double tick_x[MAX_TICKS], tick_y[MAX_TICKS];
    size_t n_x, n_y;
} frame;

static double along(const gp_panel *p, double x)
{
    return p->log2_x ? log2(x) : x;
}

static bool drawn(const gp_panel *p, const gp_series *s, size_t i)
{
    return isfinite(s->x[i]) && isfinite(s->y[i]) && (!p->log2_x || s->x[i] > 0.0);
}

static double deviation(const gp_series *s, size_t i)
{
    return s->sd && isfinite(s->sd[i]) && s->sd[i] > 0.0 ? s->sd[i] : 0.0;
}

static void widen(range *r, double v)
{
    r->lo = fmin(r->lo, v);
    r->hi = fmax(r->hi, v);
}

/* Distances of 1, 2, 2.5 or 5 times a power of ten, at most `most` of them. */
static double nice_step(double span, double most)
{
    double raw = span / most, power = pow(10.0, floor(log10(raw)));
    static const double step[] = {1.0, 2.0, 2.5, 5.0, 10.0};
    for (size_t i = 0; i < GP_COUNT(step); i++)
        if (step[i] * power >= raw * (1.0 - 1e-9)) return step[i] * power;
    return 10.0 * power;
}

/* Ticks at least `least` apart over r, which with `grow` is extended to whole ticks. */
static size_t nice_ticks(double tick[MAX_TICKS], range *r, double most, bool grow, double least)
{
    double step = fmax(least, nice_step(r->hi - r->lo, most));
    double first = grow ? floor(r->lo / step + 1e-9) : ceil(r->lo / step - 1e-9);
    double last = grow ? ceil(r->hi / step - 1e-9) : floor(r->hi / step + 1e-9);
    size_t n = 0;
    for (double k = first; k <= last && n < MAX_TICKS; k += 1.0) tick[n++] = k * step;
    if (grow) {
        r->lo = first * step;
        r->hi = last * step;
    }
    return n;
}

static void not_empty(range *r, double room)
{
    if (!(r->lo <= r->hi)) *r = (range){0.0, 1.0};
    if (r->hi - r->lo < 1e-9 * fmax(1.0, fabs(r->hi))) *r = (range){r->lo - room, r->hi + room};
}

static size_t ticks_at_values(double tick[MAX_TICKS], const gp_panel *p)
{
    size_t n = 0;
    for (size_t k = 0; k < p->n_series; k++)
        for (size_t i = 0; i < p->series[k].n && n < MAX_TICKS; i++) {
            double x = p->series[k].x[i];
            bool known = !isfinite(x) || (p->log2_x && !(x > 0.0));
            for (size_t t = 0; t < n; t++) known = known || fabs(tick[t] - x) < 1e-9 * fmax(1.0, fabs(x));
            if (!known) tick[n++] = x;
        }
    for (size_t i = 1; i < n; i++) /* few: insertion */
        for (size_t k = i; k > 0 && tick[k - 1] > tick[k]; k--) {
            double t = tick[k];
            tick[k] = tick[k - 1];
            tick[k - 1] = t;
        }
    return n;
}

/* One scale for both directions, and room at the edges. */
static void square(frame *f)
{
    double unit = fmax((f->x.hi - f->x.lo) / f->w, (f->y.hi - f->y.lo) / f->h) * 1.08;
    double cx = 0.5 * (f->x.lo + f->x.hi), cy = 0.5 * (f->y.lo + f->y.hi);
    f->x = (range){cx - 0.5 * unit * f->w, cx + 0.5 * unit * f->w};
    f->y = (range){cy - 0.5 * unit * f->h, cy + 0.5 * unit * f->h};
}

static void axes(frame *f)
{
    const gp_panel *p = f->p;
    f->x = f->y = (range){HUGE_VAL, -HUGE_VAL};
    for (size_t k = 0; k < p->n_series; k++)
        for (size_t i = 0; i < p->series[k].n; i++) {
            const gp_series *s = &p->series[k];
            if (!drawn(p, s, i)) continue;
            widen(&f->x, along(p, s->x[i]));
            widen(&f->y, s->y[i] - deviation(s, i));
            widen(&f->y, s->y[i] + deviation(s, i));
            if (p->mark == GP_MARK_BARS) widen(&f->y, 0.0);
        }
    not_empty(&f->x, 0.5);
    not_empty(&f->y, 1.0);
    if (p->fixed_x) f->x = (range){along(p, p->x_range[0]), along(p, p->x_range[1])};
    if (p->fixed_y) f->y = (range){p->y_range[0], p->y_range[1]};
    if (p->no_axes) {
        square(f);
        return;
    }
    f->n_y = nice_ticks(f->tick_y, &f->y, fmax(2.0, f->h / 48.0), !p->fixed_y, 0.0);
    if (p->ticks_at_x)
        f->n_x = ticks_at_values(f->tick_x, p);
    else
        f->n_x = nice_ticks(f->tick_x, &f->x, fmax(2.0, f->w / 70.0), false, p->whole_x ? 1.0 : 0.0);
    double room = p->fixed_x ? 0.0 : 0.04 * (f->x.hi - f->x.lo);
    f->x = (range){f->x.lo - room, f->x.hi + room};
}

static double px(const frame *f, double x)
{
    return f->left + (along(f->p, x) - f->x.lo) / (f->x.hi - f->x.lo) * f->w;
}

static double py(const frame *f, double y)
{
    return f->top + f->h - (y - f->y.lo) / (f->y.hi - f->y.lo) * f->h;
}

static void draw_axes(gp_str *out, const frame *f)
{
    const gp_panel *p = f->p;
    double bottom = f->top + f->h;
    for (size_t i = 0; i < f->n_y; i++) {
        double y = py(f, f->tick_y[i]);
        gp_svg_line(out, f->left, y, f->left + f->w, y, "grid");
        gp_svg_number(out, f->left - 7.0, y + 4.0, "end", f->tick_y[i], f->n_y > 1 ? f->tick_y[1] - f->tick_y[0] : 1.0);
    }
    double gap = p->ticks_at_x || f->n_x < 2 ? 0.0 : f->tick_x[1] - f->tick_x[0];
    for (size_t i = 0; i < f->n_x; i++) {
        double x = px(f, f->tick_x[i]);
        gp_svg_line(out, x, bottom, x, bottom + 4.0, "axis");
        gp_svg_number(out, x, bottom + 17.0, "middle", f->tick_x[i], gap);
    }
    if (p->x_label) gp_svg_text(out, f->left + 0.5 * f->w, bottom + 36.0, "middle", "label", p->x_label);
    if (p->y_label) gp_svg_text_up(out, f->left - 46.0, f->top + 0.5 * f->h, "label", p->y_label);
}

/* ---- series ---- */

static void marker(gp_str *out, double x, double y, double r, size_t series)
{
    const char *c = palette[series % N_COLOURS];
    double s = r * 0.9;
    switch ((series % N_COLOURS + series / N_COLOURS) % N_SHAPES) {
    case 0:
        gp_str_addf(out, "<circle cx=\"%.2f\" cy=\"%.2f\" r=\"%.2f\" fill=\"%s\"/>\n", x, y, r, c);
        break;
    case 1:
        gp_str_addf(out, "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"%s\"/>\n", x - s, y - s, 2 * s, 2 * s, c);
        break;
    case 2:
        gp_str_addf(out, "<path d=\"M%.2f %.2fl%.2f %.2fh%.2fz\" fill=\"%s\"/>\n", x, y - 1.25 * r, 1.2 * r, 2.1 * r, -2.4 * r, c);
        break;
    case 3:
        gp_str_addf(out, "<path d=\"M%.2f %.2fl%.2f %.2fl%.2f %.2fl%.2f %.2fz\" fill=\"%s\"/>\n", x, y - 1.35 * r, 1.35 * r, 1.35 * r,
                    -1.35 * r, 1.35 * r, -1.35 * r, -1.35 * r, c);
        break;
    case 4:
        gp_str_addf(out, "<path d=\"M%.2f %.2fl%.2f %.2fh%.2fz\" fill=\"%s\"/>\n", x, y + 1.25 * r, 1.2 * r, -2.1 * r, -2.4 * r, c);
        break;
    default:
        gp_str_addf(out, "<path d=\"M%.2f %.2fl%.2f %.2fm0 %.2fl%.2f %.2f\" stroke=\"%s\" stroke-width=\"%.2f\" fill=\"none\"/>\n", x - s,
                    y - s, 2 * s, 2 * s, -2 * s, -2 * s, 2 * s, c, 0.6 * r);
    }
}

/* Overlapping deviations of several series stand beside each other. */
static double dodge(const frame *f, size_t series)
{
    return f->p->n_series < 2 || f->p->band ? 0.0 : ((double)series - 0.5 * (double)(f->p->n_series - 1)) * 2.5;
}

static void deviations(gp_str *out, const frame *f, const gp_series *s, size_t series)
{
    const char *c = palette[series % N_COLOURS];
    double shift = dodge(f, series);
    for (size_t i = 0; i < s->n; i++) {
        double d = deviation(s, i);
        if (!drawn(f->p, s, i) || !(d > 0.0)) continue;
        double x = px(f, s->x[i]) + shift, a = py(f, s->y[i] - d), b = py(f, s->y[i] + d);
        gp_str_addf(out, "<path d=\"M%.2f %.2fV%.2fM%.2f %.2fh7M%.2f %.2fh7\" stroke=\"%s\" stroke-width=\"1.1\" fill=\"none\"/>\n", x, a,
                    b, x - 3.5, a, x - 3.5, b, c);
    }
}

/* Each unbroken stretch is one area. */
static void band(gp_str *out, const frame *f, const gp_series *s, size_t series)
{
    for (size_t i = 0; i < s->n;) {
        size_t end = i;
        while (end < s->n && drawn(f->p, s, end)) end++;
        if (end > i + 1) {
            gp_str_addf(out, "<path fill=\"%s\" fill-opacity=\"0.16\" d=\"", palette[series % N_COLOURS]);
            for (size_t k = i; k < end; k++)
                gp_str_addf(out, "%s%.2f %.2f", k == i ? "M" : "L", px(f, s->x[k]), py(f, s->y[k] + deviation(s, k)));
            for (size_t k = end; k > i; k--) gp_str_addf(out, "L%.2f %.2f", px(f, s->x[k - 1]), py(f, s->y[k - 1] - deviation(s, k - 1)));
            gp_str_add(out, "z\"/>\n");
        }
        i = end + 1;
    }
}

static void lines(gp_str *out, const frame *f, const gp_series *s, size_t series)
{
    bool open = false, many = s->n > 40;
    if (f->p->band && s->sd)
        band(out, f, s, series);
    else
        deviations(out, f, s, series);
    gp_str_addf(out, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"%s\" stroke-linejoin=\"round\" d=\"", palette[series % N_COLOURS],
                many ? "1.5" : "1.9");
    for (size_t i = 0; i < s->n; i++) {
        bool here = drawn(f->p, s, i);
        if (here) gp_str_addf(out, "%s%.2f %.2f", open ? "L" : "M", px(f, s->x[i]) + dodge(f, series), py(f, s->y[i]));
        open = here;
    }
    gp_str_add(out, "\"/>\n");
    for (size_t i = 0; i < s->n && !many; i++)
        if (drawn(f->p, s, i)) marker(out, px(f, s->x[i]) + dodge(f, series), py(f, s->y[i]), 3.6, series);
}

/* Bars about x, as wide as the nearest two allow; the base is an outline. */
static void bars(gp_str *out, const frame *f, const gp_series *s, size_t series)
{
    double gap = f->w;
    for (size_t i = 0; i + 1 < s->n; i++) gap = fmin(gap, fabs(px(f, s->x[i + 1]) - px(f, s->x[i])));
    double w = 0.84 * gap, zero = py(f, fmax(0.0, f->y.lo));
    for (size_t i = 0; i < s->n; i++) {
        if (!drawn(f->p, s, i)) continue;
        double x = px(f, s->x[i]) - 0.5 * w, y = py(f, s->y[i]);
        gp_str_addf(out, "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"%s\" fill-opacity=\"0.75\"/>\n", x,
                    fmin(y, zero), w, fabs(zero - y), palette[series % N_COLOURS]);
        if (!s->bar_base || !isfinite(s->bar_base[i])) continue;
        double b = py(f, s->bar_base[i]);
        gp_str_addf(out, "<path d=\"M%.2f %.2fh%.2f\" stroke=\"#222\" stroke-width=\"1.4\"/>\n", x, b, w);
    }
}

static void draw_panel(gp_str *out, const frame *f, size_t number)
{
    const gp_panel *p = f->p;
    if (p->title) gp_svg_text(out, f->left + 0.5 * f->w, f->top - 9.0, "middle", "panel", p->title);
    gp_str_addf(out, "<clipPath id=\"c%zu\"><rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"/></clipPath>\n", number,
                f->left - 5.0, f->top - 5.0, f->w + 10.0, f->h + 10.0);
    if (!p->no_axes) draw_axes(out, f);
    gp_str_addf(out, "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" class=\"axis\"/>\n", f->left, f->top, f->w, f->h);
    gp_str_addf(out, "<g clip-path=\"url(#c%zu)\">\n", number);
    if (p->diagonal) {
        double lo = fmax(f->x.lo, f->y.lo), hi = fmin(f->x.hi, f->y.hi);
        gp_svg_line(out, px(f, lo), py(f, lo), px(f, hi), py(f, hi), "diagonal");
    }
    for (size_t k = 0; k < p->n_series; k++) {
        const gp_series *s = &p->series[k];
        if (p->mark == GP_MARK_LINE) lines(out, f, s, k);
        if (p->mark == GP_MARK_BARS) bars(out, f, s, k);
        if (p->mark != GP_MARK_POINTS) continue;
        gp_str_add(out, "<g fill-opacity=\"0.75\" stroke-opacity=\"0.85\">\n");
        for (size_t i = 0; i < s->n; i++)
            if (drawn(p, s, i)) marker(out, px(f, s->x[i]), py(f, s->y[i]), s->n * p->n_series > 600 ? 2.2 : 3.0, k);
        gp_str_add(out, "</g>\n");
    }
    gp_str_add(out, "</g>\n");
}

/* ---- legend ---- */

typedef struct legend {
    const gp_panel *p;
    size_t n, columns, rows;
    double column_w, h;
} legend;

static legend make_legend(const gp_figure *f, double width)
{
    legend l = {.n = 0};
    double widest = 0.0;
    for (size_t i = 0; i < f->n_panels; i++)
        if (!l.p || f->panel[i].n_series > l.p->n_series) l.p = &f->panel[i];
    for (size_t k = 0; l.p && k < l.p->n_series; k++) {
        if (!l.p->series[k].name) continue;
        l.n++;
        widest = fmax(widest, (double)gp_svg_columns(l.p->series[k].name));
    }
    if (l.n == 0 || l.n > GP_FIGURE_LEGEND) return (legend){.n = 0};
    l.column_w = fmin(width, 36.0 + CHAR_W * widest + 14.0);
    l.columns = gp_min_size(l.n, gp_max_size(1, (size_t)(width / l.column_w)));
    l.rows = (l.n + l.columns - 1) / l.columns;
    l.columns = (l.n + l.rows - 1) / l.rows; /* rows of equal length */
    l.h = LEGEND_ROW * (double)l.rows + 10.0;
    return l;
}

static void draw_legend(gp_str *out, const legend *l, double width, double top)
{
    double left = 0.5 * (width - l->column_w * (double)l->columns);
    size_t at = 0;
    for (size_t k = 0; k < (l->n ? l->p->n_series : 0); k++) {
        if (!l->p->series[k].name) continue;
        double x = left + l->column_w * (double)(at % l->columns), y = top + LEGEND_ROW * ((double)(at / l->columns) + 0.7);
        if (l->p->mark == GP_MARK_LINE)
            gp_str_addf(out, "<path d=\"M%.2f %.2fh24\" stroke=\"%s\" stroke-width=\"1.9\"/>\n", x, y, palette[k % N_COLOURS]);
        if (l->p->mark == GP_MARK_BARS)
            gp_str_addf(out, "<rect x=\"%.2f\" y=\"%.2f\" width=\"18\" height=\"9\" fill=\"%s\" fill-opacity=\"0.75\"/>\n", x + 3.0,
                        y - 5.0, palette[k % N_COLOURS]);
        else
            marker(out, x + 12.0, y, 3.8, k);
        gp_svg_text(out, x + 31.0, y + 4.0, "start", "label", l->p->series[k].name);
        at++;
    }
}

/* ---- figure ---- */

static size_t note_lines(const char *note)
{
    size_t n = note && *note ? 1 : 0;
    for (; n && *note; note++) n += *note == '\n' && note[1];
    return n;
}

static void draw_note(gp_str *out, const char *note, double x, double y)
{
    while (note && *note) {
        size_t len = strcspn(note, "\n");
        gp_str line = {0};
        gp_str_addn(&line, note, len);
        if (line.failed)
            out->failed = true;
        else
            gp_svg_text(out, x, y, "start", "note", line.s);
        gp_str_free(&line);
        y += 15.0;
        note += len + (note[len] == '\n');
    }
}

void gp_figure_svg(gp_str *out, const gp_figure *f)
{
    double w = f->panel_width > 0.0 ? f->panel_width : PANEL_W, h = f->panel_height > 0.0 ? f->panel_height : PANEL_H;
    size_t columns = f->columns ? gp_min_size(f->columns, f->n_panels) : f->n_panels;
    if (columns == 0) columns = 1;
    size_t rows = (f->n_panels + columns - 1) / columns;
    bool bare = f->n_panels > 0, labelled = false;
    for (size_t i = 0; i < f->n_panels; i++) {
        bare = bare && f->panel[i].no_axes;
        labelled = labelled || f->panel[i].title;
    }
    double left = bare ? 8.0 : LEFT, bottom = bare ? 8.0 : BOTTOM, above = labelled ? TOP : 12.0;
    double cell_w = left + w + RIGHT, cell_h = above + h + bottom, head = f->title ? TITLE_H : MARGIN;
    double width = 2.0 * MARGIN + cell_w * (double)columns;
    if (f->title) width = fmax(width, 2.0 * MARGIN + 9.0 * (double)gp_svg_columns(f->title));
    legend l = make_legend(f, width - 2.0 * MARGIN);
    double under = head + cell_h * (double)rows, height = under + l.h + 15.0 * (double)note_lines(f->note) + MARGIN;
    gp_svg_open(out, width, height, f->title);
    if (f->title) gp_svg_text(out, 0.5 * width, 23.0, "middle", "title", f->title);
    double shift = 0.5 * (width - 2.0 * MARGIN - cell_w * (double)columns);
    for (size_t i = 0; i < f->n_panels; i++) {
        frame fr = {.p = &f->panel[i], .w = w, .h = h};
        fr.left = MARGIN + shift + cell_w * (double)(i % columns) + left;
        fr.top = head + cell_h * (double)(i / columns) + above;
        axes(&fr);
        draw_panel(out, &fr, i);
    }
    draw_legend(out, &l, width, under);
    draw_note(out, f->note, MARGIN + 4.0, under + l.h + 12.0);
    gp_svg_close(out);
}

/* svg_chart.h - charts as SVG text: lines with markers and deviations, scatter plots, several panels with one legend.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_SVG_CHART_H
#define GP_SVG_CHART_H

#include "base/str.h"

/* What one series of a panel shows. Colour and marker follow from its place among the series of the panel, the same in every panel. */
typedef struct gp_series {
    const char *name;       /* in the legend; any UTF-8 text; NULL: not in the legend */
    const double *x, *y;    /* [n]; a point that is not finite is left out and breaks the line */
    const double *sd;       /* [n] half-width of the deviation about y; not finite or 0: none; may be NULL */
    const double *bar_base; /* [n] with bars: a height of its own, drawn as a stroke across the bar; may be NULL */
    size_t n;
} gp_series;

typedef enum gp_mark { GP_MARK_LINE, GP_MARK_POINTS, GP_MARK_BARS } gp_mark;

typedef struct gp_panel {
    const char *title, *x_label, *y_label; /* NULL: none */
    const gp_series *series;
    size_t n_series;
    gp_mark mark;
    bool band;             /* deviations as a band instead of bars */
    bool log2_x;           /* x > 0 at distances of its logarithm (tokens, shots) */
    bool whole_x;          /* no ticks between whole numbers (epochs) */
    bool ticks_at_x;       /* a tick at every x that occurs instead of round numbers */
    bool no_axes;          /* coordinates without meaning (t-SNE): a frame only, one scale for both directions */
    bool diagonal;         /* the line y = x (reliability) */
    bool fixed_x, fixed_y; /* the range is x_range, y_range; otherwise that of the data with deviations */
    double x_range[2], y_range[2];
} gp_panel;

#define GP_FIGURE_LEGEND 96 /* a panel with more named series has no legend */

typedef struct gp_figure {
    const char *title, *note; /* above and below the panels; NULL: none; a note may have several lines */
    const gp_panel *panel;
    size_t n_panels, columns;         /* columns 0: all in one row */
    double panel_width, panel_height; /* pixels of the plotting area; 0: 420 x 300 */
} gp_figure;

/* Appends a whole SVG document; the legend is that of the panel with the most series. Same bytes for the same numbers. */
void gp_figure_svg(gp_str *out, const gp_figure *f);

/* Accuracy over one setting (Figure 2: the number of context tokens; shots): per method or start a line with means and deviations over
 * seeds, in per cent; NaN where a run is missing. */
typedef struct gp_study_line {
    const char *name;
    const double *base, *novel, *hm;          /* [n] */
    const double *base_sd, *novel_sd, *hm_sd; /* [n] or NULL */
} gp_study_line;

typedef struct gp_study {
    const char *title, *setting, *note; /* setting: "context tokens M"; note may be NULL */
    const double *value;                /* [n] of the setting, positive, ascending */
    size_t n;
    const gp_study_line *line;
    size_t n_lines; /* one: base, new and HM in one panel; several: a panel for each of the three */
} gp_study;

void gp_study_svg(gp_str *out, const gp_study *s);

#endif

/* svg_study.c - accuracy over one setting as a figure (Figure 2; shots).
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "report/svg_chart.h"

static const char *const quantity[3] = {"base classes", "new classes", "harmonic mean"};

static gp_series series_of(const gp_study *s, const gp_study_line *l, int what, const char *name)
{
    const double *const mean[3] = {l->base, l->novel, l->hm}, *const sd[3] = {l->base_sd, l->novel_sd, l->hm_sd};
    return (gp_series){.name = name, .x = s->value, .y = mean[what], .sd = sd[what], .n = s->n};
}

void gp_study_svg(gp_str *out, const gp_study *s)
{
    bool one = s->n_lines <= 1, log2_x = s->n > 0 && s->value[0] > 0.0;
    size_t panels = one ? 1 : 3;
    gp_series *series = calloc(3 * (s->n_lines + 1), sizeof *series);
    gp_panel panel[3] = {{0}};
    if (!series) {
        out->failed = true;
        return;
    }
    for (size_t p = 0; p < panels; p++) {
        panel[p] = (gp_panel){.series = series + p * s->n_lines, .n_series = one ? 3 * s->n_lines : s->n_lines, .mark = GP_MARK_LINE};
        panel[p].title = one ? NULL : quantity[p];
        panel[p].x_label = s->setting;
        panel[p].y_label = p == 0 ? "accuracy, %" : NULL;
        panel[p].log2_x = log2_x;
        panel[p].ticks_at_x = true;
    }
    for (size_t l = 0; l < s->n_lines; l++)
        for (int q = 0; q < 3; q++) series[(size_t)q * s->n_lines + l] = series_of(s, &s->line[l], q, one ? quantity[q] : s->line[l].name);
    gp_figure f = {.title = s->title, .note = s->note, .panel = panel, .n_panels = panels};
    f.panel_width = one ? 460.0 : 280.0;
    f.panel_height = one ? 320.0 : 260.0;
    gp_figure_svg(out, &f);
    free(series);
}

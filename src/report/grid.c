/* grid.c - see grid.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/grid.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct cell {
    char text[96];
    bool best;
} cell;

struct gp_grid {
    size_t n_columns, n_keep, n_rows;
    cell *head, *at; /* at [n_rows][n_columns] */
    bool *rule;
    bool failed;
};

gp_grid *gp_grid_create(size_t n_columns, size_t n_keep)
{
    gp_grid *g = calloc(1, sizeof *g);
    if (!g) return NULL;
    g->n_columns = n_columns;
    g->n_keep = n_keep;
    g->head = calloc(n_columns, sizeof *g->head);
    if (!g->head) gp_grid_free(&g);
    return g;
}

void gp_grid_free(gp_grid **g)
{
    if (!g || !*g) return;
    free((*g)->head);
    free((*g)->at);
    free((*g)->rule);
    free(*g);
    *g = NULL;
}

void gp_grid_head(gp_grid *g, size_t column, const char *text)
{
    if (g) snprintf(g->head[column].text, sizeof g->head[column].text, "%s", text);
}

void gp_grid_row(gp_grid *g, bool rule)
{
    if (!g || g->failed) return;
    cell *at = realloc(g->at, (g->n_rows + 1) * g->n_columns * sizeof *at);
    if (at) g->at = at;
    bool *rules = at ? realloc(g->rule, (g->n_rows + 1) * sizeof *rules) : NULL;
    if (rules) g->rule = rules;
    if (!at || !rules) {
        g->failed = true;
        return;
    }
    memset(g->at + g->n_rows * g->n_columns, 0, g->n_columns * sizeof *g->at);
    g->rule[g->n_rows++] = rule;
}

static cell *last(gp_grid *g, size_t column)
{
    return g && !g->failed && g->n_rows > 0 ? &g->at[(g->n_rows - 1) * g->n_columns + column] : NULL;
}

void gp_grid_set(gp_grid *g, size_t column, const char *fmt, ...)
{
    cell *c = last(g, column);
    va_list ap;
    if (!c) return;
    va_start(ap, fmt);
    vsnprintf(c->text, sizeof c->text, fmt, ap);
    va_end(ap);
    gp_whole_text(c->text);
}

void gp_grid_best(gp_grid *g, size_t column)
{
    cell *c = last(g, column);
    if (c) c->best = true;
}

/* Display width of UTF-8 text, one column per code point. */
static size_t columns(const char *s)
{
    size_t n = 0;
    for (; *s; s++) n += ((unsigned char)*s & 0xC0) != 0x80;
    return n;
}

/* A LaTeX user may have no fonts beyond Latin: what these cannot show is a question mark, never an error. */
void gp_latex_escape(gp_str *out, const char *text)
{
    for (const unsigned char *s = (const unsigned char *)text; *s; s++) {
        if (strchr("&%$#_{}", *s))
            gp_str_addf(out, "\\%c", *s);
        else if (*s == '~' || *s == '^')
            gp_str_addf(out, "\\%c{}", *s);
        else if (*s == '\\')
            gp_str_add(out, "\\textbackslash{}");
        else if (*s == '<' || *s == '>')
            gp_str_addf(out, "$%c$", *s);
        else if (s[0] == 0xC2 && s[1] == 0xB1) { /* plus-minus */
            gp_str_add(out, "$\\pm$");
            s++;
        } else if (*s < 0x80) {
            gp_str_addn(out, (const char *)s, 1);
        } else if (*s == 0xC3 && s[1] >= 0x80 && s[1] != 0x97 && s[1] != 0xB7) { /* letters of Latin-1 */
            gp_str_addn(out, (const char *)s, 2);
            s++;
        } else {
            gp_str_add(out, "?");
            while ((s[1] & 0xC0) == 0x80) s++;
        }
    }
}

static void add_cell(gp_str *out, const cell *c, gp_table_style style)
{
    if (style == GP_TABLE_LATEX) {
        if (c->best) gp_str_add(out, "\\textbf{");
        gp_latex_escape(out, c->text);
        if (c->best) gp_str_add(out, "}");
    } else if (style == GP_TABLE_MARKDOWN) {
        const char *mark = c->best ? "**" : "";
        gp_str_add(out, mark);
        for (const char *s = c->text; *s; s++) {
            if (*s == '|' || (*s == '*' && !c->best)) gp_str_add(out, "\\");
            gp_str_addn(out, s, 1);
        }
        gp_str_add(out, mark);
    } else {
        gp_str_add(out, c->text);
        if (c->best) gp_str_add(out, "*");
    }
}

/* Some columns of the grid, which stand side by side. */
typedef struct panel {
    size_t *column, n;
} panel;

typedef struct layout {
    size_t *width;
    bool *mark; /* a column with a best cell: the others get a space where that has its mark */
} layout;

static const cell *cell_at(const gp_grid *g, size_t row, size_t column)
{
    return &g->at[row * g->n_columns + column];
}

static void measure(layout *l, const gp_grid *g, gp_table_style style)
{
    for (size_t c = 0; c < g->n_columns; c++) {
        size_t w = columns(g->head[c].text);
        l->mark[c] = false;
        for (size_t r = 0; r < g->n_rows; r++) l->mark[c] = l->mark[c] || cell_at(g, r, c)->best;
        for (size_t r = 0; r < g->n_rows; r++) {
            gp_str b = {0};
            add_cell(&b, cell_at(g, r, c), style);
            size_t own = b.s ? columns(b.s) : 0;
            if (style == GP_TABLE_TEXT && l->mark[c] && !cell_at(g, r, c)->best) own++;
            w = gp_max_size(w, own);
            gp_str_free(&b);
        }
        l->width[c] = w;
    }
}

static void line(gp_str *out, const gp_grid *g, const panel *p, const layout *l, const cell *row, gp_table_style style)
{
    gp_str b = {0};
    if (style == GP_TABLE_MARKDOWN) gp_str_add(&b, "| ");
    for (size_t i = 0; i < p->n; i++) {
        size_t c = p->column[i];
        gp_str one = {0};
        gp_str_add(&one, "");
        add_cell(&one, &row[c], style);
        if (style == GP_TABLE_TEXT && l->mark[c] && !row[c].best && c >= g->n_keep) gp_str_add(&one, " ");
        size_t n = one.s ? columns(one.s) : 0;
        if (i > 0) gp_str_add(&b, style == GP_TABLE_LATEX ? " & " : style == GP_TABLE_MARKDOWN ? " | " : "  ");
        for (size_t k = n; c >= g->n_keep && style != GP_TABLE_LATEX && k < l->width[c]; k++) gp_str_add(&b, " ");
        gp_str_add(&b, one.s ? one.s : "");
        for (size_t k = n; c < g->n_keep && style != GP_TABLE_LATEX && k < l->width[c]; k++) gp_str_add(&b, " ");
        gp_str_free(&one);
    }
    while (style == GP_TABLE_TEXT && b.len > 0 && b.s[b.len - 1] == ' ') b.s[--b.len] = '\0';
    gp_str_add(&b, style == GP_TABLE_LATEX ? " \\\\\n" : style == GP_TABLE_MARKDOWN ? " |\n" : "\n");
    if (b.s) gp_str_add(out, b.s);
    gp_str_free(&b);
}

static void rule(gp_str *out, const gp_grid *g, const panel *p, const layout *l, gp_table_style style, bool first)
{
    if (style == GP_TABLE_LATEX) {
        gp_str_add(out, "\\hline\n");
    } else if (style == GP_TABLE_TEXT) {
        size_t n = 0;
        for (size_t i = 0; i < p->n; i++) n += l->width[p->column[i]] + (i > 0 ? 2 : 0);
        for (; n > 0; n--) gp_str_add(out, "-");
        gp_str_add(out, "\n");
    } else if (first) {
        gp_str_add(out, "|");
        for (size_t i = 0; i < p->n; i++) {
            size_t c = p->column[i];
            for (size_t k = 0; k < l->width[c] + 1; k++) gp_str_add(out, "-");
            gp_str_add(out, c < g->n_keep ? "-|" : ":|");
        }
        gp_str_add(out, "\n");
    }
}

/* A row that says nothing in a panel is left out of it. */
static bool says_nothing(const gp_grid *g, const panel *p, size_t row)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->column[i] >= g->n_keep && cell_at(g, row, p->column[i])->text[0] != '\0') return false;
    return true;
}

static void write_panel(gp_str *out, const gp_grid *g, const panel *p, const layout *l, gp_table_style style)
{
    if (style == GP_TABLE_LATEX) {
        gp_str_add(out, "\\begin{tabular}{");
        for (size_t i = 0; i < p->n; i++) gp_str_add(out, p->column[i] < g->n_keep ? "l" : "r");
        gp_str_add(out, "}\n\\hline\n");
    }
    line(out, g, p, l, g->head, style);
    rule(out, g, p, l, style, true);
    for (size_t r = 0; r < g->n_rows; r++) {
        if (g->rule[r]) rule(out, g, p, l, style, false);
        if (says_nothing(g, p, r)) continue;
        line(out, g, p, l, &g->at[r * g->n_columns], style);
    }
    if (style == GP_TABLE_LATEX) gp_str_add(out, "\\hline\n\\end{tabular}\n");
}

static void write_panels(gp_str *out, const gp_grid *g, const layout *l, panel p, gp_table_style style, size_t max_width,
                         size_t max_columns)
{
    bool more = false;
    for (size_t c = g->n_keep; c < g->n_columns;) {
        size_t width = 0;
        for (p.n = 0; p.n < g->n_keep; p.n++) {
            p.column[p.n] = p.n;
            width += l->width[p.n] + 2;
        }
        do {
            width += l->width[c] + 2;
            p.column[p.n++] = c++;
        } while (c < g->n_columns && !(style == GP_TABLE_TEXT && max_width && width + l->width[c] > max_width) &&
                 !(style == GP_TABLE_LATEX && max_columns && p.n >= max_columns));
        if (more) gp_str_add(out, style == GP_TABLE_LATEX ? "\n\\smallskip\n\n" : "\n");
        write_panel(out, g, &p, l, style);
        more = true;
    }
}

void gp_grid_write(gp_str *out, const gp_grid *g, gp_table_style style, size_t max_width, size_t max_columns)
{
    size_t n = g ? g->n_columns : 1;
    layout l = {.width = calloc(n, sizeof *l.width), .mark = calloc(n, sizeof *l.mark)};
    panel p = {.column = calloc(n, sizeof *p.column)};
    if (g && !g->failed && l.width && l.mark && p.column) {
        measure(&l, g, style);
        write_panels(out, g, &l, p, style, max_width, max_columns);
    } else {
        out->failed = true;
    }
    free(l.width);
    free(l.mark);
    free(p.column);
}

void gp_paragraph(gp_str *out, const char *text, gp_table_style style)
{
    enum { WIDTH = 120 };
    if (style == GP_TABLE_LATEX) {
        gp_latex_escape(out, text);
        return;
    }
    size_t at = 0;
    while (*text) {
        size_t n = strcspn(text, " ");
        char word[512];
        snprintf(word, sizeof word, "%.*s", (int)gp_min_size(n, sizeof word - 1), text);
        size_t w = columns(word);
        if (at > 0 && at + 1 + w > WIDTH && style == GP_TABLE_TEXT) {
            gp_str_add(out, "\n");
            at = 0;
        }
        if (at > 0) gp_str_add(out, " ");
        gp_str_addn(out, text, n);
        at += w + (at > 0);
        text += n + (text[n] == ' ');
    }
    gp_str_add(out, "\n");
}

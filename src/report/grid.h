/* grid.h - a table of short texts, drawn for a terminal, as Markdown or as LaTeX.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_GRID_H
#define GP_GRID_H

#include "base/str.h"

typedef enum gp_table_style { GP_TABLE_TEXT, GP_TABLE_MARKDOWN, GP_TABLE_LATEX } gp_table_style;

/* The first n_keep columns are to the left and are repeated when a wide table is cut into panels. Out of memory is sticky. */
typedef struct gp_grid gp_grid;
gp_grid *gp_grid_create(size_t n_columns, size_t n_keep); /* NULL when out of memory; the other functions accept that */
void gp_grid_free(gp_grid **g);
void gp_grid_head(gp_grid *g, size_t column, const char *text);
void gp_grid_row(gp_grid *g, bool rule); /* begins a row, after a horizontal line if asked; its cells are empty */
void gp_grid_set(gp_grid *g, size_t column, const char *fmt, ...) GP_PRINTF(3, 4);
void gp_grid_best(gp_grid *g, size_t column); /* of the row begun last */

/* Text: panels of at most max_width columns of the terminal; LaTeX: tabulars of at most max_columns columns. 0: no limit. */
void gp_grid_write(gp_str *out, const gp_grid *g, gp_table_style style, size_t max_width, size_t max_columns);

/* A paragraph: wrapped at 120 columns as text, escaped as LaTeX. */
void gp_paragraph(gp_str *out, const char *text, gp_table_style style);
void gp_latex_escape(gp_str *out, const char *text);

#endif

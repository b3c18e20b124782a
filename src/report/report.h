/* report.h - a protocol's results as tables on a terminal, as Markdown, LaTeX, CSV and JSON.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_REPORT_H
#define GP_REPORT_H

#include "eval/ablate.h"
#include "eval/results.h"
#include "report/grid.h"

/* Every function appends to out; out of memory is sticky in it. */
void gp_report_tables(gp_str *out, const gp_results *r, gp_table_style style); /* caption, accuracies, other measures, failures */
void gp_report_csv(gp_str *out, const gp_results *r);       /* a line per dataset, entry and seed, their means, the averages */
void gp_report_cost_csv(gp_str *out, const gp_results *r);  /* what depends on the machine */
void gp_report_chart_csv(gp_str *out, const gp_results *r); /* averages over an ablation's axis; empty without one */
void gp_report_chart_svg(gp_str *out, const gp_results *r); /* the same, drawn */
gopro_status gp_report_per_class_csv(gp_str *out, const gp_results *r, gopro_error *err);
gopro_status gp_report_json(gp_str *out, const gp_results *r, gopro_error *err); /* full precision, schema 2 */

/* report.txt, .md, .tex, .csv, per_class.csv, cost.csv, result.json and, with an axis, chart.csv, chart.svg in the plan's folder. */
gopro_status gp_report_write(const gp_results *r, gopro_error *err);

void gp_csv_field(gp_str *out, const char *s); /* quoted when it must be */

/* The name of an entry in machine-readable files: the method in a protocol, the title in an ablation. */
const char *gp_model_selection(const gp_results *r); /* how the epoch of every run was chosen */
const char *gp_entry_key(const gp_results *r, size_t entry);
bool gp_ablation(const gp_results *r);
bool gp_no_new(const gp_results *r); /* an entry has base accuracy only */

void gp_csv_number(gp_str *out, double v); /* ",v"; nothing behind the comma for what is not finite */

/* false: the dataset (by folder name, such as oxford_pets) or the method is none of the published ones */
bool gp_published_b2n(double *base, double *novel, const char *dataset, const char *method);
bool gp_published_field(const char *const *dataset, size_t n); /* exactly the eleven datasets of the field */
bool gp_published_b2n_average(double v[3], const char *const *dataset, size_t n, const char *method); /* of these: base, new, HM */
bool gp_published_losses(double v[3], const char *title);                                             /* the same of an ablation's row */
bool gp_published_transfer(double *accuracy, const char *source, const char *dataset, const char *method);
/* of the ten other datasets of the field, or of the four ImageNet variants */
bool gp_published_average(double *accuracy, const char *source, const char *const *target, size_t n, const char *method);

/* parts of the tables, table_*.c */
void gp_table_caption(gp_str *out, const gp_results *r, gp_table_style style);
void gp_table_b2n(gp_str *out, const gp_results *r, gp_table_style style);
void gp_table_b2n_latex(gp_str *out, const gp_results *r);
void gp_table_transfer(gp_str *out, const gp_results *r, gp_table_style style);
void gp_table_measures(gp_str *out, const gp_results *r, gp_table_style style);

/* one cell: "48.22 ±0.44", "61.00 (1 FAILED)", "-" */
void gp_cell_text(char out[64], const gp_results *r, size_t entry, const gp_row *row, size_t split);
void gp_p_text(char out[16], double p);
void gp_cost_cells(gp_grid *g, size_t column, const gp_cost *c); /* seconds, MiB, parameters in three columns */

#endif

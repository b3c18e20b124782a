/* report.h - a protocol's results as a table on a terminal, as Markdown, CSV and JSON.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_REPORT_H
#define GP_REPORT_H

#include "base/str.h"
#include "eval/protocol.h"

typedef enum gp_table_style { GP_TABLE_TEXT, GP_TABLE_MARKDOWN } gp_table_style;

/* Every function appends to out; out of memory is sticky in it. */
void gp_report_table(gp_str *out, const gp_b2n *t, gp_table_style style);
void gp_report_csv(gp_str *out, const gp_b2n *t);                            /* one line per dataset, method and seed, and the averages */
gopro_status gp_report_json(gp_str *out, const gp_b2n *t, gopro_error *err); /* full precision, schema 1 */

/* report.txt, report.md, report.csv, result.json in a folder. */
gopro_status gp_report_write(const char *folder, const gp_b2n *t, gopro_error *err);

/* false: the dataset (by folder name, such as oxford_pets) or the method is none of the published ones */
bool gp_published_b2n(double *base, double *novel, const char *dataset, const char *method);

const char *gp_method_title(const char *method); /* "CLIP" for zeroshot */

#endif

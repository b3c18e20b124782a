/* atlas_report.h - embeddings laid out in the plane as a figure, as coordinates and as numbers.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_ATLAS_REPORT_H
#define GP_ATLAS_REPORT_H

#include "base/str.h"
#include "eval/atlas.h"

void gp_atlas_text(gp_str *out, const gp_atlas *m); /* a line per run */
gopro_status gp_atlas_svg(gp_str *out, const gp_atlas *m, gopro_error *err);
void gp_atlas_csv(gp_str *out, const gp_atlas *m); /* run,method,image,label,class,x,y */
gopro_status gp_atlas_json(gp_str *out, const gp_atlas *m, gopro_error *err);
gopro_status gp_atlas_write(const char *folder, const gp_atlas *m, gopro_error *err); /* tsne.svg, tsne.csv, tsne.json */

#endif

/* curves.h - how training went, and how well confidence meets accuracy, as figures.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_CURVES_H
#define GP_CURVES_H

#include "base/error.h"
#include "base/str.h"
#include "eval/metrics.h"

/* Loss and training accuracy over epochs from the metrics.jsonl of run folders: one run with the terms of its loss, several with the whole
 * loss of each. DATA error naming file and line. */
gopro_status gp_curves_svg(gp_str *out, const char *const *run, size_t n, gopro_error *err);

/* Reliability diagram of the bins that the ECE is made of: accuracy as a bar, mean confidence as a stroke, the share of images below. */
void gp_reliability_svg(gp_str *out, const gp_metrics *m, const char *title);

#endif

/* zeroshot.h - class features from hand-written prompts (METHODS 3.1), and how well they fit images (5.7).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_ZEROSHOT_H
#define GP_ZEROSHOT_H

#include "train/backbone.h"

/* text [K, embed], unit rows: per template encode and normalise; average; normalise. */
gopro_status gp_zeroshot_text(gp_real *text, const gp_backbone *b, const char *const *class_name, size_t K, const char *const *tmpl,
                              size_t n_tmpl, gopro_error *err);
/* logits [n, K] = s <n(feat_i), text_k>; feat [n, embed] raw */
void gp_zeroshot_logits(gp_real *logits, const gp_real *feat, size_t n, const gp_real *text, size_t K, size_t embed, double s);

/* Cross-entropy of labels under scale * cosine, cosine [n, K]. */
double gp_scaled_ce(const gp_real *cosine, const uint32_t *label, size_t n, size_t K, double scale);
/* The scale in [0.01, 1000] that minimises it (golden section on its logarithm: the function is convex in the scale, so unimodal). */
double gp_best_scale(const gp_real *cosine, const uint32_t *label, size_t n, size_t K);

#endif

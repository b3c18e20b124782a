/* metrics.h - what a classifier's logits are worth (METHODS 5.6), and calibration.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_METRICS_H
#define GP_METRICS_H

#include "base/error.h"
#include "base/real.h"

#define GP_ECE_BINS 15

/* Sums over images; add batches in any number. */
typedef struct gp_metrics {
    size_t K, n, correct;
    size_t *truth, *predicted, *hit; /* [K] */
    double nll, brier;               /* sums */
    double bin_n[GP_ECE_BINS], bin_confidence[GP_ECE_BINS], bin_correct[GP_ECE_BINS];
} gp_metrics;

gopro_status gp_metrics_init(gp_metrics *m, size_t K, gopro_error *err);
void gp_metrics_free(gp_metrics *m);
/* logits [n, K]; prediction = argmax, ties to the smallest index; probabilities = softmax */
void gp_metrics_add(gp_metrics *m, const gp_real *logits, const uint32_t *label, size_t n);

/* In per cent, except nll and brier. */
typedef struct gp_scores {
    size_t n, K, correct;
    double accuracy, macro_f1, class_mean; /* class_mean: mean accuracy over the classes present */
    double ece, nll, brier;
} gp_scores;
void gp_metrics_scores(gp_scores *s, const gp_metrics *m);
double gp_metrics_class_accuracy(const gp_metrics *m, size_t k); /* per cent, NaN if class k has no image */

double gp_harmonic_mean(double base, double novel); /* 0 if both are 0 */

/* Over seeds: mean, population deviation, half-width of the 95 % interval 1.96 sd / sqrt n. */
typedef struct gp_spread {
    double mean, sd, ci95;
    size_t n;
} gp_spread;
gp_spread gp_over_seeds(const double *v, size_t n);

#endif

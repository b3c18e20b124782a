/* metrics.c - see metrics.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

gopro_status gp_metrics_init(gp_metrics *m, size_t K, gopro_error *err)
{
    memset(m, 0, sizeof *m);
    m->K = K;
    m->truth = calloc(K ? 3 * K : 1, sizeof *m->truth);
    if (!m->truth) return gp_fail_nomem(err, 3 * K * sizeof *m->truth, "metrics");
    m->predicted = m->truth + K;
    m->hit = m->predicted + K;
    return GOPRO_OK;
}

void gp_metrics_free(gp_metrics *m)
{
    free(m->truth);
    m->truth = m->predicted = m->hit = NULL;
}

static void add_one(gp_metrics *m, const gp_real *l, uint32_t y)
{
    size_t best = 0;
    for (size_t k = 1; k < m->K; k++)
        if (l[k] > l[best]) best = k;
    double sum = 0.0, sq = 0.0;
    for (size_t k = 0; k < m->K; k++) sum += exp((double)l[k] - (double)l[best]);
    for (size_t k = 0; k < m->K; k++) {
        double p = exp((double)l[k] - (double)l[best]) / sum, t = k == y ? 1.0 : 0.0;
        sq += (p - t) * (p - t);
    }
    bool right = best == y;
    double confidence = 1.0 / sum;
    size_t bin = (size_t)(confidence * GP_ECE_BINS);
    if (bin >= GP_ECE_BINS) bin = GP_ECE_BINS - 1;
    m->bin_n[bin] += 1.0;
    m->bin_confidence[bin] += confidence;
    m->bin_correct[bin] += right ? 1.0 : 0.0;
    m->nll += log(sum) + (double)l[best] - (double)l[y];
    m->brier += sq;
    m->n++;
    m->truth[y]++;
    m->predicted[best]++;
    m->correct += right;
    m->hit[y] += right;
}

void gp_metrics_add(gp_metrics *m, const gp_real *logits, const uint32_t *label, size_t n)
{
    for (size_t i = 0; i < n; i++) add_one(m, logits + i * m->K, label[i]);
}

double gp_metrics_class_accuracy(const gp_metrics *m, size_t k)
{
    return m->truth[k] ? 100.0 * (double)m->hit[k] / (double)m->truth[k] : (double)NAN;
}

void gp_metrics_scores(gp_scores *s, const gp_metrics *m)
{
    memset(s, 0, sizeof *s);
    s->n = m->n;
    s->K = m->K;
    s->correct = m->correct;
    if (m->n == 0) return;
    double n = (double)m->n, present = 0.0;
    for (size_t k = 0; k < m->K; k++) {
        if (m->truth[k] == 0) continue; /* only classes of the ground truth count */
        present += 1.0;
        s->macro_f1 += 200.0 * (double)m->hit[k] / (double)(m->truth[k] + m->predicted[k]);
        s->class_mean += gp_metrics_class_accuracy(m, k);
    }
    s->macro_f1 /= present;
    s->class_mean /= present;
    s->accuracy = 100.0 * (double)m->correct / n;
    for (size_t b = 0; b < GP_ECE_BINS; b++) s->ece += 100.0 * fabs(m->bin_correct[b] - m->bin_confidence[b]) / n;
    s->nll = m->nll / n;
    s->brier = m->brier / n;
}

double gp_harmonic_mean(double base, double novel)
{
    return base + novel > 0.0 ? 2.0 * base * novel / (base + novel) : 0.0;
}

gp_spread gp_over_seeds(const double *v, size_t n)
{
    gp_spread s = {.n = n};
    if (n == 0) return s;
    for (size_t i = 0; i < n; i++) s.mean += v[i];
    s.mean /= (double)n;
    double sq = 0.0;
    for (size_t i = 0; i < n; i++) sq += (v[i] - s.mean) * (v[i] - s.mean);
    s.sd = sqrt(sq / (double)n);
    s.ci95 = 1.96 * s.sd / sqrt((double)n);
    return s;
}

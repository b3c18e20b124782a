/* tsne.h - t-SNE of image embeddings, with the settings of METHODS 3.9 (D14): exact up to a number of points, Barnes-Hut above.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_TSNE_H
#define GP_TSNE_H

#include "base/pool.h"
#include "features/progress.h"

typedef struct gp_tsne_config {
    double perplexity;   /* 30; taken down to a third of the neighbours there are */
    size_t iterations;   /* 1000 */
    size_t early;        /* 250: iterations with exaggeration and the first momentum */
    double exaggeration; /* 12 */
    double momentum[2];  /* 0.5 early, then 0.8 */
    double rate;         /* 0: max(n / 48, 50) */
    double theta;        /* 0.5: a cell counts as one point when its side is below theta times its distance */
    size_t exact_max;    /* 2000 points; above: Barnes-Hut with the 3 perplexity nearest neighbours */
    uint64_t seed;
} gp_tsne_config;

gp_tsne_config gp_tsne_defaults(void);

/* y [n, 2] of points x [n, d]; *kl: the divergence reached. Same bytes for any number of threads. INVALID for fewer than four points. */
gopro_status gp_tsne(double *y, double *kl, const float *x, size_t n, size_t d, const gp_tsne_config *c, gp_pool *pool, const gp_watch *w,
                     gopro_error *err);

/* Mean silhouette of points x [n, d] with Euclidean distances; 0 for a point alone in its class. NaN with fewer than two classes. */
gopro_status gp_silhouette(double *score, const double *x, size_t n, size_t d, const uint32_t *label, gp_pool *pool, gopro_error *err);

#endif

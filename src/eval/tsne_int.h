/* tsne_int.h - the parts of t-SNE: affinities, gradients, the quadtree.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_TSNE_INT_H
#define GP_TSNE_INT_H

#include "eval/tsne.h"

#define GP_TSNE_BLOCK 32 /* points of a parallel block: sums are added per point, in order */

/* Joint probabilities, symmetric, sum 1: rows of the points' neighbours in ascending order, or dense [n, n]. */
typedef struct gp_affinity {
    size_t n;
    double *dense;    /* NULL: sparse */
    size_t *start;    /* [n + 1] */
    uint32_t *col;    /* [start[n]] */
    double *p;        /* [start[n]] */
    double plogp;     /* sum of p ln p, the constant part of the divergence */
    double effective; /* the perplexity used */
} gp_affinity;

/* neighbours 0: every pair (dense) */
gopro_status gp_affinity_make(gp_affinity *a, const float *x, size_t n, size_t d, double perplexity, size_t neighbours, gp_pool *pool,
                              gopro_error *err);
void gp_affinity_free(gp_affinity *a);

/* Scratch of the gradient, made once. */
typedef struct gp_tsne_work {
    size_t n;
    double *x, *y;                    /* [n + 7] coordinates apart, padded */
    double *attract, *repel, *z, *kl; /* [2n], [2n], [n], [n] */
    struct gp_cell *cell;
    size_t n_cells, cap;
    uint32_t *order, *spare; /* [n] */
} gp_tsne_work;
gopro_status gp_tsne_work_make(gp_tsne_work *w, size_t n, gopro_error *err);
void gp_tsne_work_free(gp_tsne_work *w);

/* g [n, 2] = gradient of KL(exaggeration P || Q) at y [n, 2]; kl, if not NULL: KL(P || Q). theta > 0 or sparse P: Barnes-Hut. */
gopro_status gp_tsne_gradient(double *g, double *kl, const gp_affinity *a, const double *y, double exaggeration, double theta,
                              gp_tsne_work *w, gp_pool *pool, gopro_error *err);

/* A cell of the quadtree: its points are order[first .. first + n - 1]. */
typedef struct gp_cell {
    double mx, my, side; /* centre of mass, side of the square */
    uint32_t first, n;
    uint32_t child[4]; /* 0: none */
    bool leaf;
} gp_cell;
gopro_status gp_tree_build(gp_tsne_work *w, gopro_error *err); /* of w->x, w->y */
/* Sums over all points j but i of q (y_i - y_j) q and of q, q = 1 / (1 + |y_i - y_j|^2). */
void gp_tree_repel(double force[2], double *z, const gp_tsne_work *w, size_t i, double theta);

/* y [n, 2]: the first two principal components of x, scaled to a deviation of 1e-4 of the first. */
gopro_status gp_tsne_start(double *y, const float *x, size_t n, size_t d, uint64_t seed, gp_pool *pool, gopro_error *err);

#endif

/* tsne_tree.c - the quadtree of Barnes-Hut: far cells count as one point at their centre of mass.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/tsne_int.h"

#define LEAF_POINTS 8
#define MAX_DEPTH   48 /* points closer than 2^-48 of the square stay in one leaf */

static gp_cell *new_cell(gp_tsne_work *w, uint32_t *index)
{
    if (w->n_cells == w->cap) {
        size_t cap = w->cap ? 2 * w->cap : 1024;
        gp_cell *more = reallocarray(w->cell, cap, sizeof *more);
        if (!more) return NULL;
        w->cell = more;
        w->cap = cap;
    }
    *index = (uint32_t)w->n_cells;
    return &w->cell[w->n_cells++];
}

/* Sorts the cell's points by quadrant, keeping their order within each. */
static void split(gp_tsne_work *w, uint32_t first, uint32_t n, double cx, double cy, uint32_t count[4])
{
    uint32_t at[4] = {0};
    memset(count, 0, 4 * sizeof *count);
    for (uint32_t i = first; i < first + n; i++) count[(w->x[w->order[i]] >= cx) + 2 * (w->y[w->order[i]] >= cy)]++;
    for (int q = 1; q < 4; q++) at[q] = at[q - 1] + count[q - 1];
    for (uint32_t i = first; i < first + n; i++) {
        uint32_t p = w->order[i];
        w->spare[at[(w->x[p] >= cx) + 2 * (w->y[p] >= cy)]++] = p;
    }
    memcpy(w->order + first, w->spare, n * sizeof *w->order);
}

/* The depth is bounded, so the recursion is. */
static bool build(gp_tsne_work *w, uint32_t *index, uint32_t first, uint32_t n, double cx, double cy, double side, int depth)
{
    gp_cell *c = new_cell(w, index);
    if (!c) return false;
    *c = (gp_cell){.side = side, .first = first, .n = n, .leaf = n <= LEAF_POINTS || depth == MAX_DEPTH};
    for (uint32_t i = first; i < first + n; i++) {
        c->mx += w->x[w->order[i]] / (double)n;
        c->my += w->y[w->order[i]] / (double)n;
    }
    if (c->leaf) return true;
    uint32_t count[4], child[4] = {0}, at = first;
    split(w, first, n, cx, cy, count);
    for (int q = 0; q < 4; q++) {
        double half = side / 4.0;
        if (count[q] > 0 &&
            !build(w, &child[q], at, count[q], cx + (q & 1 ? half : -half), cy + (q & 2 ? half : -half), side / 2.0, depth + 1))
            return false;
        at += count[q];
    }
    memcpy(w->cell[*index].child, child, sizeof child);
    return true;
}

gopro_status gp_tree_build(gp_tsne_work *w, gopro_error *err)
{
    double lo[2] = {HUGE_VAL, HUGE_VAL}, hi[2] = {-HUGE_VAL, -HUGE_VAL};
    for (size_t i = 0; i < w->n; i++) {
        w->order[i] = (uint32_t)i;
        lo[0] = fmin(lo[0], w->x[i]);
        hi[0] = fmax(hi[0], w->x[i]);
        lo[1] = fmin(lo[1], w->y[i]);
        hi[1] = fmax(hi[1], w->y[i]);
    }
    double side = fmax(hi[0] - lo[0], hi[1] - lo[1]);
    uint32_t root;
    w->n_cells = 0;
    bool ok = build(w, &root, 0, (uint32_t)w->n, 0.5 * (lo[0] + hi[0]), 0.5 * (lo[1] + hi[1]), side, 0);
    return ok ? GOPRO_OK : gp_fail_nomem(err, w->cap * sizeof *w->cell, "the tree of t-SNE");
}

void gp_tree_repel(double force[2], double *z, const gp_tsne_work *w, size_t i, double theta)
{
    uint32_t stack[3 * MAX_DEPTH + 8];
    size_t n = 0;
    double fx = 0.0, fy = 0.0, sum = 0.0;
    stack[n++] = 0;
    while (n > 0) {
        const gp_cell *c = &w->cell[stack[--n]];
        double dx = w->x[i] - c->mx, dy = w->y[i] - c->my, d2 = dx * dx + dy * dy;
        if (!c->leaf && c->side * c->side >= theta * theta * d2) {
            for (int q = 3; q >= 0; q--)
                if (c->child[q]) stack[n++] = c->child[q];
            continue;
        }
        if (!c->leaf) {
            double q = 1.0 / (1.0 + d2), m = (double)c->n;
            sum += m * q;
            fx += m * q * q * dx;
            fy += m * q * q * dy;
            continue;
        }
        for (uint32_t k = c->first; k < c->first + c->n; k++) {
            if (w->order[k] == i) continue;
            dx = w->x[i] - w->x[w->order[k]];
            dy = w->y[i] - w->y[w->order[k]];
            double q = 1.0 / (1.0 + dx * dx + dy * dy);
            sum += q;
            fx += q * q * dx;
            fy += q * q * dy;
        }
    }
    force[0] = fx;
    force[1] = fy;
    *z = sum;
}

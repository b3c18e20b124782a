/* info_nce.c - see info_nce.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "losses/info_nce.h"

#include <math.h>
#include <string.h>

#include "losses/clip_loss.h"

typedef struct nce_rec {
    gp_var x, y;
    const gp_real *dx; /* gradient of the loss itself, found with its value */
} nce_rec;

static void info_nce_bwd(gp_tape *t, const void *record)
{
    const nce_rec *r = record;
    (void)t;
    for (size_t i = 0; i < r->x.rows * r->x.cols; i++) r->x.g[i] += r->y.g[0] * r->dx[i];
    gp_reach(r->x);
}

gp_var gp_info_nce(gp_tape *t, gp_var x, gp_var text, const uint32_t *label, double scale)
{
    const size_t B = x.rows, E = x.cols;
    gp_arena *a = gp_tape_arena(t);
    gp_var y = gp_tape_var(t, 1, 1, x.g != NULL);
    gp_real *rows = gp_arena_alloc(a, B * E, sizeof *rows), *dx = gp_arena_alloc(a, B * E, sizeof *dx);
    gp_real *dtext = gp_arena_alloc(a, B * E, sizeof *dtext), dscale = 0;
    uint64_t *same = gp_arena_alloc(a, B, sizeof *same);
    if (!y.v) return y;
    if (!rows || !dx || !dtext || !same) {
        gp_tape_fail(t, GOPRO_E_NOMEM, "out of memory for a loss");
        return (gp_var){0};
    }
    for (size_t b = 0; b < B; b++) {
        memcpy(rows + b * E, text.v + label[b] * E, E * sizeof *rows);
        same[b] = label[b];
    }
    gp_clip_loss l = {.same = same};
    gopro_error e;
    const gopro_status st = gp_clip_loss_run(&l, gp_tape_compute(t), a, dx, dtext, &dscale, x.v, rows, (gp_real)log(scale), B, E, &e);
    if (st != GOPRO_OK) {
        gp_tape_fail(t, st, e.msg);
        return (gp_var){0};
    }
    y.v[0] = (gp_real)l.loss;
    if (y.g) gp_tape_push(t, info_nce_bwd, y, &(nce_rec){x, y, dx}, sizeof(nce_rec));
    return y;
}

/* slots.c - see slots.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "encoders/slots.h"

#include <string.h>

typedef struct pass {
    const gp_kernels *k;
    const gp_slots *s;
    gp_real *x;
    const gp_real *rows;
    gp_real *drows;
} pass;

static void fill_sequence(void *arg, size_t i, size_t worker)
{
    (void)worker;
    const pass *p = arg;
    const gp_slots *s = p->s;
    memcpy(p->x + (i * s->stride + s->first) * s->width, p->rows, s->n * s->width * sizeof *p->x);
}

void gp_slots_fill(gp_compute *c, const gp_slots *s, gp_real *x, const gp_real *rows)
{
    pass p = {.k = c->k, .s = s, .x = x, .rows = rows};
    if (s->n) gp_parallel_for(c->pool, s->count, fill_sequence, &p);
}

static void take_slot(void *arg, size_t r, size_t worker)
{
    (void)worker;
    const pass *p = arg;
    const gp_slots *s = p->s;
    for (size_t i = 0; i < s->count; i++) {
        gp_real *d = p->x + (i * s->stride + s->first + r) * s->width;
        if (p->drows) p->k->add(p->drows + r * s->width, d, s->width);
        memset(d, 0, s->width * sizeof *d);
    }
}

void gp_slots_take(gp_compute *c, const gp_slots *s, gp_real *drows, gp_real *dx)
{
    pass p = {.k = c->k, .s = s, .x = dx, .drows = drows};
    gp_parallel_for(c->pool, s->n, take_slot, &p);
}

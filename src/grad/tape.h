/* tape.h - the linear tape: an op computes now and, if something upstream wants a gradient, records one backward call.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_TAPE_H
#define GP_TAPE_H

#include "base/arena.h"
#include "kernels/compute.h"

/* A matrix [rows, cols] and its gradient.  g == NULL: a constant, nothing flows into it.  `reached` becomes true when a backward call or
 * the seed of a loss adds to g; an op whose output was not reached is skipped, so a parameter that no term reaches stays unreached. */
typedef struct gp_var {
    gp_real *v, *g;
    bool *reached;
    size_t rows, cols;
} gp_var;

typedef struct gp_tape gp_tape;
typedef struct gp_tape_mark {
    gp_arena_mark mem;
    size_t n_records;
} gp_tape_mark;
typedef void gp_tape_bwd(gp_tape *t, const void *record);

gopro_status gp_tape_create(gp_tape **t, gp_compute *c, gopro_error *err);
void gp_tape_free(gp_tape **t);
gp_compute *gp_tape_compute(gp_tape *t);
gp_arena *gp_tape_arena(gp_tape *t); /* values, gradients, saves: all until the pop */

/* Off: no variable made from now on gets a gradient and nothing is recorded (evaluation with trained parameters).  Returns what it was. */
bool gp_tape_set_recording(gp_tape *t, bool on);
bool gp_tape_recording(const gp_tape *t);

/* Uninitialised value, zeroed gradient when wants_grad. Out of memory: sticky failure, an empty var; later ops do nothing. */
gp_var gp_tape_var(gp_tape *t, size_t rows, size_t cols, bool wants_grad);
gp_var gp_const(gp_real *v, size_t rows, size_t cols);                                       /* borrowed data without gradient */
gp_var gp_detach(gp_var x);                                                                  /* same value, no gradient */
void gp_tape_push(gp_tape *t, gp_tape_bwd *fn, gp_var out, const void *record, size_t size); /* called in backward if out was reached */
static inline void gp_reach(gp_var x)
{
    if (x.reached) *x.reached = true;
}

void gp_tape_fail(gp_tape *t, gopro_status st, const char *msg); /* sticky; the first one counts */
bool gp_tape_failed(const gp_tape *t);
gopro_status gp_tape_status(const gp_tape *t, gopro_error *err);

gp_tape_mark gp_tape_mark_get(gp_tape *t);
/* Runs backward calls from the newest record down to the mark and drops the records (memory stays until the pop). */
void gp_tape_backward(gp_tape *t, gp_tape_mark m);
void gp_tape_pop(gp_tape *t, gp_tape_mark m);

#endif

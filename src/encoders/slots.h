/* slots.h - prompt slots (METHODS 2.6, 3.5): rows of every sequence of a tower whose content is learnt instead of computed, in the input
 * or at the input of later blocks.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_ENCODERS_SLOTS_H
#define GP_ENCODERS_SLOTS_H

#include "kernels/compute.h"

/* Learnt rows [levels, n, width], the same for every sequence; what a level is, the tower says. */
typedef struct gp_slot_rows {
    const gp_real *rows;
    size_t n, levels;
} gp_slot_rows;

/* Where a tower's slots stand: `count` sequences (or prefixes) of `stride` packed rows each, slots at rows first .. first+n-1 of each. */
typedef struct gp_slots {
    size_t count, stride, first, n, width;
} gp_slots;

/* x: the slots of every sequence become rows [n, width]. */
void gp_slots_fill(gp_compute *c, const gp_slots *s, gp_real *x, const gp_real *rows);
/* drows [n, width] (may be NULL) += gradient at the slots, summed over the sequences in their order.  The slots of dx are then zero: what
 * the blocks below computed for them was overwritten. */
void gp_slots_take(gp_compute *c, const gp_slots *s, gp_real *drows, gp_real *dx);

#endif

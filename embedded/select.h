/* select.h - which drawings are used: labels for the benchmark, depictable things for pretraining, few variants of one drawing.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GE_SELECT_H
#define GE_SELECT_H

#include "sets.h"

/* Sets d->class by the rules of the benchmark (BENCHMARK: longest phrase at the end; people and smileys exactly). */
void ge_label(ge_drawing *d, const ge_rules *r);

/* Labels every drawing and sets d->keep: all of them, but at most three weights of one drawing in a set. */
void ge_select_benchmark(ge_drawings *ds, const ge_rules *r);

/* Sets d->keep: things that can be shown, at most three variants of a concept in a set, two of them in one style, one skin tone. */
void ge_select_pretraining(ge_drawings *ds, const ge_rules *r, const ge_unicode *u);

/* Draws every kept drawing: d->thumb; clears d->keep of those that cannot be rendered and of exact repetitions in a set. */
void ge_thumbs(ge_drawings *ds);

/* Clears d->keep of drawings that are nearly one of `other` (kept ones); their number. */
size_t ge_drop_near(ge_drawings *ds, const ge_drawings *other, float threshold);
/* The largest cosine between a kept drawing of `ds` and one of `other`, clamped below at 0. */
float ge_largest_cosine(const ge_drawings *ds, const ge_drawings *other);

#endif

/* pretrain.h - writes the pretraining pairs.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GE_PRETRAIN_H
#define GE_PRETRAIN_H

#include "select.h"

/* A pretraining drawing this near to a benchmark drawing is dropped. */
#define GE_NEAR 0.97f

/* DEST/pretrain: pairs.tsv, pairs_val.tsv (2 % of the concepts) and images/SET/NAME.png.  ds: selected, with thumbnails. */
void ge_pretrain_write(ge_drawings *ds, const char *dest);

#endif

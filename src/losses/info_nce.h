/* info_nce.h - CLIP's contrastive loss between images and fixed captions, as a tape operation (METHODS 3.2b).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_INFO_NCE_H
#define GP_INFO_NCE_H

#include "grad/tape.h"

/* (CE(s W T^T, Y) + CE(s T W^T, Y)) / 2 over a batch: W = rows of x [B, E] and T = rows label[b] of text [K, E], both normalised inside;
 * Y spreads the target evenly over the images with the same caption.  The gradient goes to x. */
gp_var gp_info_nce(gp_tape *t, gp_var x, gp_var text, const uint32_t *label, double scale);

#endif

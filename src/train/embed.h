/* embed.h - the image embeddings of a learner, as its classifier sees them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_TRAIN_EMBED_H
#define GP_TRAIN_EMBED_H

#include "train/learner.h"

/* out [B, embed], unit rows: n(P_v(v)) of a method with a visual projector, else n(v); from what gp_learner_encode gives (mu, sigma NULL
 * where the method wants none). */
gopro_status gp_learner_embed(gp_learner *l, gp_real *out, const float *feat, const float *mu, const float *sigma, size_t B,
                              gopro_error *err);
void gp_normalise_rows(gp_real *y, const float *x, size_t n, size_t cols);

#endif

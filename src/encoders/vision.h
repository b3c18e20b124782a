/* vision.h - the image tower (METHODS 1.3) with per-layer statistics taps (3.7 step 1).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_ENCODERS_VISION_H
#define GP_ENCODERS_VISION_H

#include "encoders/model.h"
#include "encoders/slots.h"

/* pixels [B, 3, image, image] normalised -> feat [B, embed], not normalised.  mu, sigma [B, layers, width] over all N+1 rows of each
 * block's output, or both NULL.  Images are independent: the batch may be cut anywhere (it is, to bound memory). */
gopro_status gp_vision_fwd(gp_model *m, gp_real *feat, gp_real *mu, gp_real *sigma, const gp_real *pixels, size_t B, gopro_error *err);

/* With prompts (METHODS 3.5), levels 1 .. v.layers: level 0 stands behind the patches of every image in front of ln_pre, level i replaces
 * those rows at the input of block i+1.  n = 0: CLIP's tower.  With an arena, keeps what the backward pass needs there and sets *save;
 * with a NULL arena nothing is kept (save ignored) and the batch is cut to bound memory. */
typedef struct gp_vision_prompt_save gp_vision_prompt_save;
gopro_status gp_vision_prompt_fwd(gp_model *m, const gp_slot_rows *prompts, gp_real *feat, const gp_real *pixels, size_t B, gp_arena *a,
                                  gp_vision_prompt_save **save, gopro_error *err);
/* dprompts [levels, n, width] += gradient, from dfeat [B, embed]; weights frozen. */
gopro_status gp_vision_prompt_bwd(gp_model *m, gp_vision_prompt_save *save, gp_real *dprompts, const gp_real *dfeat, gopro_error *err);
/* Bytes that the forward pass keeps for one image with n prompt rows. */
size_t gp_vision_prompt_bytes(const gp_model *m, size_t n);

/* Training form: keeps what the backward pass needs in `a`; backward adds weight gradients into dw (a gp_clip_weights shaped like the
 * model's, holding gradients).  save is arena memory. */
typedef struct gp_vision_save gp_vision_save;
gopro_status gp_vision_train_fwd(gp_model *m, gp_arena *a, gp_vision_save **save, gp_real *feat, const gp_real *pixels, size_t B,
                                 gopro_error *err);
gopro_status gp_vision_train_bwd(gp_model *m, gp_vision_save *save, const gp_real *dfeat, gp_clip_weights *dw, gopro_error *err);
/* The same up to the class token after the final layer norm, before the projection: token [B, width] (METHODS 3.2a). */
gopro_status gp_vision_train_token_fwd(gp_model *m, gp_arena *a, gp_vision_save **save, gp_real *token, const gp_real *pixels, size_t B,
                                       gopro_error *err);
gopro_status gp_vision_train_token_bwd(gp_model *m, gp_vision_save *save, const gp_real *dtoken, gp_clip_weights *dw, gopro_error *err);

#endif

/* ssl.h - SLIP's self-supervised term in pretraining: two views through the image tower and SimCLR's head (METHODS 3.2a).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_SSL_H
#define GP_SSL_H

#include "encoders/vision.h"
#include "grad/tape.h"
#include "optim/params.h"

typedef struct gp_ssl {
    gp_real tau, scale;    /* temperature; weight of the term in the total */
    double loss, accuracy; /* results, the loss without its weight; views that find their partner, per cent */
} gp_ssl;

/* The head's tensors, under SLIP's names image_mlp.* */
gopro_status gp_ssl_declare(gp_params *head, size_t width, size_t hidden, gopro_error *err);

/* pixels [2B, 3, image, image]: the first view of every image, then the second ones.  Gradients of scale * loss are added to the head's
 * parameters and to dw (a gp_clip_weights shaped like the model's, which must be trainable).  The tape is left as it was. */
gopro_status gp_ssl_run(gp_ssl *s, gp_tape *t, gp_model *m, gp_params *head, const gp_real *pixels, size_t B, gp_clip_weights *dw,
                        gopro_error *err);

#endif

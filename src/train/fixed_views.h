/* fixed_views.h - option views.fixed: the frozen image tower sees a fixed number of sets of views of every training image, once, and the
 * epochs use them in turn.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_FIXED_VIEWS_H
#define GP_FIXED_VIEWS_H

#include "data/loader.h"
#include "features/progress.h"
#include "train/learner.h"

typedef struct gp_fixed_views gp_fixed_views;

/* Can what the tower gives be kept?  The sets are limited to the epochs there are: with as many as epochs the run is the one without. */
bool gp_fixed_views_possible(const gp_learner *l);
size_t gp_fixed_views_sets(const gp_learner *l); /* option views.fixed, at most the epochs; 0: off */
/* Bytes for n images: 4 (E + 2 layers width) a view with statistics (GOPro at ViT-B/16: 76 KiB), 4 E without (2 KiB). */
size_t gp_fixed_views_bytes(const gp_learner *l, size_t n);

/* Makes the views of set e as epoch e would, on all threads, and keeps what the tower gives. */
gopro_status gp_fixed_views_create(gp_fixed_views **f, const gp_learner *l, const gp_view_config *view, const gp_image_store *store,
                                   size_t n, const gp_watch *w, gopro_error *err);
void gp_fixed_views_free(gp_fixed_views **f);

/* The views of images sample [B] in an epoch, as gp_step_views gives them, in the arena. */
gopro_status gp_fixed_views_get(const gp_fixed_views *f, gp_view out[GP_MAX_VIEWS], gp_arena *a, const uint32_t *sample, size_t B,
                                size_t epoch, gopro_error *err);

#endif

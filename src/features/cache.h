/* cache.h - what the frozen image tower says about test images: computed once, kept on disk, shared by all runs and label sets.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_FEATURES_CACHE_H
#define GP_FEATURES_CACHE_H

#include "data/dataset.h"
#include "encoders/vision.h"
#include "features/progress.h"
#include "image/views.h"

/* Features of a list of images, in its order.  Raw as the tower gave them, not normalised. */
typedef struct gp_features {
    size_t n, embed, layers, width;
    const float **feat;        /* [n] rows of embed numbers */
    const float **mu, **sigma; /* [n] rows of layers x width numbers; NULL if they were not asked for */
    const uint8_t *bad;        /* [n]: 1 where the image could not be read and rules allow it */
    size_t n_bad, n_computed;  /* computed: not found on disk */
    void *own;
} gp_features;

typedef struct gp_features_request {
    gp_model *model;
    gp_precision precision;
    const char *root; /* of the list's paths */
    const gp_item *item;
    size_t n;
    bool stats;
    bool skip_bad;         /* an unreadable image is marked, named in the log and counted; otherwise an error */
    bool scaled_decode;    /* views.h */
    const char *cache_dir; /* NULL: nothing is kept on disk */
    size_t cache_bytes;    /* the most the folder's entries may take; those unused longest go first */
    /* What runs instead of the frozen image tower, or NULL; the disk then has no part in it. */
    gopro_status (*encode)(void *user, float *feat, const float *pixels, size_t n, gopro_error *err);
    void *user;
} gp_features_request;

/* Features on disk stand under the hash of the image file's bytes and that of weights, precision, kernels and preprocessing, so they serve
 * every method, label set and file name; what is torn or damaged is computed again. Several processes may use a folder at once. A folder
 * that cannot be written is a warning, not an error. */
gopro_status gp_features_get(gp_features **f, const gp_features_request *q, const gp_watch *w, gopro_error *err);
void gp_features_free(gp_features **f);

#endif

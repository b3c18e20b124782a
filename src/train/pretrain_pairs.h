/* pretrain_pairs.h - drawings with their names and keywords for pretraining a small CLIP: the list, the batches, the captions, the views.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_PRETRAIN_PAIRS_H
#define GP_PRETRAIN_PAIRS_H

#include "base/pool.h"
#include "base/str.h"
#include "image/views.h"

typedef struct gp_drawing {
    const char *path, *name; /* borrowed from the list */
    const char **keyword;
    size_t n_keywords;
    uint32_t concept;
    bool line, colour; /* line style (made rare); drawn in colours of its own */
    gp_image rgba;     /* decoded, square */
} gp_drawing;

typedef struct gp_pairs {
    gp_drawing *d;
    size_t n;
    uint32_t *first, *member; /* drawings of concept c: member[first[c] .. first[c+1]-1] */
    double *weight;           /* [n_concepts] sampling weight */
    size_t n_concepts;
    double line_weight;
    char *text; /* the file, cut into strings */
    const char **words;
} gp_pairs;

/* A tab-separated file: PNG path relative to the file's folder, concept, name, keywords separated by '|', style.  Every drawing is decoded
 * (on the pool) and must be a square PNG, with transparency where the background shall change.  line_weight scales how often line drawings
 * are shown. DATA errors name the line or the file. */
gopro_status gp_pairs_load(gp_pairs *p, const char *path, double line_weight, gp_pool *pool, gopro_error *err);
void gp_pairs_free(gp_pairs *p);

/* n drawings of n distinct concepts, drawn without replacement with the concepts' weights, from the stream (seed, PRETRAIN, step). */
gopro_status gp_pairs_draw(const gp_pairs *p, uint32_t *drawing, size_t n, uint64_t seed, uint64_t step, gopro_error *err);

/* A caption as alt-text writes it: the name, keywords, sometimes a few plain words around them, never a test template. */
void gp_pairs_caption(gp_str *out, const gp_drawing *d, gp_rng *r);

/* A training view [3, size, size] of a drawing: colours and background, then one of: nearly the test image, a crop, the MoCo recipe,
 * AugMix, so that the model is at home in everything a method will show it.  crop_min: smallest area of a crop. */
gopro_status gp_pairs_view(float *x, const gp_drawing *d, const gp_view_config *c, double crop_min, gp_rng *r, gopro_error *err);
/* A view for the self-supervised term: colours and background, then SLIP's recipe (METHODS 4.3) with the crops of c. */
gopro_status gp_pairs_ssl_view(float *x, const gp_drawing *d, const gp_view_config *c, gp_rng *r, gopro_error *err);
/* The test view: black or its own colours on white. */
gopro_status gp_pairs_plain(float *x, const gp_drawing *d, const gp_view_config *c, gopro_error *err);

#endif

/* atlas.h - the same test images as several runs embed them, laid out in the plane by t-SNE (METHODS 3.9, Figure 3).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_ATLAS_H
#define GP_ATLAS_H

#include "data/dataset.h"
#include "eval/tsne.h"
#include "train/backbone.h"

typedef struct gp_atlas_source {
    const char *run;       /* folder with prompt.safetensors; NULL: the features of CLIP without training */
    const char *model;     /* its model folder */
    const gp_options *opt; /* how its model and the images are read: precision, model.*, data.scaled_decode */
} gp_atlas_source;

typedef struct gp_atlas_request {
    const gp_options *opt; /* rules of data, test.batch, seed (of the choice of images and the start) */
    const gp_atlas_source *source;
    size_t n_sources;
    const char *data, *cache; /* cache may be NULL */
    gp_subset subset;
    size_t points; /* at most so many images, drawn at random */
    gp_tsne_config tsne;
} gp_atlas_request;

typedef struct gp_atlas_run {
    char *title, *run, *method, *backbone; /* title: "GOPro", with the folder where two would be alike; run: "" without a folder */
    double *y;                             /* [n, 2] */
    double kl, silhouette, silhouette_plane;
} gp_atlas_run;

typedef struct gp_atlas {
    char *dataset, *subset;
    char **class_name, **image; /* [K], [n]: paths relative to the dataset */
    uint32_t *label;            /* [n] */
    size_t K, n, available;     /* available: before the choice */
    gp_atlas_run *run;
    size_t n_runs;
    gp_tsne_config tsne;
    double perplexity; /* the one used */
} gp_atlas;

gopro_status gp_atlas_make(gp_atlas **m, const gp_atlas_request *q, const gp_watch *w, gopro_error *err);
void gp_atlas_free(gp_atlas **m);

#endif

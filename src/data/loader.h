/* loader.h - threads that decode images and make views ahead of the step.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_LOADER_H
#define GP_LOADER_H

#include "data/dataset.h"
#include "image/views.h"

/* Decoded images of a list, shared by epochs, bounded in bytes (images beyond the bound are decoded each time). */
typedef struct gp_image_store gp_image_store;
gopro_status gp_image_store_create(gp_image_store **s, const char *root, const gp_item *item, size_t n, size_t max_bytes, gopro_error *err);
/* The same with a choice: large JPEGs shrunk to no less than `least` (image.h; 0: not); skip_bad marks images that do not decode (each one
 * logged) instead of stopping at the first; every image is then decoded once, also those beyond max_bytes.  threads 0: one per processor.
 */
gopro_status gp_image_store_create_with(gp_image_store **s, const char *root, const gp_item *item, size_t n, size_t max_bytes,
                                        uint32_t least, bool skip_bad, size_t threads, const gp_log *log, gopro_error *err);
bool gp_image_store_bad(const gp_image_store *s, size_t i);
/* Removes the bad images from the store and from the caller's list of the same n items; returns what is left. */
size_t gp_image_store_drop_bad(gp_image_store *s, gp_item *item, size_t n);
size_t gp_image_store_size(const gp_image_store *s);
/* *im is the kept image, or own after decoding the file into it (free own afterwards in either case).  Thread-safe. */
gopro_status gp_image_store_get(const gp_image_store *s, size_t i, gp_image *own, const gp_image **im, gopro_error *err);
void gp_image_store_free(gp_image_store **s);

#define GP_LOADER_VIEWS 5 /* crop, MoCo, AugMix, two SSL views */

typedef struct gp_batch {
    float *view[GP_LOADER_VIEWS]; /* [B,3,R,R]; NULL if not asked for */
    uint32_t *label;              /* [B] */
    uint32_t *sample;             /* [B] index in the list */
    size_t B, epoch, iter;
} gp_batch;

typedef struct gp_loader_config {
    gp_view_config view;
    bool want[GP_LOADER_VIEWS]; /* none: the batches say only which images they are, and no image is decoded */
    size_t batch;
    size_t epochs, first_epoch; /* batches of epochs first_epoch .. epochs-1 are made */
    uint64_t seed;
    size_t fixed;   /* sets of views that the epochs use in turn; 0: fresh ones in every epoch */
    size_t threads; /* loader threads, >= 1 */
    size_t ahead;   /* batches prepared ahead, >= 1 */
} gp_loader_config;

/* The views of one image as a batch of that epoch holds them (but for augmix_first, which needs the batch); x[v] NULL: not made. */
gopro_status gp_loader_views(float *const x[GP_LOADER_VIEWS], const gp_image_store *s, const gp_view_config *c, uint64_t seed, size_t epoch,
                             size_t sample, gopro_error *err);

typedef struct gp_loader gp_loader;
/* Batches of every epoch in order: a fresh permutation per epoch, last incomplete batch dropped if there is a full one (METHODS 5.3). */
gopro_status gp_loader_create(gp_loader **l, gp_image_store *s, const gp_item *item, size_t n, const gp_loader_config *c, gopro_error *err);
void gp_loader_free(gp_loader **l); /* stops and joins the threads */
size_t gp_loader_iters(size_t n, size_t batch);
/* Next batch, in order whatever the threads did; *b is NULL after the last.  Give it back with gp_loader_release before the next but one.
 */
gopro_status gp_loader_next(gp_loader *l, gp_batch **b, gopro_error *err);
void gp_loader_release(gp_loader *l, gp_batch *b);

/* Test transform of items first..first+n-1 into x [n,3,R,R], decoding on the pool. */
struct gp_pool;
gopro_status gp_test_pixels(float *x, const char *root, const gp_item *item, size_t n, const gp_view_config *c, struct gp_pool *pool,
                            gopro_error *err);

/* SHA-256 of an image file's bytes: the name of its content, whatever the file is called. */
typedef struct gp_image_id {
    uint8_t byte[32];
} gp_image_id;
/* id [n]; all zero where a file cannot be read (reading its pixels will say why). */
gopro_status gp_image_ids(gp_image_id *id, const char *root, const gp_item *item, size_t n, struct gp_pool *pool, gopro_error *err);

#endif

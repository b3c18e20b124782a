/* load.h - how fast images get from files to a training step: decoding, transforms, views, and the loader as a whole.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_BENCH_LOAD_H
#define GP_BENCH_LOAD_H

#include "base/log.h"
#include "base/options.h"

/* ---- single operations ---- */

typedef struct gp_bench_op {
    const char *name;
    double median_us, min_us, max_us; /* processor time of one application, microseconds */
} gp_bench_op;

#define GP_BENCH_MAX_OPS 48

typedef struct gp_bench_augment_config {
    const char *image;      /* a file; NULL: a made-up picture of width x height */
    uint32_t width, height; /* of the made-up picture */
    uint32_t size;          /* side of the views */
    size_t repeats;         /* each operation is timed that often after one warm-up; random ones draw anew */
} gp_bench_augment_config;

typedef struct gp_bench_augment_result {
    gp_bench_op op[GP_BENCH_MAX_OPS];
    size_t n, n_augmix;           /* the last n_augmix are AugMix's operations at severity 1 */
    uint32_t width, height;       /* of the image */
    size_t jpeg_bytes, png_bytes; /* of the files decoded: the image encoded again */
} gp_bench_augment_result;

/* On one thread.  The JPEG decoded is the image at quality 90, the PNG the same image. */
gopro_status gp_bench_augment(const gp_bench_augment_config *c, gp_bench_augment_result *r, gopro_error *err);

/* ---- the loader ---- */

typedef struct gp_bench_rate {
    double median, min, max; /* images per second */
} gp_bench_rate;

typedef struct gp_bench_load_row {
    size_t threads;
    gp_bench_rate decode;    /* reading and decoding */
    gp_bench_rate transform; /* the test transform of decoded images, to normalised numbers */
    gp_bench_rate loader;    /* whole batches of the method's views from decoded images, as in training after its start */
    gp_bench_rate fresh;     /* the same decoding every image each time: what data.cache_mib has no room for */
} gp_bench_load_row;

typedef struct gp_bench_load_config {
    const char *data;          /* what gp_dataset_open takes */
    const gp_options *options; /* method, views.*, seed, optim.batch, data.*; those not set have the method's own defaults */
    uint32_t size;             /* side of the views */
    size_t images;             /* at most so many, spread over the training list */
    size_t threads, repeats;   /* loader threads 1 .. threads; passes over the images, after one warm-up */
} gp_bench_load_config;

typedef struct gp_bench_load_result {
    const char *method, *title;
    const char *view[8]; /* what the method wants of an image */
    size_t n_views, images, batch;
    uint64_t bytes; /* of the images' files */
    gp_bench_load_row *row;
    size_t n_rows;
} gp_bench_load_result;

/* The median over passes of images per second; 1 / loader.median is to be set beside the step's seconds per image. */
gopro_status gp_bench_load(const gp_bench_load_config *c, gp_bench_load_result *r, const gp_log *log, gopro_error *err);
void gp_bench_load_free(gp_bench_load_result *r);

#endif

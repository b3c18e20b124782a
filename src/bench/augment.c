/* augment.c - processor time of every operation on one image: decoding, resampling, colours, blur, AugMix.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench/load.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/subject.h"
#include "image/views.h"

#define JPEG_QUALITY 90

typedef struct subject {
    const gp_bench_augment_config *c;
    gp_image image, crop; /* the picture; its test transform, which in-place operations start from */
    gp_image work, out;   /* work is a copy of crop when an operation begins; out is freed after it */
    uint8_t *jpeg, *png;
    size_t jpeg_bytes, png_bytes;
    float *x;
    double *time;
    const gp_augmix_op *op;
} subject;

static const float mean[3] = {0.48145466f, 0.4578275f, 0.40821073f}, std[3] = {0.26862954f, 0.26130258f, 0.27577711f};

typedef gopro_status step_fn(subject *s, gp_rng *r, gopro_error *err);

static gopro_status decode_jpeg(subject *s, gp_rng *r, gopro_error *err)
{
    (void)r;
    return gp_image_decode(&s->out, s->jpeg, s->jpeg_bytes, err);
}

static gopro_status decode_png(subject *s, gp_rng *r, gopro_error *err)
{
    (void)r;
    return gp_image_decode(&s->out, s->png, s->png_bytes, err);
}

static gopro_status test_bicubic(subject *s, gp_rng *r, gopro_error *err)
{
    (void)r;
    return gp_image_center(&s->out, &s->image, s->c->size, GP_BICUBIC, err);
}

static gopro_status crop_bicubic(subject *s, gp_rng *r, gopro_error *err)
{
    return gp_random_resized_crop(&s->out, &s->image, s->c->size, 0.08, 1.0, GP_BICUBIC, r, err);
}

static gopro_status crop_bilinear(subject *s, gp_rng *r, gopro_error *err)
{
    return gp_random_resized_crop(&s->out, &s->image, s->c->size, 0.08, 1.0, GP_BILINEAR, r, err);
}

static gopro_status normalise(subject *s, gp_rng *r, gopro_error *err)
{
    (void)r, (void)err;
    gp_image_normalise(s->x, &s->work, mean, std);
    return GOPRO_OK;
}

static gopro_status flip(subject *s, gp_rng *r, gopro_error *err)
{
    (void)r, (void)err;
    gp_image_flip(&s->work);
    return GOPRO_OK;
}

static gopro_status jitter(subject *s, gp_rng *r, gopro_error *err)
{
    (void)err;
    gp_color_jitter(&s->work, 0.4, 0.4, 0.2, 0.1, r);
    return GOPRO_OK;
}

static gopro_status brightness(subject *s, gp_rng *r, gopro_error *err)
{
    (void)err;
    gp_adjust_brightness(&s->work, (float)gp_rng_range(r, 0.6, 1.4));
    return GOPRO_OK;
}

static gopro_status contrast(subject *s, gp_rng *r, gopro_error *err)
{
    (void)err;
    gp_adjust_contrast(&s->work, (float)gp_rng_range(r, 0.6, 1.4));
    return GOPRO_OK;
}

static gopro_status saturation(subject *s, gp_rng *r, gopro_error *err)
{
    (void)err;
    gp_adjust_saturation(&s->work, (float)gp_rng_range(r, 0.8, 1.2));
    return GOPRO_OK;
}

static gopro_status hue(subject *s, gp_rng *r, gopro_error *err)
{
    (void)err;
    gp_adjust_hue(&s->work, (float)gp_rng_range(r, -0.1, 0.1));
    return GOPRO_OK;
}

static gopro_status grey(subject *s, gp_rng *r, gopro_error *err)
{
    (void)r, (void)err;
    gp_to_grey(&s->work);
    return GOPRO_OK;
}

static gopro_status blur(subject *s, gp_rng *r, gopro_error *err)
{
    return gp_gaussian_blur(&s->work, (float)(gp_rng_range(r, 0.1, 2.0) * (double)s->c->size / 224.0), err);
}

static gopro_status solarize(subject *s, gp_rng *r, gopro_error *err)
{
    (void)r, (void)err;
    gp_solarize(&s->work, 128);
    return GOPRO_OK;
}

static gopro_status augmix(subject *s, gp_rng *r, gopro_error *err)
{
    return gp_augmix(s->x, &s->work, mean, std, 1, r, err);
}

static gopro_status augmix_part(subject *s, gp_rng *r, gopro_error *err)
{
    return s->op->apply(&s->work, 1, r, err);
}

/* The views of a GOPro step, from the decoded image. */
static gopro_status views(subject *s, gp_rng *r, gopro_error *err)
{
    gp_view_config v = {.size = s->c->size, .scale_min = 0.08, .scale_max = 1.0, .moco_recipe = 1, .augmix_severity = 1};
    const size_t n = 3 * (size_t)s->c->size * s->c->size;
    memcpy(v.mean, mean, sizeof mean);
    memcpy(v.std, std, sizeof std);
    return gp_views_make(s->x, s->x + n, s->x + 2 * n, &s->image, &v, 1, 0, gp_rng_below(r, UINT32_MAX), err);
}

static const struct step {
    const char *name;
    step_fn *run;
} steps[] = {
    {"decode_jpeg", decode_jpeg},
    {"decode_png", decode_png},
    {"test_transform", test_bicubic},
    {"crop_bicubic", crop_bicubic},
    {"crop_bilinear", crop_bilinear},
    {"normalise", normalise},
    {"flip", flip},
    {"color_jitter", jitter},
    {"brightness", brightness},
    {"contrast", contrast},
    {"saturation", saturation},
    {"hue", hue},
    {"grey", grey},
    {"blur", blur},
    {"solarize", solarize},
    {"augmix", augmix},
    {"three_views", views},
};

static double processor_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static gopro_status measure(subject *s, gp_bench_augment_result *r, const char *name, step_fn *run, gopro_error *err)
{
    const size_t n = s->c->repeats;
    for (size_t k = 0; k <= n; k++) {
        gp_rng rng = gp_rng_make(1, GP_RNG_TEST, k, 0);
        memcpy(s->work.px, s->crop.px, 3 * (size_t)s->crop.w * s->crop.h);
        const double t0 = processor_seconds();
        GP_TRY(run(s, &rng, err));
        if (k > 0) s->time[k - 1] = 1e6 * (processor_seconds() - t0);
        gp_image_free(&s->out);
    }
    const double median = gp_bench_median(s->time, n);
    r->op[r->n++] = (gp_bench_op){name, median, s->time[0], s->time[n - 1]};
    return GOPRO_OK;
}

/* Slopes, edges and grain, so that decoders and filters meet what photographs have; the same on every machine. */
static gopro_status make_picture(gp_image *im, uint32_t w, uint32_t h, gopro_error *err)
{
    GP_TRY(gp_image_alloc(im, w, h, 3, err));
    gp_rng r = gp_rng_make(2, GP_RNG_TEST, w, h);
    uint8_t *p = im->px;
    for (uint32_t y = 0; y < h; y++)
        for (uint32_t x = 0; x < w; x++, p += 3) {
            const uint32_t u = x * 1024 / w, v = y * 1024 / h, patch = ((u / 97) * 7 + (v / 131) * 13) % 5 * 24;
            const uint32_t grain = gp_rng_below(&r, 16);
            p[0] = (uint8_t)(u / 12 + patch + grain);
            p[1] = (uint8_t)(v / 10 + patch / 2 + grain);
            p[2] = (uint8_t)((u + v) / 16 + (4 * 24 - patch) + grain / 2);
        }
    return GOPRO_OK;
}

static gopro_status prepare(subject *s, gopro_error *err)
{
    const gp_bench_augment_config *c = s->c;
    if (c->size == 0 || c->repeats == 0) return gp_fail(err, GOPRO_E_INVALID, "views of at least 1 pixel and at least 1 repeat are needed");
    if (c->image)
        GP_TRY(gp_image_read(&s->image, c->image, err));
    else
        GP_TRY(make_picture(&s->image, c->width, c->height, err));
    GP_TRY(gp_image_center(&s->crop, &s->image, c->size, GP_BICUBIC, err));
    GP_TRY(gp_image_alloc(&s->work, c->size, c->size, 3, err));
    GP_TRY(gp_image_encode_jpeg(&s->jpeg, &s->jpeg_bytes, &s->image, JPEG_QUALITY, err));
    GP_TRY(gp_image_encode_png(&s->png, &s->png_bytes, &s->image, err));
    const size_t n = 3 * 3 * (size_t)c->size * c->size;
    s->x = malloc(n * sizeof *s->x);
    s->time = malloc(c->repeats * sizeof *s->time);
    return s->x && s->time ? GOPRO_OK : gp_fail_nomem(err, n * sizeof *s->x, "the benchmark");
}

gopro_status gp_bench_augment(const gp_bench_augment_config *c, gp_bench_augment_result *r, gopro_error *err)
{
    subject s = {.c = c};
    *r = (gp_bench_augment_result){0};
    gopro_status st = prepare(&s, err);
    for (size_t i = 0; i < GP_COUNT(steps) && st == GOPRO_OK; i++) st = measure(&s, r, steps[i].name, steps[i].run, err);
    for (size_t i = 0; i < GP_AUGMIX_OPS && st == GOPRO_OK; i++) {
        s.op = &gp_augmix_ops[i];
        st = measure(&s, r, s.op->name, augmix_part, err);
        r->n_augmix++;
    }
    r->width = s.image.w, r->height = s.image.h;
    r->jpeg_bytes = s.jpeg_bytes, r->png_bytes = s.png_bytes;
    gp_image_free(&s.image);
    gp_image_free(&s.crop);
    gp_image_free(&s.work);
    gp_image_free(&s.out);
    free(s.jpeg);
    free(s.png);
    free(s.x);
    free(s.time);
    return st;
}

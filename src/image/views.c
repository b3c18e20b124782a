/* views.c - the training views: RandomResizedCrop, the recipes of MoCo v3 and SLIP, AugMix (METHODS 4).
 * SPDX-License-Identifier: Apache-2.0 */
#include "image/views.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "image/image_int.h"

#define CROP_TRIES   10
#define AUGMIX_WIDTH 3
#define AUGMIX_DEPTH 3

static const float imagenet_mean[3] = {0.485f, 0.456f, 0.406f}, imagenet_std[3] = {0.229f, 0.224f, 0.225f};

/* METHODS 4.1's fallback: the largest centred box whose ratio is within 3/4 .. 4/3. */
static gp_box central_box(uint32_t W, uint32_t H)
{
    const double ratio = (double)W / (double)H;
    gp_box b = {0, 0, W, H};
    if (ratio < 3.0 / 4.0) b.h = (uint32_t)nearbyint((double)W / (3.0 / 4.0));
    if (ratio > 4.0 / 3.0) b.w = (uint32_t)nearbyint((double)H * (4.0 / 3.0));
    if (b.h > H) b.h = H;
    if (b.w > W) b.w = W;
    b.x = (W - b.w) / 2;
    b.y = (H - b.h) / 2;
    return b;
}

static gp_box random_box(uint32_t W, uint32_t H, double smin, double smax, gp_rng *r)
{
    const double area = (double)W * (double)H;
    for (int t = 0; t < CROP_TRIES; t++) {
        const double target = area * gp_rng_range(r, smin, smax);
        const double ratio = exp(gp_rng_range(r, log(3.0 / 4.0), log(4.0 / 3.0)));
        const double w = nearbyint(sqrt(target * ratio)), h = nearbyint(sqrt(target / ratio));
        if (w < 1.0 || h < 1.0 || w > (double)W || h > (double)H) continue;
        gp_box b = {.w = (uint32_t)w, .h = (uint32_t)h};
        b.y = gp_rng_below(r, H - b.h + 1);
        b.x = gp_rng_below(r, W - b.w + 1);
        return b;
    }
    return central_box(W, H);
}

gopro_status gp_random_resized_crop(gp_image *out, const gp_image *im, uint32_t size, double smin, double smax, gp_filter f, gp_rng *r,
                                    gopro_error *err)
{
    *out = (gp_image){0};
    if (!im->px || size == 0 || !(smin > 0.0 && smin <= smax && smax <= 1.0))
        return gp_fail(err, GOPRO_E_INVALID, "cannot crop to %u pixels with areas of %g to %g; expected 0 < smallest <= largest <= 1", size,
                       smin, smax);
    return gp_image_resample(out, im, random_box(im->w, im->h, smin, smax, r), size, size, (gp_box){0, 0, size, size}, f, err);
}

/* ---- crop, colours, blur: MoCo v3 and SLIP ---- */

typedef struct recipe {
    double saturation, blur, solarize; /* strength; probabilities */
} recipe;

static const recipe moco[2] = {{0.2, 1.0, 0.0}, {0.2, 0.1, 0.2}}, slip = {0.4, 0.5, 0.0};

static gopro_status recipe_view(float *x, const gp_image *im, const gp_view_config *c, const recipe *k, gp_rng *r, gopro_error *err)
{
    gp_image v = {0};
    GP_TRY(gp_random_resized_crop(&v, im, c->size, c->scale_min, c->scale_max, GP_BILINEAR, r, err));
    if (gp_rng_chance(r, 0.8)) gp_color_jitter(&v, 0.4, 0.4, k->saturation, 0.1, r);
    if (gp_rng_chance(r, 0.2)) gp_to_grey(&v);
    gopro_status st = GOPRO_OK;
    if (k->blur >= 1.0 || gp_rng_chance(r, k->blur))
        st = gp_gaussian_blur(&v, (float)(gp_rng_range(r, 0.1, 2.0) * (double)c->size / 224.0), err);
    if (k->solarize > 0.0 && gp_rng_chance(r, k->solarize)) gp_solarize(&v, 128);
    if (gp_rng_chance(r, 0.5)) gp_image_flip(&v);
    if (st == GOPRO_OK) gp_image_normalise(x, &v, c->moco_imagenet ? imagenet_mean : c->mean, c->moco_imagenet ? imagenet_std : c->std);
    gp_image_free(&v);
    return st;
}

static gopro_status moco_view(float *x, const gp_image *im, const gp_view_config *c, gp_rng *r, gopro_error *err)
{
    const int which = c->moco_recipe != 0 ? c->moco_recipe : 1 + (int)gp_rng_below(r, 2);
    return recipe_view(x, im, c, &moco[which - 1], r, err);
}

gopro_status gp_ssl_view(float *x, const gp_image *im, const gp_view_config *c, gp_rng *r, gopro_error *err)
{
    return recipe_view(x, im, c, &slip, r, err);
}

gopro_status gp_ssl_view_make(float *x, const gp_image *im, const gp_view_config *c, uint64_t seed, uint64_t epoch, uint64_t sample,
                              uint32_t which, gopro_error *err)
{
    gp_rng r = gp_rng_make(seed, which == 0 ? GP_RNG_VIEW_SSL_A : GP_RNG_VIEW_SSL_B, epoch, sample);
    if (im->channels != 3) return gp_fail(err, GOPRO_E_INVALID, "expected an image with 3 channels, not %u", im->channels);
    return gp_ssl_view(x, im, c, &r, err);
}

/* ---- AugMix ---- */

static double level(gp_rng *r, int severity)
{
    return gp_rng_range(r, 0.1, (double)severity);
}

static double sign(gp_rng *r)
{
    return gp_rng_chance(r, 0.5) ? -1.0 : 1.0;
}

static int int_level(gp_rng *r, int severity, double max)
{
    return (int)(level(r, severity) * max / 10.0);
}

static gopro_status op_autocontrast(gp_image *im, int severity, gp_rng *r, gopro_error *err)
{
    (void)severity, (void)r, (void)err;
    gp_autocontrast(im);
    return GOPRO_OK;
}

static gopro_status op_equalize(gp_image *im, int severity, gp_rng *r, gopro_error *err)
{
    (void)severity, (void)r, (void)err;
    gp_equalize(im);
    return GOPRO_OK;
}

static gopro_status op_posterize(gp_image *im, int severity, gp_rng *r, gopro_error *err)
{
    (void)err;
    gp_posterize(im, 4 - int_level(r, severity, 4.0));
    return GOPRO_OK;
}

static gopro_status op_rotate(gp_image *im, int severity, gp_rng *r, gopro_error *err)
{
    const double degrees = (double)int_level(r, severity, 30.0);
    return gp_rotate(im, sign(r) * degrees, err);
}

static gopro_status op_solarize(gp_image *im, int severity, gp_rng *r, gopro_error *err)
{
    (void)err;
    gp_solarize(im, 256 - int_level(r, severity, 256.0));
    return GOPRO_OK;
}

static gopro_status op_shear_x(gp_image *im, int severity, gp_rng *r, gopro_error *err)
{
    const double g = level(r, severity) * 0.3 / 10.0 * sign(r);
    return gp_affine(im, (const double[6]){1.0, g, 0.0, 0.0, 1.0, 0.0}, err);
}

static gopro_status op_shear_y(gp_image *im, int severity, gp_rng *r, gopro_error *err)
{
    const double g = level(r, severity) * 0.3 / 10.0 * sign(r);
    return gp_affine(im, (const double[6]){1.0, 0.0, 0.0, g, 1.0, 0.0}, err);
}

static gopro_status op_translate_x(gp_image *im, int severity, gp_rng *r, gopro_error *err)
{
    const double g = (double)int_level(r, severity, (double)im->w / 3.0) * sign(r);
    return gp_affine(im, (const double[6]){1.0, 0.0, g, 0.0, 1.0, 0.0}, err);
}

static gopro_status op_translate_y(gp_image *im, int severity, gp_rng *r, gopro_error *err)
{
    const double g = (double)int_level(r, severity, (double)im->h / 3.0) * sign(r);
    return gp_affine(im, (const double[6]){1.0, 0.0, 0.0, 0.0, 1.0, g}, err);
}

const gp_augmix_op gp_augmix_ops[GP_AUGMIX_OPS] = {
    {"autocontrast", op_autocontrast}, {"equalize", op_equalize}, {"posterize", op_posterize}, {"rotate", op_rotate},
    {"solarize", op_solarize},         {"shear_x", op_shear_x},   {"shear_y", op_shear_y},     {"translate_x", op_translate_x},
    {"translate_y", op_translate_y},
};

static double exponential(gp_rng *r)
{
    return -log(1.0 - gp_rng_uniform(r));
}

/* x = weight * norm(im), or x += it. */
static void add_normalised(float *x, const gp_image *im, const float mean[3], const float std[3], float weight, bool first)
{
    const size_t n = (size_t)im->w * im->h;
    for (size_t c = 0; c < 3; c++) {
        float lut[256];
        for (int v = 0; v < 256; v++) lut[v] = weight * (((float)v / 255.0f - mean[c]) / std[c]);
        const uint8_t *p = im->px + c;
        float *dst = x + c * n;
        if (first)
            for (size_t i = 0; i < n; i++) dst[i] = lut[p[3 * i]];
        else
            for (size_t i = 0; i < n; i++) dst[i] += lut[p[3 * i]];
    }
}

gopro_status gp_augmix(float *x, const gp_image *crop, const float mean[3], const float std[3], int severity, gp_rng *r, gopro_error *err)
{
    if (severity < 1 || severity > 10)
        return gp_fail(err, GOPRO_E_INVALID, "AugMix severity %d is out of range; expected 1 to 10", severity);
    /* Dirichlet(1, 1, 1) as normalised exponentials; Beta(1, 1) is uniform. */
    double w[AUGMIX_WIDTH], sum = 0.0;
    for (int i = 0; i < AUGMIX_WIDTH; i++) sum += w[i] = exponential(r);
    const double m = gp_rng_uniform(r);
    add_normalised(x, crop, mean, std, (float)(1.0 - m), true);
    const size_t bytes = 3 * (size_t)crop->w * crop->h;
    gp_image im = {0};
    GP_TRY(gp_image_alloc(&im, crop->w, crop->h, 3, err));
    gopro_status st = GOPRO_OK;
    for (int i = 0; i < AUGMIX_WIDTH && st == GOPRO_OK; i++) {
        memcpy(im.px, crop->px, bytes);
        const uint32_t depth = 1 + gp_rng_below(r, AUGMIX_DEPTH);
        for (uint32_t d = 0; d < depth && st == GOPRO_OK; d++)
            st = gp_augmix_ops[gp_rng_below(r, GP_AUGMIX_OPS)].apply(&im, severity, r, err);
        const double share = sum > 0.0 ? w[i] / sum : 1.0 / AUGMIX_WIDTH;
        if (st == GOPRO_OK) add_normalised(x, &im, mean, std, (float)(m * share), false);
    }
    gp_image_free(&im);
    return st;
}

/* ---- the normalised crop read as bytes ---- */

uint8_t gp_wrapped_byte(float x)
{
    return (uint8_t)((int32_t)(255.0f * x) & 255);
}

void gp_image_wrap(gp_image *im, const float mean[3], const float std[3])
{
    const size_t n = (size_t)im->w * im->h;
    for (size_t c = 0; c < 3; c++) {
        uint8_t lut[256];
        for (int v = 0; v < 256; v++) lut[v] = gp_wrapped_byte(((float)v / 255.0f - mean[c]) / std[c]);
        for (size_t i = 0; i < n; i++) im->px[i * im->channels + c] = lut[im->px[i * im->channels + c]];
    }
}

/* ---- the three views ---- */

static gopro_status random_crop(gp_image *out, const gp_image *im, const gp_view_config *c, gp_filter f, gp_rng *r, gopro_error *err)
{
    GP_TRY(gp_random_resized_crop(out, im, c->size, c->scale_min, c->scale_max, f, r, err));
    if (gp_rng_chance(r, 0.5)) gp_image_flip(out);
    return GOPRO_OK;
}

/* The filter the model's images are resized with. */
static gp_filter model_filter(const gp_view_config *c)
{
    return c->bilinear ? GP_BILINEAR : GP_BICUBIC;
}

gopro_status gp_view_test(gp_image *out, const gp_image *im, const gp_view_config *c, gopro_error *err)
{
    return gp_image_center_of(out, im, c->resize ? c->resize : c->size, c->size, model_filter(c), err);
}

uint32_t gp_view_test_least(const gp_view_config *c)
{
    return !c->scaled_decode ? 0 : c->resize ? c->resize : c->size;
}

uint32_t gp_view_train_least(const gp_view_config *c)
{
    return !c->scaled_decode ? 0 : (uint32_t)ceil((double)c->size / sqrt(0.75 * c->scale_min));
}

/* What the views of (epoch, sample) are made of: its 8-bit crop, and the image that c->source names. */
typedef struct origin {
    gp_image crop;          /* made if a view needs it */
    gp_image wrapped;       /* made for GP_VIEW_OF_WRAPPED */
    const gp_image *source; /* borrowed: the image, the crop or the wrapped crop */
} origin;

static void origin_free(origin *o)
{
    gp_image_free(&o->crop);
    gp_image_free(&o->wrapped);
}

static gopro_status origin_make(origin *o, const gp_image *im, const gp_view_config *c, bool crop, bool source, uint64_t seed,
                                uint64_t epoch, uint64_t sample, gopro_error *err)
{
    *o = (origin){.source = im};
    if (im->channels != 3) return gp_fail(err, GOPRO_E_INVALID, "expected an image with 3 channels, not %u", im->channels);
    source = source && c->source != GP_VIEW_OF_IMAGE;
    if (!crop && !source) return GOPRO_OK;
    gp_rng r = gp_rng_make(seed, GP_RNG_VIEW_CROP, epoch, sample);
    GP_TRY(random_crop(&o->crop, im, c, model_filter(c), &r, err));
    if (!source) return GOPRO_OK;
    o->source = &o->crop;
    if (c->source == GP_VIEW_OF_CROP) return GOPRO_OK;
    GP_TRY(gp_image_alloc(&o->wrapped, o->crop.w, o->crop.h, 3, err));
    memcpy(o->wrapped.px, o->crop.px, 3 * (size_t)o->crop.w * o->crop.h);
    gp_image_wrap(&o->wrapped, c->mean, c->std);
    o->source = &o->wrapped;
    return GOPRO_OK;
}

static gopro_status augmix_view(float *x, const origin *o, const gp_view_config *c, gp_rng *r, gopro_error *err)
{
    gp_image own = {0};
    if (c->augmix_own_crop) GP_TRY(random_crop(&own, o->source, c, c->augmix_bilinear ? GP_BILINEAR : model_filter(c), r, err));
    gopro_status st = gp_augmix(x, c->augmix_own_crop ? &own : &o->crop, c->mean, c->std, c->augmix_severity, r, err);
    gp_image_free(&own);
    return st;
}

gopro_status gp_views_make(float *x, float *x1, float *x2, const gp_image *im, const gp_view_config *c, uint64_t seed, uint64_t epoch,
                           uint64_t sample, gopro_error *err)
{
    origin o;
    const bool own = x2 && c->augmix_own_crop;
    gopro_status st = origin_make(&o, im, c, x || (x2 && !own), x1 || own, seed, epoch, sample, err);
    if (st == GOPRO_OK && x) gp_image_normalise(x, &o.crop, c->mean, c->std);
    if (st == GOPRO_OK && x1) {
        gp_rng r = gp_rng_make(seed, GP_RNG_VIEW_MOCO, epoch, sample);
        st = moco_view(x1, o.source, c, &r, err);
    }
    if (st == GOPRO_OK && x2) {
        gp_rng r = gp_rng_make(seed, GP_RNG_VIEW_AUGMIX, epoch, sample);
        st = augmix_view(x2, &o, c, &r, err);
    }
    origin_free(&o);
    return st;
}

gopro_status gp_views_augmix(float *x2, const gp_image *im, const gp_view_config *c, uint64_t seed, uint64_t epoch, uint64_t sample,
                             uint64_t draw, gopro_error *err)
{
    origin o;
    gp_rng r = gp_rng_make(seed, GP_RNG_VIEW_AUGMIX, epoch, draw);
    gopro_status st = origin_make(&o, im, c, !c->augmix_own_crop, c->augmix_own_crop, seed, epoch, sample, err);
    if (st == GOPRO_OK) st = augmix_view(x2, &o, c, &r, err);
    origin_free(&o);
    return st;
}

/* views.h - the training views: crop, the recipes of MoCo v3 and SLIP, AugMix (METHODS 4).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_VIEWS_H
#define GP_VIEWS_H

#include "image/image.h"

/* What the MoCo view, and an AugMix view with a crop of its own, are cut from (METHODS 3.8 R6). */
typedef enum gp_view_source {
    GP_VIEW_OF_IMAGE,  /* the decoded image */
    GP_VIEW_OF_CROP,   /* the 8-bit crop of the train view */
    GP_VIEW_OF_WRAPPED /* the normalised crop, read as bytes with wrapped values */
} gp_view_source;

typedef struct gp_view_config {
    uint32_t size; /* output pixels R; blur sigma and translations scale with R/224 */
    float mean[3], std[3];
    uint32_t resize;             /* test transform: the short side before the centre is cut out; 0: size */
    bool bilinear;               /* the model's resize filter, of the test transform and the training crop; else bicubic */
    double scale_min, scale_max; /* area of RandomResizedCrop (0.08, 1) */
    int moco_recipe;             /* 1, 2; 0: each at random */
    int augmix_severity;         /* 1 */
    bool augmix_own_crop;        /* draw another crop instead of the train view's */
    gp_view_source source;       /* of the MoCo view and of augmix_own_crop */
    bool augmix_bilinear;        /* filter of augmix_own_crop; else the model's */
    bool augmix_first;           /* in a batch: every AugMix view is one of the batch's first image (R8); gp_views_make knows no batch */
    bool moco_imagenet;          /* the MoCo view normalised with ImageNet's constants instead of mean, std (R7) */
    bool scaled_decode;          /* large JPEGs may be decoded smaller, see gp_view_test_least */
} gp_view_config;

/* The three views of one decoded image.  x [3,R,R] train transform; x1 MoCo, x2 AugMix of x's 8-bit crop; x1, x2 may be NULL (not made).
 * Randomness only from the streams (seed, GP_RNG_VIEW_*, epoch, sample): a view does not depend on which others are made. */
gopro_status gp_views_make(float *x, float *x1, float *x2, const gp_image *im, const gp_view_config *c, uint64_t seed, uint64_t epoch,
                           uint64_t sample, gopro_error *err);

/* What gp_image_decode_least may shrink an image to; 0 without scaled_decode.  For the test transform: its short side, so that it never
 * enlarges.  For training: so that no crop is enlarged on that account, R / sqrt(3/4 scale_min): the narrowest crop has ratio 3/4. */
uint32_t gp_view_test_least(const gp_view_config *c);
uint32_t gp_view_train_least(const gp_view_config *c);

/* The test transform of a model, 8-bit. */
gopro_status gp_view_test(gp_image *out, const gp_image *im, const gp_view_config *c, gopro_error *err);

/* One AugMix view of (epoch, sample): x2 above if draw is sample; another number draws another view of the same crop or image. */
gopro_status gp_views_augmix(float *x2, const gp_image *im, const gp_view_config *c, uint64_t seed, uint64_t epoch, uint64_t sample,
                             uint64_t draw, gopro_error *err);

/* trunc(255 x) mod 256: how the released code turns a normalised number into a byte; and every pixel replaced so (METHODS 3.8 step 5). */
uint8_t gp_wrapped_byte(float x);
void gp_image_wrap(gp_image *im, const float mean[3], const float std[3]);

/* SimCLR view number `which` (0, 1) of METHODS 4.3: both by the same recipe, each from a stream of its own. */
gopro_status gp_ssl_view_make(float *x, const gp_image *im, const gp_view_config *c, uint64_t seed, uint64_t epoch, uint64_t sample,
                              uint32_t which, gopro_error *err);
/* The same of the caller's stream (pretraining draws the colours of a drawing first). */
gopro_status gp_ssl_view(float *x, const gp_image *im, const gp_view_config *c, gp_rng *r, gopro_error *err);

/* The parts, for tests and pretraining; all in place on 8-bit RGB. */
gopro_status gp_random_resized_crop(gp_image *out, const gp_image *im, uint32_t size, double smin, double smax, gp_filter f, gp_rng *r,
                                    gopro_error *err);
void gp_color_jitter(gp_image *im, double brightness, double contrast, double saturation, double hue, gp_rng *r);
void gp_adjust_brightness(gp_image *im, float f);
void gp_adjust_contrast(gp_image *im, float f);
void gp_adjust_saturation(gp_image *im, float f);
void gp_adjust_hue(gp_image *im, float f);
void gp_to_grey(gp_image *im);
gopro_status gp_gaussian_blur(gp_image *im, float sigma, gopro_error *err);
void gp_solarize(gp_image *im, int threshold);
void gp_posterize(gp_image *im, int bits);
void gp_autocontrast(gp_image *im);
void gp_equalize(gp_image *im);
/* Output pixel (X,Y) reads input (a(X+.5)+b(Y+.5)+c, d(X+.5)+e(Y+.5)+f), bilinear, black outside (METHODS 4.4). */
gopro_status gp_affine(gp_image *im, const double coeff[6], gopro_error *err);
gopro_status gp_rotate(gp_image *im, double degrees, gopro_error *err);
/* AugMix's operations, each of a level drawn up to severity. */
typedef struct gp_augmix_op {
    const char *name;
    gopro_status (*apply)(gp_image *im, int severity, gp_rng *r, gopro_error *err);
} gp_augmix_op;
#define GP_AUGMIX_OPS 9
extern const gp_augmix_op gp_augmix_ops[GP_AUGMIX_OPS];
gopro_status gp_augmix(float *x /* [3,h,w] normalised */, const gp_image *crop, const float mean[3], const float std[3], int severity,
                       gp_rng *r, gopro_error *err);

#endif

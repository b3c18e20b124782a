/* methods.h - every method there is, and the settings of GOPro that others need to see.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_METHODS_H
#define GP_METHODS_H

#include "methods/method.h"
#include "prompts/prompts.h"

extern const gp_method gp_method_zeroshot;
extern const gp_method gp_method_slip;
extern const gp_method gp_method_coop;
extern const gp_method gp_method_cocoop;
extern const gp_method gp_method_maple;
extern const gp_method gp_method_stylip;
extern const gp_method gp_method_gopro;
extern const gp_method gp_method_gopro_release;
extern const gp_method gp_method_linear_probe;
extern const gp_method gp_method_tip_adapter;

/* x /= max(||x||, 1e-12) */
void gp_unit(gp_real *x, const gp_kernels *k, size_t n);

/* For methods that look at the training crop only. */
void gp_views_crop(const gp_setup *s, gp_view_kind kind[GP_MAX_VIEWS]);

/* Every class once, in order, with context 0; NULL: out of memory. */
gp_pair *gp_all_classes(gp_arena *a, size_t K);

/* For methods with contexts per image: text features of images first .. first+n-1 with all classes, [n K, E], not normalised; tokens
 * [B M, Dt]: the contexts of all images of the step. */
gp_var gp_text_per_image(gp_tape *t, gp_step *s, gp_var tokens, size_t first, size_t n);

/* class_features of methods with hand-written prompts. */
gp_var gp_template_features(gp_tape *t, gp_step *s);

/* The settings of feature rescaling in a run. */
gp_frg_config gp_gopro_frg(const gp_setup *s);

#endif

/* setup.c - what a method says about a run before its first step: its setup, its default settings, the views it looks at.
 * SPDX-License-Identifier: Apache-2.0 */
#include "methods/methods.h"

gp_setup gp_setup_make(const gp_method *m, gp_model *model, const gp_options *o, size_t M, size_t K, const gp_real *word_ctx)
{
    gp_setup s = {.model = model, .opt = o, .M = m->wants & GP_WANT_TEMPLATES ? 0 : M, .K = K, .word_ctx = word_ctx};
    if (m->prepare) m->prepare(&s);
    return s;
}

gopro_status gp_method_apply_defaults(const gp_method *m, gp_options *o, bool all_classes, gopro_error *err)
{
    for (const gp_method_default *d = m->defaults; d && d->option; d++)
        GP_TRY(gp_options_set_default(o, d->option, all_classes ? d->all : d->base, err));
    return GOPRO_OK;
}

void gp_views_crop(const gp_setup *s, gp_view_kind kind[GP_MAX_VIEWS])
{
    (void)s;
    kind[0] = GP_VIEW_CROP;
    for (size_t i = 1; i < GP_MAX_VIEWS; i++) kind[i] = GP_VIEW_NONE;
}

/* backbone.h - the frozen CLIP of a run: threads, weights, both towers and the tokenizer, loaded once and shared by all runs.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_BACKBONE_H
#define GP_BACKBONE_H

#include "base/options.h"
#include "encoders/model.h"
#include "encoders/text.h"
#include "image/views.h"
#include "text/tokenizer.h"

typedef struct gp_backbone {
    gp_compute *compute;
    gp_clip_weights *weights;
    gp_model *model;
    gp_tokenizer *tok;
    gp_precision precision;
    char *path; /* the folder, as given */
} gp_backbone;

/* `path`: a folder or file in any of the formats of docs/CHECKPOINTS.md.  Options threads, precision and model.*. */
gopro_status gp_backbone_load(gp_backbone **b, const char *path, const gp_options *o, gopro_error *err);
void gp_backbone_free(gp_backbone **b);

/* The prompts of a label set under a template, laid out for the text tower with M placeholder words (0: the template's own words)
 * at a position. */
gopro_status gp_backbone_plan(gp_text_plan **plan, const gp_backbone *b, const char *const *class_name, size_t K, const char *tmpl,
                              size_t M, gp_ctx_pos pos, gopro_error *err);

/* Preprocessing constants of weights, and the training views as the options say. */
void gp_arch_views(gp_view_config *vc, const gp_clip_arch *a, const gp_options *o);
void gp_backbone_views(gp_view_config *vc, const gp_backbone *b, const gp_options *o);

#endif

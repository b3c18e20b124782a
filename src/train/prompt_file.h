/* prompt_file.h - prompt.safetensors: the learnt tensors, and in the metadata everything prediction needs but the backbone.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_PROMPT_FILE_H
#define GP_PROMPT_FILE_H

#include "train/learner.h"

typedef struct gp_prompt_meta {
    const char *dataset, *subset, *draw_hash;
    const char *const *class_name;
    size_t K;
    gp_own_template own_template; /* of methods with hand-written prompts */
} gp_prompt_meta;

gopro_status gp_prompt_write(const char *path, const gp_learner *l, const gp_prompt_meta *m, gopro_error *err);

/* What a prompt file says; strings and arrays owned by the object. */
typedef struct gp_prompt_info {
    char *dataset, *subset, *backbone_hash, *template_text;
    bool template_not_in_7; /* see gp_own_template */
    char **class_name;
    size_t K;
} gp_prompt_info;
void gp_prompt_info_free(gp_prompt_info *i);

/* The learner a prompt file holds. Options threads and precision come from `base`, everything else from the file. WEIGHTS error if the
 * backbone is another one, a tensor is missing or has another shape. */
gopro_status gp_prompt_read(gp_learner **l, gp_prompt_info *info, gp_backbone *b, const char *path, gopro_error *err);

#endif

/* prompts.h - the token ids of one prompt per class, from start to end token (METHODS 2.6).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_TEXT_PROMPTS_H
#define GP_TEXT_PROMPTS_H

#include "text/templates.h"
#include "text/tokenizer.h"

typedef struct gp_prompt_set {
    size_t K;
    uint32_t **ids;   /* [K] start token .. end token */
    size_t *n;        /* [K] with both */
    size_t *name_len; /* [K] tokens of the class name encoded alone */
} gp_prompt_set;

/* tmpl: "a photo of a {}." or, before a learnt context, placeholder words "X X X X {}.".  The whole prompt is tokenised, as a name and the
 * full stop behind it may share a token.  context: the most tokens a prompt may have.  DATA error, naming the class, if it has more, or
 * if the name has no tokens or holds a special token; INVALID for a template without exactly one {}. */
gopro_status gp_prompts_build(gp_prompt_set **s, const gp_tokenizer *t, const char *const *class_name, size_t K, const char *tmpl,
                              size_t context, gopro_error *err);
void gp_prompts_free(gp_prompt_set **s);

#endif

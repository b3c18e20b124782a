/* text.h - the text tower with exact prefix sharing, cut at the end token, last block for the end row only (METHODS 1.4, 2).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_ENCODERS_TEXT_H
#define GP_ENCODERS_TEXT_H

#include "encoders/model.h"
#include "encoders/slots.h"

/* Token ids of one prompt: start token .. end token (first occurrence), nothing after it. */
typedef struct gp_prompt {
    const uint32_t *ids; /* borrowed */
    size_t n;
    size_t name_len; /* tokens of the class name, for positions middle and front */
} gp_prompt;

typedef enum gp_ctx_pos { GP_POS_END, GP_POS_MIDDLE, GP_POS_FRONT } gp_ctx_pos;

/* A label set laid out for the text tower: where the M learnt rows stand, the suffix rows of every class.  Built once per label set and M;
 * the prompt's tokens 1..M are placeholders.  M = 0: no learnt rows (zero-shot). */
typedef struct gp_text_plan gp_text_plan;
gopro_status
gp_text_plan_create(gp_text_plan **p, gp_model *m, const gp_prompt *prompts, size_t K, size_t M, gp_ctx_pos pos,
                    gopro_error *err); /* errors: a prompt shorter than M+2 or longer than the context, naming the class index */
void gp_text_plan_free(gp_text_plan **p);
size_t gp_text_plan_classes(const gp_text_plan *p);
size_t gp_text_plan_rows(const gp_text_plan *p); /* suffix rows of all classes, for cost estimates */

typedef struct gp_pair {
    uint32_t context, cls;
} gp_pair;

/* contexts [C, M, t.width] (NULL if M = 0; then every pair has context 0); pairs [n]: which context with which class; for class-specific
 * contexts give one context per class.  out [n, embed], not normalised.  With an arena, keeps what the backward pass needs there and sets
 * *save; with a NULL arena nothing is kept (save ignored).  Every prefix is computed once per context used. */
typedef struct gp_text_save gp_text_save;
gopro_status gp_text_fwd(gp_model *m, const gp_text_plan *p, gp_real *out, const gp_real *contexts, size_t C, const gp_pair *pairs,
                         size_t n, gp_arena *a, gp_text_save **save, gopro_error *err);
/* dcontexts [C, M, t.width] += gradient, from dout [n, embed]. */
gopro_status gp_text_bwd(gp_model *m, gp_text_save *save, gp_real *dcontexts, const gp_real *dout, gopro_error *err);

/* The same with deep prompts (METHODS 2.6, 3.5): level i of `deep` (n = M) replaces the context rows at the input of block i+2, for every
 * context and class alike; for contexts that all stand before the name.  dcontexts and ddeep
 * [levels, M, t.width] += gradient, each may be NULL. */
gopro_status gp_text_deep_fwd(gp_model *m, const gp_text_plan *p, gp_real *out, const gp_real *contexts, size_t C, const gp_slot_rows *deep,
                              const gp_pair *pairs, size_t n, gp_arena *a, gp_text_save **save, gopro_error *err);
gopro_status gp_text_deep_bwd(gp_model *m, gp_text_save *save, gp_real *dcontexts, gp_real *ddeep, const gp_real *dout, gopro_error *err);

/* Pretraining form: whole captions, gradients to every text weight including the embeddings. */
typedef struct gp_text_train_save gp_text_train_save;
gopro_status gp_text_train_fwd(gp_model *m, gp_arena *a, gp_text_train_save **save, gp_real *out, const gp_prompt *prompts, size_t n,
                               gopro_error *err);
gopro_status gp_text_train_bwd(gp_model *m, gp_text_train_save *save, const gp_real *dout, gp_clip_weights *dw, gopro_error *err);

/* Token embeddings of ids (without positions) -> out [n, t.width]: the start of a context from words. */
void gp_text_embed(const gp_model *m, gp_real *out, const uint32_t *ids, size_t n);

/* The plain evaluation over all context positions, reference kernels, no sharing: the oracle of tests and nothing else.
 * x0 [context, t.width] are input rows before positions are added; the feature of row `end` -> out [embed].  deep (or NULL): level i
 * replaces rows 1 .. n at the input of block i+2. */
gopro_status gp_text_plain(gp_model *m, gp_real *out, const gp_real *x0, size_t end, gopro_error *err);
gopro_status gp_text_plain_deep(gp_model *m, gp_real *out, const gp_real *x0, size_t end, const gp_slot_rows *deep, gopro_error *err);

#endif

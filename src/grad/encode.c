/* encode.c - the frozen towers as operations on the tape: gradients go to the prompts only.
 * SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "grad/ops.h"

typedef struct text_rec {
    gp_model *m;
    gp_text_save *save;
    gp_var contexts, deep, y;
} text_rec;

static void text_encode_bwd(gp_tape *t, const void *record)
{
    const text_rec *r = record;
    gopro_error e;
    const gopro_status st = gp_text_deep_bwd(r->m, r->save, r->contexts.g, r->deep.g, r->y.g, &e);
    if (st != GOPRO_OK) gp_tape_fail(t, st, e.msg);
    gp_reach(r->contexts);
    gp_reach(r->deep);
}

gp_var gp_text_encode_deep(gp_tape *t, gp_model *m, const gp_text_plan *p, gp_var contexts, gp_var deep, size_t C, const gp_pair *pairs,
                           size_t n)
{
    const bool wants = (contexts.g || deep.g) && gp_tape_recording(t);
    gp_var y = gp_tape_var(t, n, gp_model_arch(m)->embed, wants);
    if (!y.v) return y;
    const size_t M = C ? contexts.rows / C : 0;
    assert(deep.rows == 0 || deep.rows % M == 0);
    const gp_slot_rows slots = {.rows = deep.v, .n = M, .levels = M ? deep.rows / M : 0};
    gp_text_save *save = NULL;
    gopro_error e;
    const gopro_status st = gp_text_deep_fwd(m, p, y.v, contexts.v, C, &slots, pairs, n, wants ? gp_tape_arena(t) : NULL, &save, &e);
    if (st != GOPRO_OK) {
        gp_tape_fail(t, st, e.msg);
        return (gp_var){0};
    }
    if (wants) gp_tape_push(t, text_encode_bwd, y, &(text_rec){m, save, contexts, deep, y}, sizeof(text_rec));
    return y;
}

gp_var gp_text_encode(gp_tape *t, gp_model *m, const gp_text_plan *p, gp_var contexts, size_t C, const gp_pair *pairs, size_t n)
{
    return gp_text_encode_deep(t, m, p, contexts, (gp_var){0}, C, pairs, n);
}

typedef struct image_rec {
    gp_model *m;
    gp_vision_prompt_save *save;
    gp_var prompts, y;
} image_rec;

static void image_encode_bwd(gp_tape *t, const void *record)
{
    const image_rec *r = record;
    gopro_error e;
    const gopro_status st = gp_vision_prompt_bwd(r->m, r->save, r->prompts.g, r->y.g, &e);
    if (st != GOPRO_OK) gp_tape_fail(t, st, e.msg);
    gp_reach(r->prompts);
}

gp_var gp_image_encode(gp_tape *t, gp_model *m, gp_var prompts, size_t levels, const gp_real *pixels, size_t B)
{
    const bool wants = prompts.g && gp_tape_recording(t);
    gp_var y = gp_tape_var(t, B, gp_model_arch(m)->embed, wants);
    if (!y.v) return y;
    assert(prompts.rows == 0 || (levels > 0 && prompts.rows % levels == 0));
    const gp_slot_rows slots = {.rows = prompts.v, .n = levels ? prompts.rows / levels : 0, .levels = levels};
    gp_vision_prompt_save *save = NULL;
    gopro_error e;
    const gopro_status st = gp_vision_prompt_fwd(m, &slots, y.v, pixels, B, wants ? gp_tape_arena(t) : NULL, &save, &e);
    if (st != GOPRO_OK) {
        gp_tape_fail(t, st, e.msg);
        return (gp_var){0};
    }
    if (wants) gp_tape_push(t, image_encode_bwd, y, &(image_rec){m, save, prompts, y}, sizeof(image_rec));
    return y;
}

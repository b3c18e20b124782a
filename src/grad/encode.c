/* encode.c - the frozen text tower as one operation on the tape: gradients go to the contexts only.
 * SPDX-License-Identifier: Apache-2.0 */
#include "grad/ops.h"

typedef struct encode_rec {
    gp_model *m;
    gp_text_save *save;
    gp_var contexts, y;
} encode_rec;

static void text_encode_bwd(gp_tape *t, const void *record)
{
    const encode_rec *r = record;
    gopro_error e;
    const gopro_status st = gp_text_bwd(r->m, r->save, r->contexts.g, r->y.g, &e);
    if (st != GOPRO_OK) gp_tape_fail(t, st, e.msg);
    gp_reach(r->contexts);
}

gp_var gp_text_encode(gp_tape *t, gp_model *m, const gp_text_plan *p, gp_var contexts, size_t C, const gp_pair *pairs, size_t n)
{
    const bool wants = contexts.g && gp_tape_recording(t);
    gp_var y = gp_tape_var(t, n, gp_model_arch(m)->embed, wants);
    if (!y.v) return y;
    gp_text_save *save = NULL;
    gopro_error e;
    const gopro_status st = gp_text_fwd(m, p, y.v, contexts.v, C, pairs, n, wants ? gp_tape_arena(t) : NULL, &save, &e);
    if (st != GOPRO_OK) {
        gp_tape_fail(t, st, e.msg);
        return (gp_var){0};
    }
    if (wants) gp_tape_push(t, text_encode_bwd, y, &(encode_rec){m, save, contexts, y}, sizeof(encode_rec));
    return y;
}

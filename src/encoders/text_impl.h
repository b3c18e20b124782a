/* text_impl.h - the text tower's plan, saved state and head, shared by its files.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_ENCODERS_TEXT_IMPL_H
#define GP_ENCODERS_TEXT_IMPL_H

#include "encoders/model_impl.h"
#include "encoders/text.h"

#define GP_CTX_ROW 0x80000000u /* a row code with this bit is context row (code & ~bit), else a token id */

struct gp_text_plan {
    gp_model *m;
    size_t K, M;
    size_t in_prefix; /* contexts that all classes share */
    size_t P;         /* shared prefix rows: the start token, the first contexts, then words that every class has there */
    uint32_t *prefix; /* [P] */
    uint32_t *first;  /* [K+1] where the rows of a class begin in code */
    uint32_t *code;   /* suffix rows of every class */
};

/* One packed run of pairs, sorted by context. */
struct gp_text_save {
    const gp_text_plan *plan;
    gp_slot_rows deep; /* rows replaced at the input of blocks 2 .. levels+1 */
    size_t n, n_used;
    const gp_pair *pair;        /* [n] sorted */
    const uint32_t *where;      /* [n] row of the caller's output */
    const uint32_t *used;       /* [n_used] distinct contexts, ascending */
    const uint32_t *used_first; /* [n_used+1] their pairs */
    const uint32_t *row;        /* [n+1] first packed row of each pair */
    gp_layout l;
    gp_block_state *s; /* [layers] */
    gp_real *end;      /* [n, width] last block's output */
    gp_real *mean, *rstd;
};

/* Where the context rows stand among the packed rows, all of them in the prefixes. */
gp_slots gp_text_slots(const gp_text_save *s);

/* METHODS 1.4: ln_final and t_proj of rows x [n, width]; out row i goes to out[where[i]] (where NULL: i). */
typedef struct gp_text_head {
    gp_model *m;
    gp_real *out, *mean, *rstd;
    const gp_real *x;
    const uint32_t *where;
} gp_text_head;
void gp_text_head_run(gp_text_head *h, size_t n);

/* dx [n, width] = gradient; with dw: ln_final and t_proj gradients, u [n, width] and sum (partial sums, [row blocks of n, 2 width])
 * are working memory, else all NULL. */
typedef struct gp_text_head_back {
    gp_model *m;
    gp_real *dx;
    const gp_real *dout, *x, *mean, *rstd;
    const uint32_t *where;
    gp_clip_weights *dw;
    gp_real *u, *sum;
    size_t n;
} gp_text_head_back;
void gp_text_head_bwd(gp_text_head_back *h);

#endif

/* branches.h - what both variants of GOPro share: three branches (the image, its MoCo v3 view, its AugMix view) through the text tower, and
 * the losses that compare them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_BRANCHES_H
#define GP_BRANCHES_H

#include "methods/method.h"

enum { GP_X, GP_X1, GP_X2, GP_N_BRANCHES }; /* branch b is view b of the step */
enum { GP_CE, GP_SEM1, GP_SEM2, GP_CON, GP_N_LOSSES };
extern const char *const gp_branch_loss[GP_N_LOSSES]; /* the terms' names */

typedef struct gp_branches {
    /* settings */
    double lambda[GP_N_LOSSES];
    bool mse_all;       /* semantic loss: mean square over all classes instead of the true class's distance */
    bool detach_anchor; /* no semantic gradient into the image's own branch */
    /* filled by the method's shared(): */
    gp_var tokens[GP_N_BRANCHES]; /* [B M, Dt] the contexts of each branch's prompts; empty if no loss needs its text */
    gp_var w;                     /* [B, E] the image embeddings of the logits */
    /* */
    bool all_classes; /* of the image itself; otherwise its true class is enough */
} gp_branches;

/* The views that the losses of non-zero weight need. */
void gp_branches_views(const double lambda[GP_N_LOSSES], gp_view_kind kind[GP_MAX_VIEWS]);

/* Whether branch b's text is needed in this step. */
bool gp_branches_text(const gp_branches *x, const gp_step *s, size_t b);

/* For shared(): x is complete but for tokens and w. */
void gp_branches_begin(gp_step *s, gp_branches *x);

/* For images(): text features t^, logits l_k = s <n(w), t^_k(x)>, L_ce and L_Sem (METHODS 3.7 steps 4 and 6). */
void gp_branches_images(gp_tape *t, gp_step *s, gp_branches *x, size_t first, size_t n);

#endif

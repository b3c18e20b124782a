/* prompts.h - the learnable parts that methods are made of: each is a declaration of tensors and a function on the tape.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_PROMPTS_H
#define GP_PROMPTS_H

#include "grad/ops.h"
#include "optim/params.h"

/* Bottleneck of a meta-net: width / 16, at least 1 (METHODS 3). */
size_t gp_bottleneck(size_t width);

/* ctx [M, Dt]: the embeddings of words, or N(0, 0.02) if words is NULL. */
gopro_status gp_context_declare(gp_params *p, size_t M, size_t Dt, const gp_real *words, gopro_error *err);

/* ctx [K, M, Dt]: a context for every class, each starting from the words or N(0, 0.02). */
gopro_status gp_class_contexts_declare(gp_params *p, size_t K, size_t M, size_t Dt, const gp_real *words, gopro_error *err);

/* Feature rescaling and pooling (METHODS 3.7 step 2): statistics of the image tower's layers -> F_1 .. F_L. */
typedef enum gp_frg_norm { GP_FRG_RMS, GP_FRG_UNIT, GP_FRG_NONE } gp_frg_norm;
typedef struct gp_frg_config {
    gp_frg_norm norm;            /* length of F_l: sqrt(Dt), 1, as it comes */
    bool center;                 /* statistics minus their means over the training shots (state center.mu, center.sigma) */
    bool pool;                   /* pooling to Dt instead of linear maps; no parameters */
    const char *content, *style; /* names of the linear maps, NAME.L.weight; NULL: frg.content, frg.style */
    size_t L, Dv, Dt;
} gp_frg_config;
typedef struct gp_stats {
    const gp_real *mu, *sigma; /* [B, L, Dv] */
} gp_stats;
gopro_status gp_frg_declare(gp_params *p, const gp_frg_config *c, gopro_error *err);
/* view[n_views] of B images each; f[l] becomes [n_views B, Dt], the images of view 0 first. */
void gp_frg(gp_tape *t, gp_params *p, const gp_frg_config *c, const gp_stats *view, size_t n_views, size_t B, gp_var *f);

/* The two halves on their own (StyLIP, METHODS 3.6): content C_l mu_l + c_l or style S_l (mu_l + sigma_l)/2 + s_l, rescaled. */
typedef enum gp_frg_part { GP_FRG_CONTENT, GP_FRG_STYLE } gp_frg_part;
void gp_frg_half(gp_tape *t, gp_params *p, const gp_frg_config *c, gp_stats stats, size_t B, gp_frg_part which, gp_var *f);
gp_frg_norm gp_frg_norm_parse(const char *name); /* "rms", "unit", "none" */

/* Meta-net NAME (METHODS 3.7 step 3): F_1 .. F_L [n, Dt] -> shifts [n M, Dt]; mix, encoder, ReLU, decoder (zero at start). */
gopro_status gp_meta_net_declare(gp_params *p, const char *name, size_t M, size_t L, size_t Dt, bool decoder_bias, gopro_error *err);
gp_var gp_meta_net(gp_tape *t, gp_params *p, const char *name, const gp_var *f, size_t L);

/* A net for every token (METHODS 3.6): NAME.mix as above, then NAME.m.encoder, ReLU, NAME.m.decoder (zero at start) for token m. */
gopro_status gp_token_nets_declare(gp_params *p, const char *name, size_t M, size_t L, size_t Dt, bool decoder_bias, gopro_error *err);
gp_var gp_token_nets(gp_tape *t, gp_params *p, const char *name, size_t M, const gp_var *f, size_t L);

/* CoCoOp's meta-net NAME (METHODS 3.4): linear1, ReLU, linear2 on x [n, E] -> [n, Dt]. */
gopro_status gp_bias_net_declare(gp_params *p, const char *name, size_t E, size_t Dt, gopro_error *err);
gp_var gp_bias_net(gp_tape *t, gp_params *p, const char *name, gp_var x);

/* SimCLR head NAME (METHODS 3.2): Linear(E, H), BN, ReLU, Linear(H, H), BN, ReLU, Linear(H, 256); every call is a batch of its own. */
gopro_status gp_ssl_head_declare(gp_params *p, const char *name, size_t E, size_t H, gopro_error *err);
gp_var gp_ssl_head(gp_tape *t, gp_params *p, const char *name, gp_var x, bool training);

/* Coupled prompts (METHODS 3.5) for the first J blocks of both towers: ctx and p_2 .. p_J [n, Dt] of the text tower, each with a linear map
 * to the rows of the image tower; the maps of p_2 .. p_J start as copies of one draw.  words as for a context. */
gopro_status gp_coupled_declare(gp_params *p, size_t n, size_t J, size_t Dt, size_t Dv, const gp_real *words, gopro_error *err);
gp_var gp_coupled_text(gp_tape *t, gp_params *p, size_t J);  /* p_2 .. p_J, [(J-1) n, Dt]; J = 1: no rows */
gp_var gp_coupled_image(gp_tape *t, gp_params *p, size_t J); /* proj(ctx), proj_2(p_2) .. proj_J(p_J), [J n, Dv] */

/* Visual projector (METHODS 3.7 step 5) on normalised features v [n, E]: v + alpha (W v + b), or v + alpha BN(W v + b), or v. */
typedef enum gp_projector_kind { GP_PV_RESIDUAL, GP_PV_LINEAR_BN, GP_PV_OFF } gp_projector_kind;
gopro_status gp_projector_declare(gp_params *p, gp_projector_kind kind, size_t E, gopro_error *err);
gp_var gp_projector(gp_tape *t, gp_params *p, gp_projector_kind kind, gp_real alpha, gp_var v, bool training);

#endif
